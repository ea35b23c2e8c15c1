package occ

import (
	"bytes"
	"iter"

	"github.com/anodekv/anode/txn"
)

// Writer returns the prepared transaction that writes key, if there is one. Two that write one key are never
// prepared together at a shard; of a set that holds such, it is the one that came last.
func (s *Set) Writer(key []byte) (id txn.ID, ok bool) {
	c, ok := s.writes.Get(count{key: key})
	return c.by, ok
}

// Writes walks the keys in start <= key < end that prepared transactions write, with their writers, downwards
// if asked to. An empty end means no upper bound. The set must not change meanwhile.
func (s *Set) Writes(start, end []byte, reverse bool) iter.Seq2[[]byte, txn.ID] {
	return func(yield func([]byte, txn.ID) bool) {
		r := txn.Range{Start: start, End: end}
		if !reverse {
			s.writes.Ascend(count{key: start}, func(c count) bool { return r.Covers(c.key) && yield(c.key, c.by) })
			return
		}
		down := func(c count) bool {
			if len(end) > 0 && bytes.Equal(c.key, end) {
				return true // the range ends before it
			}
			return r.Covers(c.key) && yield(c.key, c.by)
		}
		if len(end) == 0 {
			s.writes.Reverse(down)
			return
		}
		s.writes.Descend(count{key: end}, down)
	}
}
