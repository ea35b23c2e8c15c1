package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The decision to leave a view. A follower that hears nothing asks the others first, so that one deaf
// replica neither disturbs the group nor strands itself in a view of its own.

// hearing is what a replica knows about the life of its leader.
type hearing struct {
	heard    Time
	patience Duration // drawn anew each time, between once and one and a half times the election timeout
	gapAt    Time     // the earliest time to ask for a gap again

	asking bool
	nonce  uint64
	askAt  Time
	deaf   [wire.MaxReplicas]bool // who has answered that it hears nothing either
}

// listen begins to wait for the leader with fresh patience. It is drawn so that mostly one asks first; those who ask
// at once do no harm, for all that leave a view head for the same next one.
func (c *Core) listen() {
	e := c.cfg.Timing.Election
	c.hearing = hearing{heard: c.now, patience: e + Duration(c.cfg.Rand.Int63n(int64(e/2)))}
}

func (c *Core) heardLeader() {
	if c.hearing.asking {
		c.listen()
	}
	c.hearing.heard = c.now
}

// hears reports whether this replica leads with a majority, or has lately heard a leader; also while it
// still copies that leader's log.
func (c *Core) hears() bool {
	if c.leads() {
		return !c.lead.silent
	}
	return c.installing() || c.follows() && c.now.Sub(c.hearing.heard) <= c.cfg.Timing.Election
}

// tickHearing asks the others when patience is at its end; a silent leader asks as a follower does.
func (c *Core) tickHearing() {
	h := &c.hearing
	waits := c.leads() && !c.lead.silent || c.follows() && c.now.Sub(h.heard) <= h.patience
	if waits || c.now < h.askAt {
		return
	}
	if !h.asking {
		h.asking = true
		h.nonce = c.cfg.Rand.Uint64() | 1
	}
	h.askAt = c.now.Add(c.cfg.Timing.Heartbeat)
	c.send(Everyone, frame(wire.KindAsk, c.promised, c.log.last(), c.log.chosen, askBody.Append(nil, &Ask{h.nonce})))
}

func (c *Core) stepAsk(m *Message) {
	var a Ask
	if askBody.Decode(m.Body, &a) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if c.status == Recovering {
		c.notice(m.View)
		c.ignore(IgnoredWrongStatus)
		return
	}
	c.notice(m.View)
	c.answer(m.Sender, a.Nonce)
}

func (c *Core) answer(to ReplicaID, nonce uint64) {
	a := Answer{Nonce: nonce, Hears: c.hears()}
	c.send(to, frame(wire.KindAnswer, c.promised, c.log.last(), c.log.chosen, answerBody.Append(nil, &a)))
}

func (c *Core) stepAnswer(m *Message) {
	var a Answer
	if answerBody.Decode(m.Body, &a) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	h := &c.hearing
	switch {
	case m.View > c.promised && c.fencing && m.View <= c.target:
		c.ignore(IgnoredFencing)
	case m.View > c.promised:
		c.notice(m.View)
	case !h.asking || a.Nonce != h.nonce || c.status != Normal || c.fencing:
		c.ignore(IgnoredStaleNonce)
	case a.Hears && !mutant.On("deaf-disturbs"):
		c.ignore(IgnoredHears)
		h.deaf[m.Sender] = false
	case h.deaf[m.Sender]:
		c.ignore(IgnoredDuplicate)
	default:
		h.deaf[m.Sender] = true
		if count(h.deaf[:]) >= c.f {
			c.leave(c.promised + 1)
		}
	}
}

// notice joins a view when another replica has promised one above this replica's.
func (c *Core) notice(v View) {
	switch {
	case c.status == Recovering:
		c.noticeRecovering(v)
	case v > c.promised && !(c.fencing && v <= c.target):
		c.leave(v)
	}
}

// leave heads for the first view from v on whose leader can lead it. A normal replica first takes the
// tail of the log back from the fast path.
func (c *Core) leave(v View) {
	for range c.cfg.Replicas {
		if !c.absent[c.leader(v)] || mutant.On("await-recovering") {
			break
		}
		v++
	}
	switch {
	case c.status == Changing || mutant.On("no-fence"):
		c.enterChange(v)
	case c.fencing:
		c.target = max(c.target, v)
	default:
		c.fencing, c.target = true, v
		c.out.Fence = true
	}
}

func count(set []bool) (n int) {
	for _, b := range set {
		if b {
			n++
		}
	}
	return n
}
