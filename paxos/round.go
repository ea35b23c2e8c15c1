package paxos

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// Reads: a leader that answers one must have led when it was asked. It asks f followers for a sign, in rounds: the
// read-index of Ongaro's thesis, section 6.4. Question and sign are bare headers with a nonce in place of the chosen op,
// so that a fast path that is armed can answer: being armed is being normal in the view.

// round is for reads that are confirmed when f followers have given a sign for its nonce or a later one.
type round struct {
	nonce uint64
	allAt Time // when all followers are asked
	asked gathered
}

// gathered counts the tickets of reads that came one after the other, and the reads.
type gathered struct{ tickets, reads int }

const (
	// maxRounds bounds the read rounds in flight; under load further reads gather into the next one.
	maxRounds = 4
	// probePatience is how long a round waits for the followers that it has asked before it asks all. It is far above
	// what an answer takes, and below what a client waits before it asks again.
	probePatience = 4 * wire.Millisecond
)

// Read asks whether this replica is still the leader: by its lease at this moment, or by a round of signs that are
// given after now. The ticket stands for so many reads. It comes back in Ready.Confirmed; if leadership is lost before, it
// never does.
func (c *Core) Read(now Time, ticket uint64, reads int) error {
	c.now = now
	if !c.serving() {
		return ErrNotServing
	}
	if c.leased(now) {
		c.reads.ByLease += uint64(reads)
		c.out.Confirmed = append(c.out.Confirmed, ticket)
		return nil
	}
	l := &c.lead
	if l.waiting.reads >= c.cfg.Limits.Reads {
		return ErrFull
	}
	l.tickets = append(l.tickets, ticket)
	l.waiting.tickets++
	l.waiting.reads += reads
	return nil
}

// startRound asks on behalf of the reads that wait.
func (c *Core) startRound() {
	l := &c.lead
	if l.waiting.tickets == 0 || len(l.rounds) >= maxRounds {
		return
	}
	l.probe++
	l.rounds = append(l.rounds, round{l.probe, c.now.Add(probePatience), l.waiting})
	l.waiting = gathered{}
	var order [wire.MaxReplicas]ReplicaID
	for _, r := range c.prompt(order[:0]) {
		c.send(r, c.probe())
	}
	c.confirm()
}

// prompt lists f followers, in the room of an empty list: those that gave the latest signs. More would only be more work for
// them.
func (c *Core) prompt(all []ReplicaID) []ReplicaID {
	for i := range c.cfg.Replicas {
		r := ReplicaID(i)
		if r == c.cfg.Self {
			continue
		}
		at := len(all)
		all = append(all, r)
		for ; at > 0 && c.lead.followers[all[at-1]].signed < c.lead.followers[r].signed; at-- {
			all[at], all[at-1] = all[at-1], r
		}
	}
	return all[:c.f]
}

func (c *Core) probe() wire.Frame {
	return frame(wire.KindProbe, c.lastNormal, 0, Op(c.lead.probe), nil)
}

// probeDue asks all followers when those that were asked keep silent.
func (c *Core) probeDue() {
	if l := &c.lead; len(l.rounds) > 0 && c.now >= l.rounds[0].allAt {
		l.rounds[0].allAt = c.now.Add(probePatience)
		c.send(Everyone, c.probe())
	}
}

// stepProbe gives the leader a sign. It grants no lease, so that it binds to nothing: it says that this
// replica was normal in the view at a moment after the question was asked.
func (c *Core) stepProbe(m *Message) {
	if len(m.Body) != 0 || m.Op != 0 {
		c.ignore(IgnoredMalformed)
		return
	}
	if c.fromLeader(m) {
		c.send(m.Sender, frame(wire.KindSign, c.lastNormal, 0, m.Chosen, nil))
	}
}

func (c *Core) stepSign(m *Message) {
	if len(m.Body) != 0 || m.Op != 0 {
		c.ignore(IgnoredMalformed)
		return
	}
	p := c.fromFollower(m)
	if p == nil {
		return
	}
	nonce := uint64(m.Chosen)
	if nonce > c.lead.probe {
		c.ignore(IgnoredStaleNonce)
		return
	}
	p.signed = max(p.signed, nonce)
	c.confirm()
}

// confirm releases the rounds for whose nonce f followers have given a sign. Acknowledgements of entries confirm
// nothing: they may answer what was sent before the read arrived.
func (c *Core) confirm() {
	l := &c.lead
	for len(l.rounds) > 0 && c.signs(l.rounds[0].nonce) >= c.f && !l.silent {
		asked := l.rounds[0].asked
		c.reads.ByRound += uint64(asked.reads)
		c.out.Confirmed = append(c.out.Confirmed, l.tickets[:asked.tickets]...)
		l.tickets = slices.Delete(l.tickets, 0, asked.tickets)
		l.rounds = slices.Delete(l.rounds, 0, 1)
	}
}

func (c *Core) signs(nonce uint64) (n int) {
	for r := range c.cfg.Replicas {
		if s := c.lead.followers[r].signed; s >= nonce || s > 0 && mutant.On("old-sign-confirms") {
			n++
		}
	}
	return n
}
