package paxos

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The loss of a majority. When more than f replicas are without memory at the same time, none of them can
// recover, and what the others hold may lack what was chosen. The group stays closed, and says so, until an
// operator decides: [Core.AcceptLoss] gives up all that it held and lets it form anew, in a new epoch.

// ErrNotLost says that a group's loss cannot be accepted, because it is not certain that it has lost anything.
var ErrNotLost = errors.New("paxos: the group is not known to have lost its memory")

// lossRounds is how many rounds of questions in a row must show the same replicas without memory. Two
// would prove that they were so at the same moment; the rest allows for answers that are long under way.
const lossRounds = 5

// census is what a recovering replica knows of the memory of the others. It asks them in rounds of an
// election timeout each, as a replica that is forming does.
type census struct {
	endsAt Time // of the round under way; before the first one, when to begin
	rounds [wire.MaxReplicas]roundsOf
	// complete: in the last round all others have answered.
	complete bool
	// lost: more than f replicas, this one among them, have been without memory for lossRounds rounds.
	lost bool
}

// roundsOf counts the rounds in a row in which a replica, in one life of it, was without memory.
type roundsOf struct {
	birth       uint64
	incarnation Incarnation
	n           int
}

// startCensus lets a recovery that goes well do without.
func (c *Core) startCensus() { c.census = census{endsAt: c.now.Add(c.cfg.Timing.Election)} }

func (c *Core) tickCensus() {
	switch {
	case c.installing(): // a log is on its way, and needs the line
	case c.now >= c.census.endsAt:
		if c.forming.nonce != 0 || c.cfg.Replicas == 1 {
			c.closeRound()
		}
		c.census.endsAt = c.now.Add(c.cfg.Timing.Election)
		c.inquire()
	case c.forming.nonce != 0 && c.now >= c.forming.repeatAt:
		c.askForm(Everyone)
	}
}

// closeRound counts who is without memory. A replica that copies a log has found one.
func (c *Core) closeRound() {
	w := &c.census
	w.complete = true
	without := 1 // this replica
	for r := range c.cfg.Replicas {
		if ReplicaID(r) == c.cfg.Self {
			continue
		}
		a := c.forming.answers[r]
		w.complete = w.complete && a != nil && c.charter.sameGroup(&a.Charter)
		c.countRound(&w.rounds[r], a)
		if w.rounds[r].n >= lossRounds {
			without++
		}
	}
	w.lost = without > c.f
}

// countRound counts what one replica has answered in a round, if it has.
func (c *Core) countRound(seen *roundsOf, a *answer) {
	switch {
	case a == nil || a.Status != Recovering || a.Copying || !c.charter.sameGroup(&a.Charter):
		*seen = roundsOf{}
	case seen.birth != a.Charter.Birth || seen.incarnation != a.incarnation:
		*seen = roundsOf{a.Charter.Birth, a.incarnation, 1}
	default:
		seen.n++
	}
}

// AcceptLoss gives up all that the group held, so that it can be formed anew. It is an operator's decision,
// and refused with [ErrNotLost] unless this replica knows that the group cannot go on: all replicas must
// have answered, and more than f of them, this one included, must be without memory. The other replicas are
// told by the questions of this one; the group serves again, empty, when all have heard.
func (c *Core) AcceptLoss(now Time) error {
	c.now = now
	switch {
	case c.over:
		return fmt.Errorf("%w: it is being formed anew already", ErrNotLost)
	case c.status != Recovering:
		return fmt.Errorf("%w: this replica is %v; ask at one that says it is lost", ErrNotLost, c.status)
	case c.installing():
		return fmt.Errorf("%w: this replica copies the log of another; wait", ErrNotLost)
	case mutant.On("loss-on-demand"):
	case !c.census.lost:
		return fmt.Errorf("%w: no more than %d of %d replicas are known to be without memory; start the others, or wait", ErrNotLost, c.f, c.cfg.Replicas)
	case !c.census.complete:
		return fmt.Errorf("%w: not all of its %d replicas answer; start all of them, for one may remember", ErrNotLost, c.cfg.Replicas)
	}
	c.end(c.charter.Epoch + 1)
	return nil
}

// obeys ends this life if another replica's charter says that the loss of this epoch was accepted.
func (c *Core) obeys(theirs *Charter) bool {
	if theirs.Loss <= c.charter.Epoch {
		return false
	}
	c.end(theirs.Loss)
	return true
}

// end gives up what this replica holds, and leaves on disk the promise of one that forms in a new epoch.
func (c *Core) end(e Epoch) {
	c.charter = Charter{Birth: c.cfg.Rand.Uint64() | 1, Epoch: e, Loss: e}
	c.promised = e.First()
	c.incarnation++
	c.out = Ready{Over: true}
	c.save()
	c.over, c.status, c.census = true, Forming, census{}
}
