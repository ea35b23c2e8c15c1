//go:build linux

package bpf

import (
	"fmt"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	// publishWait bounds how long Drain waits for a record that was claimed before a fence. A program between
	// claim and tag has some hundred instructions to go and cannot be stopped; only its whole CPU can.
	publishWait = 10 * time.Second
	// releaseEvery is how many records Drain gives back to the programs at a time.
	releaseEvery = 32
)

// Arm lets the programs acknowledge for a follower, from the end of its log on. The slot must be fenced and
// drained. It fails with [ErrConfig] or [ErrExhausted] and changes nothing then.
func (s *Slot) Arm(c Config, last wire.Op) error {
	w := loadWord(&s.control.Word)
	if !w.fenced() || s.cursor != w.op() {
		panic(fmt.Sprintf("bpf: %v armed before it was fenced and drained: op %d of %d", s.key, s.base.op(s.cursor), s.base.op(w.op())))
	}
	g, base := w.generation()+1, baseOf(c.View)
	end := base.end(last)
	if g > genMax || end > opMax-opMargin {
		return fmt.Errorf("%w: generation %d, op %d of %v", ErrExhausted, g, last, s.key)
	}
	r, err := s.record(&c)
	if err != nil {
		return err
	}
	*s.config(configFollow, g) = r
	s.base, s.cursor = base, end
	storeWord(&s.control.Released, pack(g, end))
	storeWord(&s.control.Word, pack(g, end)) // last: from here on the programs act
	return nil
}

// Fence takes the end of the log back, without a system call. It returns the op that was claimed last: none is
// claimed after it. Fencing again changes nothing.
func (s *Slot) Fence() wire.Op { return s.base.op(fenceWord(&s.control.Word).op()) }

// Armed reports whether the programs may act for a follower, and the op that was claimed last.
func (s *Slot) Armed() (last wire.Op, armed bool) {
	w := loadWord(&s.control.Word)
	return s.base.op(w.op()), !w.fenced()
}

// Worn reports that an armed slot has come near the largest op that its word holds. It is fenced then, drained, and
// not armed again in this epoch: beyond that op nobody could claim, user space included.
func (s *Slot) Worn() bool {
	w := loadWord(&s.control.Word)
	return !w.fenced() && w.op() > opMax-opMargin
}

// Claim takes the next op for user space, in the same way as the programs do, so that an entry that they do not
// carry needs no fence. It fails when op is not the next one: then the programs have claimed it, and Drain gives it,
// or it lies beyond a gap, or the slot is fenced. After success the caller appends op at once, before it drains
// again, and Drain skips it.
func (s *Slot) Claim(op wire.Op) bool {
	w := loadWord(&s.control.Word)
	next := w.op() + 1
	if w.fenced() || op != s.base.op(next) || next > opMax {
		return false
	}
	if !swapWord(&s.control.Word, w, pack(w.generation(), next)) {
		return false
	}
	s.claimed = append(s.claimed, next)
	return true
}

// Drain gives the frames that the programs have stored since the last call, in the order of their ops, as they
// came, and reports how many. The body of a frame is valid until take returns. While the slot is armed Drain
// stops at an op that is claimed and not yet written; after Fence it waits for it, and gives all.
func (s *Slot) Drain(take func(wire.Frame)) (n int) {
	w := loadWord(&s.control.Word)
	if w.fenced() && mutant.On("log-dropped") {
		s.cursor = w.op()
	}
	for s.cursor < w.op() {
		op := s.cursor + 1
		if len(s.claimed) > 0 && s.claimed[0] == op {
			s.claimed = slices.Delete(s.claimed, 0, 1)
			s.cursor = op
			continue
		}
		r := &s.records.of[int(op)&(len(s.records.of)-1)]
		if !s.published(r, pack(w.generation(), op), w.fenced()) {
			break
		}
		f := frameOf(r)
		if f.Op != s.base.op(op) {
			panic(fmt.Sprintf("bpf: op %d of %v where op %d was claimed", f.Op, s.key, s.base.op(op)))
		}
		take(f)
		s.cursor = op
		if n++; n%releaseEvery == 0 {
			s.release(w)
		}
	}
	s.release(w)
	return n
}

// Pending is how many ops were claimed since the last Drain. When it comes near the size of the log, draining is due.
func (s *Slot) Pending() int { return int(loadWord(&s.control.Word).op() - s.cursor) }

// release lets the programs use the records up to the cursor again.
func (s *Slot) release(w word) { storeWord(&s.control.Released, pack(w.generation(), s.cursor)) }

// published reports whether the record of the op has been written, or waits until it is.
func (s *Slot) published(r *kernelRecord, tag word, wait bool) bool {
	var since time.Time
	for tries := 0; loadWord(&r.Tag) != tag; tries++ {
		if !wait {
			return false
		}
		runtime.Gosched()
		switch {
		case tries == 0:
			since = time.Now()
		case tries%1024 == 0 && time.Since(since) > publishWait:
			panic(fmt.Sprintf("bpf: op %d of %v was claimed and never written", s.base.op(tag.op()), s.key))
		}
	}
	return true
}

// frameOf reads a published record. It aliases the log.
func frameOf(r *kernelRecord) wire.Frame {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r.Words)), unsafe.Sizeof(r.Words))
	f, _, _, err := wire.Parse(b)
	if err != nil {
		panic(fmt.Sprintf("bpf: the programs stored what is no frame: %v", err))
	}
	return f
}

// AckedAt is when the programs last acknowledged anything, on the boot-time clock; read after a fence it is final.
func (s *Slot) AckedAt() wire.Time { return wire.Time(loadWord(&s.control.AckedAt)) }
