package client

import (
	"sync"
	"sync/atomic"
)

// order is what travels to the loop: a call, or the wish to end one.
type order struct {
	call   *call
	cancel bool
}

// queue is what waits for the loop, which takes all of it at a time.
//
// Invariant: what was put is taken, once. The loop closes the queue before it takes for the last time, and signals all that it
// has taken: so who has put a call need only wait for that.
type queue struct {
	some atomic.Int32 // the length of orders, to be read without the lock

	mu     sync.Mutex
	orders []order
	closed bool
	room   chan struct{} // closed when there is room; nil if nobody waits for that
}

// put adds an order, and reports whether it is the first: then the loop is to be woken. If there is no room it returns what to wait
// for. A wish to end a call always finds room: there are no more of them than calls.
func (q *queue) put(o order) (first bool, full <-chan struct{}, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return false, nil, false
	case len(q.orders) >= queueLength && !o.cancel:
		if q.room == nil {
			q.room = make(chan struct{})
		}
		return false, q.room, false
	}
	q.orders = append(q.orders, o)
	q.some.Store(int32(len(q.orders)))
	return len(q.orders) == 1, nil, true
}

// take returns all that was put, and takes the memory of what it returned before.
func (q *queue) take(before []order) []order {
	if q.some.Load() == 0 {
		return before[:0]
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	orders := q.orders
	q.orders = before[:0]
	q.some.Store(0)
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	return orders
}

// empty reports whether nothing waits.
func (q *queue) empty() bool { return q.some.Load() == 0 }

// len is how much waits.
func (q *queue) len() int { return int(q.some.Load()) }

// close makes put fail from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}
