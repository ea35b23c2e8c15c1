package occ

import (
	"bytes"

	"github.com/anodekv/anode/txn"
)

// Blocker returns a key on which work, of transaction id, meets the locks of another prepared
// transaction: it reads what the other writes, or writes what the other reads or writes. If id is in the
// set itself, it is not in its own way.
func (s *Set) Blocker(id txn.ID, work *txn.Work) (key []byte, blocked bool) {
	if len(s.held) == 0 {
		return nil, false
	}
	own := s.held[id]
	for i := range work.Reads {
		if k := work.Reads[i].Key; s.written(k, own) {
			return k, true
		}
	}
	for i := range work.Ranges {
		if k, ok := s.writtenIn(&work.Ranges[i], own); ok {
			return k, true
		}
	}
	for i := range work.Writes {
		if k := work.Writes[i].Key; s.written(k, own) || s.read(k, own) || s.ranged(k, id) {
			return k, true
		}
	}
	return nil, false
}

// Writing reports whether a prepared transaction writes key: a read of it has to await the outcome.
func (s *Set) Writing(key []byte) bool { return s.written(key, nil) }

// WritingIn returns the first key in start <= key < end that a prepared transaction writes: a scan of the
// range has to await the outcome. An empty end means no upper bound.
func (s *Set) WritingIn(start, end []byte) (key []byte, ok bool) {
	return s.writtenIn(&txn.Range{Start: start, End: end}, nil)
}

// written reports whether anyone but the holder of own writes key.
func (s *Set) written(key []byte, own *txn.Work) bool {
	c, ok := s.writes.Get(count{key: key})
	return ok && c.n > ownWrites(own, key)
}

func (s *Set) writtenIn(r *txn.Range, own *txn.Work) (key []byte, ok bool) {
	s.writes.Ascend(count{key: r.Start}, func(c count) bool {
		if !r.Covers(c.key) {
			return false
		}
		if c.n > ownWrites(own, c.key) {
			key, ok = c.key, true
		}
		return !ok
	})
	return key, ok
}

// read reports whether anyone but the holder of own read key.
func (s *Set) read(key []byte, own *txn.Work) bool {
	n := s.reads[string(key)]
	if own != nil {
		for i := range own.Reads {
			if bytes.Equal(own.Reads[i].Key, key) {
				n--
			}
		}
	}
	return n > 0
}

// ranged reports whether anyone but id scanned over key.
func (s *Set) ranged(key []byte, id txn.ID) (found bool) {
	s.ranges.Scan(func(sp span) bool {
		if bytes.Compare(sp.Start, key) > 0 {
			return false
		}
		found = sp.id != id && sp.Covers(key)
		return !found
	})
	return found
}

func ownWrites(own *txn.Work, key []byte) (n int) {
	if own == nil {
		return 0
	}
	for i := range own.Writes {
		if bytes.Equal(own.Writes[i].Key, key) {
			n++
		}
	}
	return n
}
