package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand"

	"github.com/cespare/xxhash/v2"

	"github.com/anodekv/anode/paxos/wire"
)

// world is virtual time: a queue of what will happen, and the one source of randomness.
type world struct {
	now    wire.Time
	seq    uint64
	queue  events
	rand   *rand.Rand
	trace  *xxhash.Digest
	failed error
}

func newWorld(seed int64) *world {
	return &world{rand: rand.New(rand.NewSource(seed)), trace: xxhash.New()}
}

type event struct {
	at  wire.Time
	seq uint64 // events of one instant happen in the order in which they were planned
	do  func()
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// events is a heap of four children to a node, whose first is the next to happen: half of a run's time goes through it,
// and the heap of the standard library would box every event.
type events []event

const children = 4

func (q *events) push(e event) {
	*q = append(*q, e)
	h := *q
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / children
		if !e.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
}

func (q *events) pop() event {
	h := *q
	first, e := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	*q = h
	for i := 0; len(h) > 0; {
		next := i
		for c := children*i + 1; c <= children*(i+1) && c < len(h); c++ {
			if next == i && h[c].before(&e) || next != i && h[c].before(&h[next]) {
				next = c
			}
		}
		if next == i {
			h[i] = e
			break
		}
		h[i] = h[next]
		i = next
	}
	return first
}

// after plans something.
func (w *world) after(d wire.Duration, do func()) {
	w.seq++
	w.queue.push(event{w.now.Add(max(d, 0)), w.seq, do})
}

// run lets time pass until the condition holds, the deadline is reached or something has failed. It
// reports whether the condition holds.
func (w *world) run(deadline wire.Time, until func() bool) bool {
	for w.failed == nil && len(w.queue) > 0 && w.queue[0].at <= deadline {
		e := w.queue.pop()
		w.now = e.at
		e.do()
		if until() {
			return true
		}
	}
	return w.failed == nil && until()
}

// fail ends the run; the first failure is the one that counts.
func (w *world) fail(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf("at %.6f s: "+format, append([]any{float64(w.now) / 1e9}, args...)...)
	}
}

// note folds a delivery into the trace.
func (w *world) note(to wire.Addr, data []byte) {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:], uint64(w.now))
	binary.LittleEndian.PutUint64(head[8:], xxhash.Sum64(data)^uint64(to.Port()))
	_, _ = w.trace.Write(head[:])
}

// between draws a duration, uniformly.
func (w *world) between(low, high wire.Duration) wire.Duration {
	return low + wire.Duration(w.rand.Int63n(int64(high-low)+1))
}

// chance is true with probability p.
func (w *world) chance(p float64) bool { return w.rand.Float64() < p }
