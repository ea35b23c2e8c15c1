package model

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// Wake says which acknowledgements are passed up.
type Wake uint64

const (
	// WakeOnChosen passes the one that moves the chosen op.
	WakeOnChosen Wake = iota
	// WakeNever passes none.
	WakeNever
	// WakeAlways passes all.
	WakeAlways
)

// led is a leader's part: count an acknowledgement, and wake user space only if it moves the chosen op.
func (s *Slot) led(d *datagram) Reason {
	w := s.LeadWord
	c := &s.lead[w.Generation()&1]
	if !w.armed() {
		return ReasonFenced
	}
	if reason := c.identity(d, s.key); reason != ReasonNone {
		return reason
	}
	sender := d.Sender
	switch {
	case mistaken("unchecked-index"):
		sender %= wire.MaxReplicas // an array is all there is to shift into
	case d.length != 0:
		return ReasonLength
	case !c.verify(d):
		return ReasonWrongMAC
	}
	op := c.offset(d.Op)
	if reason := s.checkAbove(op, w.Generation()); reason != ReasonNone {
		return reason
	}
	s.machine.between()
	return s.wake(s.enter(c, w.Generation(), sender, op))
}

func (s *Slot) checkAbove(op Offset, generation uint64) Reason {
	switch {
	case op == 0 || op > s.machine.OpMax:
		return ReasonOpRange
	case s.LeadLast.Generation() != generation || op > s.LeadLast.Op() && !mistaken("above-last"):
		return ReasonAboveLast
	}
	return ReasonNone
}

// enter raises a cell, and says what that did.
func (s *Slot) enter(c *Config, generation uint64, sender wire.ReplicaID, op Offset) Reason {
	if reason := s.Cell[sender].raise(generation, op); reason != ReasonNone {
		return reason
	}
	chosen := s.quorumOp(c, generation)
	if mistaken("exactly-f") && s.holders(op) != c.quorum() {
		chosen = 0
	}
	if chosen == 0 {
		return ReasonCounted
	}
	switch reason := s.ChosenMark.raise(generation, chosen); reason {
	case ReasonNone:
		return ReasonChosen
	case ReasonRepeated:
		return ReasonCounted
	default:
		return reason
	}
}

// raise moves a cell up, from a value of the generation that was checked.
func (w *Word) raise(generation uint64, op Offset) Reason {
	switch {
	case w.Fenced() || w.Generation() != generation:
		return ReasonOldCell
	case w.Op() >= op:
		return ReasonRepeated
	}
	*w = Pack(generation, op)
	return ReasonNone
}

// quorumOp is the f-th largest of what the others have acknowledged.
func (s *Slot) quorumOp(c *Config, generation uint64) Offset {
	var acked []Offset
	for i := range c.Members {
		op := s.Cell[i].Op()
		if s.Cell[i].Fenced() || s.Cell[i].Generation() != generation {
			op = 0
		}
		if i != int(c.Self) {
			acked = append(acked, op)
		}
	}
	if mistaken("unchecked-index") {
		for _, cell := range s.Cell[len(c.Members):] {
			acked = append(acked, cell.Op())
		}
	}
	slices.Sort(acked)
	return acked[len(acked)-c.quorum()]
}

// holders counts the cells at or above an op.
func (s *Slot) holders(op Offset) (n int) {
	for _, cell := range s.Cell {
		if cell.Op() >= op {
			n++
		}
	}
	return n
}

func (s *Slot) wake(reason Reason) Reason {
	switch {
	case s.Wake == WakeNever && reason == ReasonChosen:
		return ReasonQuiet
	case s.Wake == WakeAlways && (reason == ReasonCounted || reason == ReasonRepeated):
		return ReasonAlways
	}
	return reason
}
