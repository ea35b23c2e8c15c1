package occ

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/anodekv/anode/txn"
	"github.com/tidwall/btree"
)

// Set is the prepared set of one shard: the transactions that voted yes and await their outcome, with
// their locks. A prepared write locks its key; a prepared read keeps others from writing its key; a
// prepared range is a read of every key in it, present or not.
type Set struct {
	held map[txn.ID]*txn.Work
	// writes is ordered, so that a range finds the prepared writes inside it without a full scan.
	writes *btree.BTreeG[count]
	reads  map[string]int
	ranges *btree.BTreeG[span]
	size   txn.Size // of all that is held
}

// count says how many prepared transactions write a key, and which one locked it last.
type count struct {
	key []byte
	n   int
	by  txn.ID
}

// span is one prepared range. Spans are ordered by start, so that those which begin beyond a key are
// never looked at.
type span struct {
	txn.Range
	id    txn.ID
	index int // among the ranges of its transaction
}

func countLess(a, b count) bool { return bytes.Compare(a.key, b.key) < 0 }

func spanLess(a, b span) bool {
	if c := bytes.Compare(a.Start, b.Start); c != 0 {
		return c < 0
	}
	if c := a.id.Compare(b.id); c != 0 {
		return c < 0
	}
	return a.index < b.index
}

// NewSet returns an empty set.
func NewSet() *Set {
	opts := btree.Options{NoLocks: true}
	return &Set{
		held:   map[txn.ID]*txn.Work{},
		writes: btree.NewBTreeGOptions(countLess, opts),
		reads:  map[string]int{},
		ranges: btree.NewBTreeGOptions(spanLess, opts),
	}
}

// Len counts the transactions in the set.
func (s *Set) Len() int { return len(s.held) }

// Size is the size of all that the set holds.
func (s *Set) Size() txn.Size { return s.size }

// Work returns what a transaction in the set holds locked, or nil.
func (s *Set) Work(id txn.ID) *txn.Work { return s.held[id] }

// IDs are the transactions in the set, in the order of [txn.ID.Compare].
func (s *Set) IDs() []txn.ID { return slices.SortedFunc(maps.Keys(s.held), txn.ID.Compare) }

// Lock adds a transaction. The set keeps work, which must not change while it is held. Locking one
// transaction twice is a bug and panics: its vote would count twice.
func (s *Set) Lock(id txn.ID, work *txn.Work) {
	if s.held[id] != nil {
		panic(fmt.Sprintf("occ: %v is locked twice", id))
	}
	s.held[id] = work
	s.size.Add(work)
	s.count(id, work, 1)
}

// Unlock takes a transaction out and returns what it held, or nil if it was not there.
func (s *Set) Unlock(id txn.ID) *txn.Work {
	work := s.held[id]
	if work != nil {
		delete(s.held, id)
		s.size.Sub(work)
		s.count(id, work, -1)
	}
	return work
}

func (s *Set) count(id txn.ID, work *txn.Work, sign int) {
	for i := range work.Reads {
		key := string(work.Reads[i].Key)
		if s.reads[key] += sign; s.reads[key] == 0 {
			delete(s.reads, key)
		}
	}
	for i := range work.Writes {
		s.countWrite(id, work.Writes[i].Key, sign)
	}
	for i, r := range work.Ranges {
		if sp := (span{r, id, i}); sign > 0 {
			s.ranges.Set(sp)
		} else {
			s.ranges.Delete(sp)
		}
	}
}

func (s *Set) countWrite(id txn.ID, key []byte, sign int) {
	c, ok := s.writes.Get(count{key: key})
	if !ok {
		c.key = key
	}
	if c.n += sign; c.n == 0 {
		s.writes.Delete(c)
		return
	}
	if sign > 0 {
		c.by = id
	}
	s.writes.Set(c)
}
