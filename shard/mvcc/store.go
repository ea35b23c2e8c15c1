package mvcc

import (
	"fmt"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/txn"
	"github.com/tidwall/btree"
)

// Store holds one shard's keys. The zero Store is not ready; use [New].
type Store struct {
	Reader
	// garbage knows which keys hold something to collect, and from what time on, so that collecting
	// costs what it removes and not what the store holds.
	garbage  queue
	inserted int // keys since the nodes were last unshared, see unshare
	// age counts the snapshots; see chain.
	age uint64
	// last is the highest position of any version, and shared what it was when the last snapshot was taken: what was
	// written later is in no snapshot. An image is loaded in the order of its keys, not of its positions.
	last, shared txn.Position
	spare        []*past // of nobody, see drop
	values       values
}

// New returns an empty store.
func New() *Store {
	opts := btree.Options{NoLocks: true} // one owner; snapshots share only what is never written again
	return &Store{
		Reader:  Reader{keys: btree.NewBTreeGOptions(entryLess, opts), index: newIndex()},
		garbage: newQueue(),
	}
}

// Put writes a version of key. The store copies what it keeps of key and value.
// Writing one key twice at one position leaves the second. Writing below the newest version is a bug of
// the caller and panics, for the order of a log never turns back.
func (s *Store) Put(key, value []byte, at txn.Position, time txn.Timestamp) {
	s.write(key, Version{At: at, Time: time, Value: s.keep(value)}, true)
}

// Delete writes a tombstone, under the rules of Put. It does so for an absent key as well: who read it as
// absent at this very moment is still ordered before the deletion.
func (s *Store) Delete(key []byte, at txn.Position, time txn.Timestamp) {
	s.write(key, Version{At: at, Time: time, Deleted: true}, true)
}

// Apply writes all of a transaction's writes at one position.
func (s *Store) Apply(writes []txn.Write, at txn.Position, time txn.Timestamp) {
	for i := range writes {
		if w := &writes[i]; w.Delete {
			s.Delete(w.Key, at, time)
		} else {
			s.Put(w.Key, w.Value, at, time)
		}
	}
}

// write adds a version. A key that is new is copied if the caller may change it.
func (s *Store) write(key []byte, v Version, copied bool) {
	hash := hashOf(key)
	c := s.index.get(key, hash)
	if c == nil {
		c = s.insert(key, hash, copied)
	} else {
		c = s.own(c)
		s.supersede(c, v.At)
	}
	v.sum = digest(hash, &v)
	c.newest = v
	if v.At.Compare(s.last) > 0 || mutant.On("loaded-value-used-again") {
		s.last = v.At
	}
	s.count(&v, 1)
	if !v.Deleted {
		s.stats.Keys++
		s.stats.Live += liveBytes(c)
	}
	if c.past != nil || v.Deleted {
		s.garbage.add(candidate{time: v.Time, chain: c})
	}
}

// insert makes a chain without versions for a new key.
func (s *Store) insert(key []byte, hash uint64, copied bool) *chain {
	c := newChain(key, copied)
	c.age = s.age
	s.keys.Set(entryOf(c))
	s.index.add(c, hash)
	s.stats.Bytes += int64(len(key))
	s.unshare()
	return c
}

// unshareAfter is how many keys, as a divisor of all, come between two unsharings, and unshareLeast how
// many at the least: each costs one copy of every node that is written afterwards.
const (
	unshareAfter = 8
	unshareLeast = 4096
)

// unshare makes every node be copied when it is written next. The tree splits a node by cutting its array in
// two: as long as one half lives in the old array, that array keeps what the other half held at the time of
// the split, and with it chains that have been removed, or copied because of a snapshot, since: up to the whole store
// a second time. A copied node has an array of its own.
func (s *Store) unshare() {
	s.inserted++
	if s.inserted > unshareLeast && s.inserted > s.keys.Len()/unshareAfter {
		s.inserted = 0
		s.keys.Copy()
	}
}

// supersede makes way for a newer version in a chain of the store's own. What was the newest becomes one of those before
// it, or goes if it was written at the same position.
func (s *Store) supersede(c *chain, at txn.Position) {
	last := &c.newest
	if !last.Deleted {
		s.stats.Keys--
		s.stats.Live -= liveBytes(c)
	}
	switch order := at.Compare(last.At); {
	case order < 0:
		panic(fmt.Sprintf("mvcc: %q written at %v after %v", c.key, at, last.At))
	case order == 0:
		s.count(last, -1)
		s.garbage.remove(candidate{time: last.Time, chain: c})
		s.discard(last)
	default:
		s.retire(c)
	}
}

// liveBytes is what a key takes whose newest version is a value.
func liveBytes(c *chain) int64 { return int64(len(c.key) + len(c.newest.Value)) }

// count adds a version to the accounts (sign 1), or takes it off (sign -1).
func (s *Store) count(v *Version, sign int) {
	s.stats.Versions += sign
	s.stats.Bytes += int64(sign * len(v.Value))
	if v.Deleted {
		s.stats.Tombstones += sign
	}
	if sign > 0 {
		s.sum += v.sum
	} else {
		s.sum -= v.sum
	}
}

// Snapshot returns the store as it stands. It stays so, and may be read by another goroutine, while the
// store goes on: from now on every chain is copied before it is changed for the first time.
func (s *Store) Snapshot() *Reader {
	s.age++
	s.shared = s.last
	r := s.Reader
	r.keys, r.index = s.keys.Copy(), nil
	return &r
}
