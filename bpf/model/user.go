package model

import (
	"fmt"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// Arm lets the programs acknowledge for a follower, from the end of its log on. The slot must be fenced and
// drained, and the end no lower than the base of the view's epoch, and one that its words hold.
func (s *Slot) Arm(c Config, last wire.Op) {
	if !s.Word.Fenced() || s.cursor != s.Word.Op() {
		panic(fmt.Sprintf("model: armed before it was fenced and drained: op %d of %d", s.cursor, s.Word.Op()))
	}
	end := s.machine.end(&c, last)
	g := s.Word.Generation() + 1
	s.follow[g&1] = c
	s.cursor = end
	s.Released = Pack(g, end)
	s.Word = Pack(g, end)
}

// end is the offset at which a log ends.
func (m *Machine) end(c *Config, last wire.Op) Offset {
	end := c.known(last)
	if last < c.base() || end > m.OpMax {
		panic(fmt.Sprintf("model: a log that ends at op %d, in the epoch that begins behind op %d", last, c.base()))
	}
	return end
}

// following is what holds for a follower in the present generation.
func (s *Slot) following() *Config { return &s.follow[s.Word.Generation()&1] }

// leading is the same for a leader.
func (s *Slot) leading() *Config { return &s.lead[s.LeadWord.Generation()&1] }

// Worn reports that an armed slot has come so near the largest op of its words that it is to be fenced.
func (s *Slot) Worn(margin Offset) bool {
	return !s.Word.Fenced() && s.Word.Op() > s.machine.OpMax-margin
}

// Fence takes the end of the log back and returns the op that was claimed last.
func (s *Slot) Fence() wire.Op {
	s.Word |= Fenced
	return s.following().op(s.Word.Op())
}

// Claim takes the next op for user space. On success the caller appends it before it drains again.
func (s *Slot) Claim(op wire.Op) bool {
	next := s.Word.Op() + 1
	if s.Word.Fenced() || op != s.following().op(next) || next > s.machine.OpMax {
		return false
	}
	s.Word = Pack(s.Word.Generation(), next)
	s.claimed = append(s.claimed, next)
	return true
}

// Drain gives the frames that were stored since the last call, in order, and reports how many. A frame is valid
// until take returns.
func (s *Slot) Drain(take func(wire.Frame)) (n int) {
	for s.cursor < s.Word.Op() {
		op := s.cursor + 1
		if len(s.claimed) > 0 && s.claimed[0] == op {
			s.claimed = slices.Delete(s.claimed, 0, 1)
			s.cursor = op
			continue
		}
		r := s.place(op)
		if want := Pack(s.Word.Generation(), op); r.Tag != want {
			panic(fmt.Sprintf("model: op %d was claimed and never written", op))
		}
		f, _, _, err := wire.Parse(r.Frame)
		if err != nil {
			panic(fmt.Sprintf("model: the programs stored what is no frame: %v", err))
		}
		if want := s.following().op(op); f.Op != want {
			panic(fmt.Sprintf("model: op %d where op %d was claimed", f.Op, want))
		}
		take(f)
		s.cursor = op
		n++
	}
	s.Released = Pack(s.Word.Generation(), s.cursor)
	return n
}

// Pending is how many ops were claimed since the last Drain.
func (s *Slot) Pending() int { return int(s.Word.Op() - s.cursor) }

// Lead lets the programs count for a leader: acked is what each member has acknowledged in this view as far as is
// known, last the last op.
func (s *Slot) Lead(c Config, acked []wire.Op, last wire.Op) {
	s.Retire()
	g := s.LeadWord.Generation() + 1
	s.lead[g&1] = c
	s.LeadLast = Pack(g, s.machine.end(&c, last))
	for i, op := range acked {
		s.Cell[i] = Pack(g, c.known(min(op, last)))
	}
	s.ChosenMark = Pack(g, s.quorumOp(&c, g))
	s.LeadWord = Pack(g, 0)
}

// Retire stops counting.
func (s *Slot) Retire() {
	s.LeadWord |= Fenced
	s.ChosenMark |= Fenced
	for i := range s.Cell {
		s.Cell[i] |= Fenced
	}
}

// Extend tells the programs the last op, before it is sent.
func (s *Slot) Extend(last wire.Op) {
	s.LeadLast = Pack(s.LeadLast.Generation(), min(max(s.leading().known(last), s.LeadLast.Op()), s.machine.OpMax))
}

// Cells appends what each member has acknowledged in the leader's present generation.
func (s *Slot) Cells(to []wire.Op) []wire.Op {
	g, c := s.LeadWord.Generation(), s.leading()
	for i := range c.Members {
		op := s.Cell[i].Op()
		if s.Cell[i].Generation() != g || i == int(c.Self) {
			op = 0
		}
		to = append(to, c.acked(op))
	}
	return to
}

// Chosen is the highest op known to be chosen in the leader's present generation.
func (s *Slot) Chosen() wire.Op {
	if s.ChosenMark.Generation() != s.LeadWord.Generation() {
		return 0
	}
	return s.leading().acked(s.ChosenMark.Op())
}

// Acknowledge enters what user space heard of a member into its cell.
func (s *Slot) Acknowledge(member wire.ReplicaID, op wire.Op) {
	c := s.leading()
	at := c.known(op)
	if s.LeadWord.Fenced() || int(member) >= len(c.Members) || member == c.Self || at > s.LeadLast.Op() {
		return
	}
	if s.Cell[member].Op() < at {
		s.Cell[member] = Pack(s.LeadWord.Generation(), at)
	}
}
