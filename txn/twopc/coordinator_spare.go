package twopc

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
)

const (
	// maxSpare bounds the calls, and the others, that are kept for use again: more than one client has under way in most services.
	maxSpare = 1024
	// keptBodyBytes bounds the memory that one of them keeps for a body.
	keptBodyBytes = 4 << 10
	// firstBodyBytes holds most of what is asked for.
	firstBodyBytes = 256
	// keptValues bounds the list of values that one keeps.
	keptValues = 64
)

// spares are structs of one type that may be used again.
//
// Invariant: nothing refers to what is in free. What is given back may still be referred to: by those who are about to return to
// whoever called the coordinator, and by what the next Ready hands out, which is good until the Ready after it. So it rests for
// two of them.
type spares[T any] struct {
	free    []*T
	resting []*T // given back before the last Ready
	fresh   []*T // given back since
}

// get returns one that was used before, or a new one.
func (s *spares[T]) get() *T {
	last := len(s.free) - 1
	if last < 0 {
		return new(T)
	}
	x := s.free[last]
	s.free[last] = nil
	s.free = s.free[:last]
	return x
}

// put gives one back.
func (s *spares[T]) put(x *T) {
	if mutant.On("used-again-at-once") {
		s.free = append(s.free, x)
		return
	}
	s.fresh = append(s.fresh, x)
}

// rest is called by every Ready.
func (s *spares[T]) rest() {
	room := max(0, min(len(s.resting), maxSpare-len(s.free)))
	s.free = append(s.free, s.resting[:room]...)
	clear(s.resting)
	s.resting, s.fresh = s.fresh, s.resting[:0]
}

// newCall returns a call without a body. Its body is to be appended to what it has.
func (c *Coordinator) newCall() *call {
	k := c.spare.calls.get()
	body, slots := k.body[:0], k.slots[:0]
	if body == nil {
		body = make([]byte, 0, firstBodyBytes)
	}
	*k = call{body: body, slots: slots}
	return k
}

// dropped gives back a call that has ended, or was never sent.
func (c *Coordinator) dropped(k *call) {
	if cap(k.body) > keptBodyBytes {
		k.body = nil
	}
	c.spare.calls.put(k)
}

// newGather returns a gather of so many values.
func (c *Coordinator) newGather(token uint64, values int) *gather {
	g := c.spare.gathers.get()
	room, calls := g.values[:0], g.calls[:0]
	*g = gather{token: token, calls: calls}
	if values > 0 {
		g.values = slices.Grow(room, values)[:values]
	}
	return g
}

// fifo is a queue of deals.
type fifo struct {
	all    []*deal
	passed int // so many of all have left
}

func (f *fifo) len() int     { return len(f.all) - f.passed }
func (f *fifo) first() *deal { return f.all[f.passed] }

func (f *fifo) push(d *deal) {
	if len(f.all) == cap(f.all) && 2*f.passed > len(f.all) { // move rather than grow, if it frees half
		rest := copy(f.all, f.all[f.passed:])
		clear(f.all[rest:])
		f.all, f.passed = f.all[:rest], 0
	}
	f.all = append(f.all, d)
}

func (f *fifo) pop() *deal {
	d := f.all[f.passed]
	f.all[f.passed] = nil
	if f.passed++; f.passed == len(f.all) {
		f.all, f.passed = f.all[:0], 0
	}
	return d
}

// newDeal returns a deal of so many parties.
func (c *Coordinator) newDeal(token uint64, parties int) *deal {
	d := c.spare.deals.get()
	room := d.parties
	*d = deal{token: token}
	switch {
	case parties == 1:
		d.parties = d.only[:]
	case parties <= cap(room):
		d.parties = room[:parties]
	default:
		d.parties = make([]party, parties)
	}
	return d
}
