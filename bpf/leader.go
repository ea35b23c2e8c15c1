//go:build linux

package bpf

import (
	"fmt"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// WakeMode says which acknowledgements are passed up. The cells and the chosen op are kept in any case.
type WakeMode uint64

const (
	// WakeOnChosen passes the one that moves the chosen op.
	WakeOnChosen = WakeMode(kernelWakeWAKE_ON_CHOSEN)
	// WakeNever passes none: user space is awake and reads [Slot.Chosen]. Before it sleeps it sets WakeOnChosen
	// and reads once more.
	WakeNever = WakeMode(kernelWakeWAKE_NEVER)
	// WakeAlways passes all.
	WakeAlways = WakeMode(kernelWakeWAKE_ALWAYS)
)

// Lead lets the programs count for a leader: acked is what each member has acknowledged in this view as far as is
// known, last the last op. It is called for every view, and again when a member has a new incarnation; what the
// programs counted before is void. It fails with [ErrConfig] or [ErrExhausted], and then nothing is counted.
func (s *Slot) Lead(c Config, acked []wire.Op, last wire.Op) error {
	s.Retire()
	w := loadWord(&s.control.Lead)
	g, base := w.generation()+1, baseOf(c.View)
	end := base.end(last)
	if g > genMax || end > opMax-opMargin {
		return fmt.Errorf("%w: generation %d, op %d of %v", ErrExhausted, g, last, s.key)
	}
	r, err := s.record(&c)
	switch {
	case err != nil:
		return err
	case r.Quorum == 0 || len(acked) != len(c.Members):
		return fmt.Errorf("%w: a leader of %d members with %d acknowledgements", ErrConfig, len(c.Members), len(acked))
	}
	*s.config(configLead, g) = r
	s.leadBase, s.members, s.self = base, len(c.Members), c.Self
	storeWord(&s.control.LeadLast, pack(g, end))
	storeWord(&s.control.Chosen, pack(g, base.offset(min(quorumOp(acked, c.Self), last))))
	for i, op := range acked {
		storeWord(&s.control.Cells[i], pack(g, base.offset(min(op, last))))
	}
	storeWord(&s.control.Lead, pack(g, 0)) // last: from here on the programs act
	return nil
}

// quorumOp is the highest op that f members other than self have acknowledged.
func quorumOp(acked []wire.Op, self wire.ReplicaID) wire.Op {
	others := slices.Delete(slices.Clone(acked), int(self), int(self)+1)
	slices.Sort(others)
	return others[len(others)-len(acked)/2]
}

// Retire stops counting. The cells stay readable, and final, until the next Lead.
func (s *Slot) Retire() {
	fenceWord(&s.control.Lead)
	fenceWord(&s.control.Chosen)
	for i := range s.control.Cells {
		fenceWord(&s.control.Cells[i])
	}
}

// Extend tells the programs the last op, before it is sent: an acknowledgement above it is not counted.
func (s *Slot) Extend(last wire.Op) {
	w := loadWord(&s.control.LeadLast)
	storeWord(&s.control.LeadLast, pack(w.generation(), min(max(s.leadBase.offset(last), w.op()), opMax)))
}

// Cells appends what each member has acknowledged in the leader's present generation; it is 0 for the leader.
func (s *Slot) Cells(to []wire.Op) []wire.Op {
	g := loadWord(&s.control.Lead).generation()
	for i := range s.members {
		w := loadWord(&s.control.Cells[i])
		if w.generation() != g || i == int(s.self) {
			w = 0
		}
		to = append(to, s.leadBase.acked(w.op()))
	}
	return to
}

// Chosen is the highest op that f members have acknowledged in the leader's present generation. It may lag behind
// the cells by what another CPU is about to do; whoever must know takes the f-th largest cell.
func (s *Slot) Chosen() wire.Op {
	w := loadWord(&s.control.Chosen)
	if w.generation() != loadWord(&s.control.Lead).generation() {
		return 0
	}
	return s.leadBase.acked(w.op())
}

// Acknowledge enters what user space heard of a member into its cell. Packets that the programs passed up are in
// it already.
func (s *Slot) Acknowledge(member wire.ReplicaID, op wire.Op) {
	lead, at := loadWord(&s.control.Lead), s.leadBase.offset(op)
	if lead.fenced() || int(member) >= s.members || member == s.self || at > loadWord(&s.control.LeadLast).op() {
		return
	}
	for cell := &s.control.Cells[member]; ; {
		w := loadWord(cell)
		if w.op() >= at || swapWord(cell, w, pack(lead.generation(), at)) {
			return
		}
	}
}

// Wake says which acknowledgements are passed up from now on.
func (s *Slot) Wake(m WakeMode) { storeWord(&s.control.Wake, word(m)) }
