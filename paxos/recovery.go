package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The return of a replica that has lost its memory (Viewstamped Replication Revisited, section 4.3, with
// the crash vectors of DISC 2017). It must not vote or acknowledge before it holds everything that it, or
// its fast path, may have acknowledged before: all that the present leader holds.

// recovering is a recovery under way.
type recovering struct {
	nonce    uint64
	repeatAt Time
	// highest is the highest view that was promised here or heard of.
	highest View
	replies [wire.MaxReplicas]*standing
}

// standing is the content of a RecoverReply.
type standing struct {
	view View
	last Op
}

func (rec *recovering) forget(r ReplicaID) { rec.replies[r] = nil }

func (c *Core) startRecovery() {
	c.recover = recovering{nonce: c.cfg.Rand.Uint64() | 1, highest: c.promised}
	c.askRecovery()
}

func (c *Core) askRecovery() {
	c.recover.repeatAt = c.now.Add(2 * c.cfg.Timing.Heartbeat)
	body := recoverBody.Append(nil, &Recover{c.recover.nonce, c.vector})
	c.send(Everyone, frame(wire.KindRecover, c.recover.highest, 0, 0, body))
}

func (c *Core) tickRecovering() {
	if !c.stranger && c.now >= c.recover.repeatAt && !c.installing() {
		c.askRecovery()
	}
	c.fetchDue()
}

// noticeRecovering notes a view that others have promised; a copy from an older view is worth nothing.
func (c *Core) noticeRecovering(v View) {
	if v <= c.recover.highest {
		return
	}
	if mutant.On("recovering-votes") {
		c.status = Changing
		c.enterChange(v)
		return
	}
	c.recover.highest = v
	c.dropTransfer()
}

// stepRecover answers a replica that has lost its memory. Its new incarnation has been noted already, so
// that nothing it said before counts any more.
func (c *Core) stepRecover(m *Message) {
	var r Recover
	if recoverBody.Decode(m.Body, &r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if !c.learnVector(r.Vector) {
		return
	}
	c.absent[m.Sender] = true
	c.notice(m.View)
	if c.status != Normal || c.fencing {
		c.ignore(IgnoredWrongStatus)
		return
	}
	if m.Sender == c.leader(c.promised) {
		// The leader itself has lost its memory: nothing is to be waited for.
		c.hearing.heard = c.now - Time(c.hearing.patience) - 1
	}
	reply := RecoverReply{Nonce: r.Nonce, Vector: c.vector}
	c.send(m.Sender, frame(wire.KindRecoverReply, c.promised, c.log.last(), c.log.chosen, recoverReplyBody.Append(nil, &reply)))
}

func (c *Core) stepRecoverReply(m *Message) {
	var r RecoverReply
	if recoverReplyBody.Decode(m.Body, &r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if c.status != Recovering {
		c.ignore(IgnoredWrongStatus)
		return
	}
	if !c.learnVector(r.Vector) {
		return
	}
	if r.Nonce != c.recover.nonce || r.Vector[c.cfg.Self] != c.incarnation {
		c.ignore(IgnoredStaleNonce)
		return
	}
	if mutant.On("recover-to-chosen") {
		m.Op = m.Chosen
	}
	s := standing{m.View, m.Op}
	if old := c.recover.replies[m.Sender]; old != nil && *old == s {
		c.ignore(IgnoredDuplicate)
	}
	c.recover.replies[m.Sender] = &s
	c.notice(m.View)
	c.tryRecover()
}

// tryRecover begins to copy the log once f+1 normal replicas have answered and the leader of the highest
// view heard of is among them, normal in that view. Its LAST op is what must be reached: the replica may
// have acknowledged that far before it lost its memory, not only what was chosen.
func (c *Core) tryRecover() {
	n := 0
	for _, s := range c.recover.replies {
		if s != nil {
			n++
		}
	}
	from := c.leader(c.recover.highest)
	if mutant.On("recover-from-anyone") {
		from = (c.cfg.Self + 1) % ReplicaID(c.cfg.Replicas)
	}
	best := c.recover.replies[from]
	if n < c.f+1 || best == nil || best.view != c.recover.highest || c.xfer != nil {
		return
	}
	if best.view > c.promised {
		c.promised = best.view
		c.persist()
	}
	c.startTransfer(Install, from, best.view, best.last)
}
