package transport

import "github.com/anodekv/anode/paxos/wire"

// queue is the bounded receive queue of a memoryConn.
//
// Invariant: bytes is the sum of the lengths of the queued datagrams that a socket could carry, at most
// memoryQueueBytes; large is the sum of the others, at most memoryLargeBytes.
type queue struct {
	items []Datagram
	head  int // items before it have been handed out
	bytes int
	large int
	lent  [][]byte // the buffers that the last pop handed out
	store buffers
}

// push appends a copy of data. It reports false when the queue is full.
func (q *queue) push(from wire.Addr, data []byte) bool {
	sum, limit := q.room(data)
	if *sum+len(data) > limit || len(q.items)-q.head == memoryQueueDatagrams {
		return false
	}
	*sum += len(data)
	if len(q.items) == cap(q.items) && 2*q.head > len(q.items) { // move rather than grow, if it frees half
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	q.items = append(q.items, Datagram{from, append(q.store.get(len(data)), data...)})
	return true
}

// room is the sum in which a datagram counts, and its bound.
func (q *queue) room(data []byte) (sum *int, limit int) {
	if len(data) > MaxDatagram {
		return &q.large, memoryLargeBytes
	}
	return &q.bytes, memoryQueueBytes
}

// pop hands out the oldest datagrams, and takes back those of the pop before.
func (q *queue) pop(into []Datagram) int {
	for _, b := range q.lent {
		q.store.put(b)
	}
	q.lent = q.lent[:0]
	n := copy(into, q.items[q.head:])
	for i := range into[:n] {
		sum, _ := q.room(into[i].Data)
		*sum -= len(into[i].Data)
		q.lent = append(q.lent, into[i].Data)
		q.items[q.head+i] = Datagram{}
	}
	q.head += n
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return n
}
