package sim

import (
	"container/heap"
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

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// after plans something.
func (w *world) after(d wire.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(max(d, 0)), w.seq, do})
}

// run lets time pass until the condition holds, the deadline is reached or something has failed. It
// reports whether the condition holds.
func (w *world) run(deadline wire.Time, until func() bool) bool {
	for w.failed == nil && len(w.queue) > 0 && w.queue[0].at <= deadline {
		e := heap.Pop(&w.queue).(event)
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
