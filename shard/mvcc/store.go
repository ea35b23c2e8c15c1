package mvcc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/anodekv/anode/txn"
	"github.com/tidwall/btree"
)

// Store holds one shard's keys. The zero Store is not ready; use [New].
type Store struct {
	Reader
	// garbage knows which keys hold something to collect, and from what time on, so that collecting
	// costs what it removes and not what the store holds.
	garbage  *btree.BTreeG[candidate]
	inserted int // keys since the nodes were last unshared, see unshare
	// hint remembers the way to the key looked up last, so that writing it back does not search again.
	hint btree.PathHint
}

// candidate says that key holds a version that is of no use to a reader at or above time.
type candidate struct {
	time txn.Timestamp
	key  []byte
}

// chainLess looks at the keys themselves only where their heads are equal: a search then reads the tree's own
// nodes, and not a key from another line of memory for every step.
func chainLess(a, b chain) bool {
	if a.head != b.head {
		return a.head[0] < b.head[0] || a.head[0] == b.head[0] && a.head[1] < b.head[1]
	}
	return bytes.Compare(a.key, b.key) < 0
}

// keyed is a chain without versions, which finds the one of that key.
func keyed(key []byte) chain {
	var head [16]byte
	copy(head[:], key)
	return chain{head: [2]uint64{binary.BigEndian.Uint64(head[:8]), binary.BigEndian.Uint64(head[8:])}, key: key}
}

func candidateLess(a, b candidate) bool {
	if a.time != b.time {
		return a.time < b.time
	}
	return bytes.Compare(a.key, b.key) < 0
}

// New returns an empty store.
func New() *Store {
	opts := btree.Options{NoLocks: true} // one owner; snapshots share only what is never written again
	return &Store{
		Reader:  Reader{keys: btree.NewBTreeGOptions(chainLess, opts)},
		garbage: btree.NewBTreeGOptions(candidateLess, opts),
	}
}

// Put writes a version of key. The store keeps key and value: the caller must not change them later.
// Writing one key twice at one position leaves the second. Writing below the newest version is a bug of
// the caller and panics, for the order of a log never turns back.
func (s *Store) Put(key, value []byte, at txn.Position, time txn.Timestamp) {
	s.write(key, Version{At: at, Time: time, Value: value})
}

// Delete writes a tombstone, under the rules of Put. It does so for an absent key as well: who read it as
// absent at this very moment is still ordered before the deletion.
func (s *Store) Delete(key []byte, at txn.Position, time txn.Timestamp) {
	s.write(key, Version{At: at, Time: time, Deleted: true})
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

func (s *Store) write(key []byte, v Version) {
	c, ok := s.keys.GetHint(keyed(key), &s.hint)
	if !ok {
		c = keyed(key)
		s.stats.Bytes += int64(len(key))
		s.unshare()
	} else {
		c.versions = s.supersede(&c, v.At)
	}
	c.versions = append(c.versions, v)
	s.count(c.key, &v, 1)
	if !v.Deleted {
		s.stats.Keys++
		s.stats.Live += liveBytes(&c)
	}
	if len(c.versions) > 1 || v.Deleted {
		s.garbage.Set(candidate{v.Time, c.key})
	}
	s.keys.SetHint(c, &s.hint)
}

// unshareAfter is how many keys, as a divisor of all, come between two unsharings, and unshareLeast how
// many at the least: each costs one copy of every node that is written afterwards.
const (
	unshareAfter = 8
	unshareLeast = 4096
)

// unshare makes every node be copied when it is written next. The tree splits a node by cutting its array in
// two: as long as one half lives in the old array, that array keeps what the other half held at the time of
// the split, and with it values that have been overwritten since: up to the whole store a second time. A copied
// node has an array of its own.
func (s *Store) unshare() {
	s.inserted++
	if s.inserted > unshareLeast && s.inserted > s.keys.Len()/unshareAfter {
		s.inserted = 0
		s.keys.Copy()
	}
}

// supersede takes leave of the newest version of a chain and returns the versions to append to.
func (s *Store) supersede(c *chain, at txn.Position) []Version {
	last := c.newest()
	if !last.Deleted {
		s.stats.Keys--
		s.stats.Live -= liveBytes(c)
	}
	switch order := at.Compare(last.At); {
	case order < 0:
		panic(fmt.Sprintf("mvcc: %q written at %v after %v", c.key, at, last.At))
	case order == 0:
		s.count(c.key, &last, -1)
		s.garbage.Delete(candidate{last.Time, c.key})
		return slices.Clone(c.versions[:len(c.versions)-1]) // a snapshot may hold what is replaced
	}
	return c.versions
}

// liveBytes is what a key takes whose newest version is a value.
func liveBytes(c *chain) int64 { return int64(len(c.key) + len(c.newest().Value)) }

// count adds a version to the accounts (sign 1), or takes it off (sign -1).
func (s *Store) count(key []byte, v *Version, sign int) {
	s.stats.Versions += sign
	s.stats.Bytes += int64(sign * len(v.Value))
	if v.Deleted {
		s.stats.Tombstones += sign
	}
	if d := digest(key, v); sign > 0 {
		s.sum += d
	} else {
		s.sum -= d
	}
}

// Snapshot returns the store as it stands. It stays so, and may be read by another goroutine, while the
// store goes on.
func (s *Store) Snapshot() *Reader {
	r := s.Reader
	r.keys = s.keys.Copy()
	return &r
}
