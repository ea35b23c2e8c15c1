package mvcc

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/anodekv/anode/txn"
	"github.com/tidwall/btree"
)

// candidate says that a key holds a version that is of no use to a reader at or above time.
type candidate struct {
	time txn.Timestamp
	// chain is that of the key when the candidate was added. Its key never changes; what else it holds is of use
	// only while the chain has its store's age.
	chain *chain
	gone  bool // see queue
}

func (c candidate) compare(d candidate) int {
	if n := cmp.Compare(c.time, d.time); n != 0 {
		return n
	}
	return bytes.Compare(c.chain.key, d.chain.key)
}

func candidateLess(a, b candidate) bool { return a.compare(b) < 0 }

// near is how far from the end of a queue's list a candidate still finds its place there.
const near = 32

// queue is an ordered set of candidates. A log's clock goes forward, so that nearly all of them come in order, or next to it, as
// those of one transaction do: those are kept in a list. Those of transactions that were committed late are kept in a tree.
//
// Invariant: list[first:] is strictly ascending, and its first and last candidates are not gone; no candidate is both in
// the list and in the tree.
type queue struct {
	list  []candidate
	first int
	gone  int // in list[first:]
	late  *btree.BTreeG[candidate]
}

func newQueue() queue {
	return queue{late: btree.NewBTreeGOptions(candidateLess, btree.Options{NoLocks: true})}
}

// len is the number of candidates.
func (q *queue) len() int { return len(q.list) - q.first - q.gone + q.late.Len() }

// add adds a candidate that is not in the queue, or is.
func (q *queue) add(c candidate) {
	if len(q.list) == cap(q.list) {
		q.compact()
	}
	if n := len(q.list); n > q.first {
		switch order := c.compare(q.list[n-1]); {
		case order == 0:
			return
		case order < 0:
			q.addLate(c)
			return
		}
	}
	if _, known := q.late.Get(c); known {
		return // the list was longer when it was added
	}
	q.list = append(q.list, c)
}

func (q *queue) addLate(c candidate) {
	i, ok := q.search(c)
	if ok {
		if q.list[i].gone {
			q.list[i].gone = false
			q.gone--
		}
		return
	}
	if _, known := q.late.Get(c); !known && len(q.list)-i <= near {
		q.list = slices.Insert(q.list, i, c)
		return
	}
	q.late.Set(c)
}

// compact moves the list to the front of its room, if half of that is free, and gives room back that was needed
// once.
func (q *queue) compact() {
	n := len(q.list) - q.first
	if q.first < n {
		return
	}
	if n < cap(q.list)/8 {
		q.list = append(make([]candidate, 0, 2*n), q.list[q.first:]...)
	} else {
		copy(q.list, q.list[q.first:])
		clear(q.list[n:])
		q.list = q.list[:n]
	}
	q.first = 0
}

// search finds a candidate in the list, gone or not.
func (q *queue) search(c candidate) (i int, ok bool) {
	begin := q.first
	if end := len(q.list) - near; end > begin && q.list[end].compare(c) <= 0 {
		begin = end // most are looked for near the end, or at the front by remove
	}
	i, ok = slices.BinarySearchFunc(q.list[begin:], c, candidate.compare)
	return begin + i, ok
}

// has reports whether a candidate is in the queue.
func (q *queue) has(c candidate) bool {
	if i, ok := q.search(c); ok {
		return !q.list[i].gone
	}
	_, ok := q.late.Get(c)
	return ok
}

// remove takes a candidate out, if it is there.
func (q *queue) remove(c candidate) {
	i, ok := q.first, q.first < len(q.list) && c.compare(q.list[q.first]) == 0
	if !ok {
		i, ok = q.search(c)
	}
	if !ok {
		q.late.Delete(c)
		return
	}
	if !q.list[i].gone {
		q.list[i].gone = true
		q.gone++
	}
	q.trim()
}

// trim restores the invariant at both ends.
func (q *queue) trim() {
	for q.first < len(q.list) && q.list[q.first].gone {
		q.list[q.first] = candidate{}
		q.first++
		q.gone--
	}
	for n := len(q.list); n > q.first && q.list[n-1].gone; n = len(q.list) {
		q.list[n-1] = candidate{}
		q.list = q.list[:n-1]
		q.gone--
	}
	if q.first == len(q.list) {
		q.list, q.first = q.list[:0], 0
	}
}

// oldest returns the first candidate.
func (q *queue) oldest() (c candidate, ok bool) {
	c, ok = q.late.Min()
	if q.first < len(q.list) {
		if d := q.list[q.first]; !ok || d.compare(c) < 0 {
			return d, true
		}
	}
	return c, ok
}

// count counts candidates up to a time, no further than limit, and tells the time of the last one counted.
func (q *queue) count(below txn.Timestamp, limit int) (n int, upTo txn.Timestamp) {
	var late []candidate
	q.late.Scan(func(c candidate) bool {
		if c.time > below || len(late) >= limit {
			return false
		}
		late = append(late, c)
		return true
	})
	for i := q.first; n < limit; {
		for i < len(q.list) && q.list[i].gone {
			i++
		}
		switch listed := i < len(q.list) && q.list[i].time <= below; {
		case listed && (len(late) == 0 || q.list[i].compare(late[0]) < 0):
			upTo = q.list[i].time
			i++
		case len(late) > 0:
			upTo = late[0].time
			late = late[1:]
		default:
			return n, upTo
		}
		n++
	}
	return n, upTo
}
