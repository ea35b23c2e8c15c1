package model

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// followed is a follower's part. The order is the contract: check everything, note the time, claim, write the
// record, publish its tag, answer. What the answer says is made before the claim: afterwards the generation may be over,
// and its configuration another's.
func (s *Slot) followed(d *datagram) (Reason, []byte) {
	w := s.Word
	c := &s.follow[w.Generation()&1]
	if !w.armed() {
		return ReasonFenced, nil
	}
	op := c.offset(d.Op)
	s.machine.scratchOp = d.Op
	if mistaken("claim-first") && op == w.Op()+1 {
		s.Word = Pack(w.Generation(), op)
	}
	if reason := s.checkAccept(d, w, c); reason != ReasonNone {
		return reason, nil
	}
	s.AckedAt = max(s.AckedAt, s.machine.Now)
	answer := c.acceptedFrame(s.key, d.View, d.Op)
	s.machine.between()
	if mistaken("global-scratch") {
		answer = c.acceptedFrame(s.key, d.View, s.machine.scratchOp)
	}
	reason := ReasonReacked
	if op > w.Op() {
		reason = s.store(d, w, op)
	} else if !s.still(w) {
		reason = ReasonRaced
	}
	if reason == ReasonRaced {
		return reason, nil
	}
	s.machine.behind()
	if mistaken("late-answer") {
		answer = c.acceptedFrame(s.key, d.View, d.Op)
	}
	return reason, answer
}

// probed gives the leader that asks a sign: to be armed is to be normal in the view. It binds to nothing.
func (s *Slot) probed(d *datagram) (Reason, []byte) {
	w := s.Word
	c := &s.follow[w.Generation()&1]
	if !w.armed() && !mistaken("fenced-signs") {
		return ReasonFenced, nil
	}
	if reason := c.identity(d, s.key); reason != ReasonNone {
		return reason, nil
	}
	switch {
	case d.Sender != c.Leader && !mistaken("any-leader"):
		return ReasonWrongSender, nil
	case d.length != 0:
		return ReasonLength, nil
	case !c.verify(d):
		return ReasonWrongMAC, nil
	case d.Op != 0:
		return ReasonOpRange, nil
	}
	sign := c.answerFrame(s.key, wire.Header{Kind: wire.KindSign, View: d.View, Chosen: d.Chosen})
	s.machine.between()
	if !s.still(w) {
		return ReasonRaced, nil
	}
	return ReasonSigned, sign
}

// still reports whether the word is of the generation that was checked.
func (s *Slot) still(checked Word) bool {
	return s.Word.armed() && s.Word.Generation() == checked.Generation() || mistaken("fenced-signs")
}

func (s *Slot) checkAccept(d *datagram, w Word, c *Config) Reason {
	if reason := c.identity(d, s.key); reason != ReasonNone {
		return reason
	}
	switch {
	case d.Sender != c.Leader && !mistaken("any-leader"):
		return ReasonWrongSender
	case d.length > MaxBody:
		return ReasonTooLarge
	case !c.verify(d):
		return ReasonWrongMAC
	}
	return s.checkOp(c.offset(d.Op), w)
}

// verify holds a frame against its code.
func (c *Config) verify(d *datagram) bool {
	return c.Key.Verify(slices.Clone(d.frame)) || mistaken("unverified")
}

func (s *Slot) checkOp(op Offset, w Word) Reason {
	switch {
	case op == 0 || op > s.machine.OpMax:
		return ReasonOpRange
	case op <= w.Op():
		return ReasonNone
	case op > w.Op()+1:
		return ReasonGap
	case s.Released.Generation() != w.Generation() || op > s.Released.Op()+Offset(len(s.Log)):
		return ReasonLogFull
	}
	return ReasonNone
}

// store claims the op and writes its record.
func (s *Slot) store(d *datagram, w Word, op Offset) Reason {
	next := Pack(w.Generation(), op)
	switch {
	case mistaken("claim-first"): // done too early
	case s.Word != w && !mistaken("plain-store"):
		return ReasonRaced
	}
	s.Word = next
	*s.place(op) = Record{Tag: next, Frame: slices.Clone(d.frame)}
	return ReasonAcked
}

func (s *Slot) place(op Offset) *Record { return &s.Log[int(op)&(len(s.Log)-1)] }

// acceptedFrame says "I hold every op up to this one"; what is chosen it leaves to user space.
func (c *Config) acceptedFrame(key Key, view wire.View, op wire.Op) []byte {
	return c.answerFrame(key, wire.Header{Kind: wire.KindAccepted, View: view, Op: op})
}

// answerFrame is a frame without a body, from this replica.
func (c *Config) answerFrame(key Key, h wire.Header) []byte {
	h.Cluster, h.Group, h.Sender, h.Incarnation = c.Cluster, key.Group, c.Self, c.Members[c.Self].Incarnation
	b, err := (&wire.Frame{Header: h}).Append(nil)
	if err != nil {
		panic(err) // it has no body
	}
	c.Key.Seal(b)
	return b
}
