package mvcc

import (
	"bytes"
	"encoding/binary"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/txn"
)

// chain is a key with its versions, oldest first. Position and time never fall along a chain.
//
// Invariant: a chain of an age below its store's is shared with a snapshot, and nothing in it ever changes; one of
// the store's own age is reached from nowhere else, and is changed in place. See [Store.own].
type chain struct {
	key      []byte
	versions []Version
	// first is what versions points to while there is but one: most keys have no older version.
	first [1]Version
	age   uint64 // how many snapshots the store had given when the chain was made
}

// entry is what the tree holds of a chain. It has the first 16 bytes of the key, zeros where it is shorter: a
// search then reads the tree's own nodes, and not a key from another line of memory for every step.
type entry struct {
	head [2]uint64
	*chain
}

func entryLess(a, b entry) bool {
	if a.head != b.head {
		return a.head[0] < b.head[0] || a.head[0] == b.head[0] && a.head[1] < b.head[1]
	}
	return bytes.Compare(a.key, b.key) < 0
}

// entryOf is the tree's entry of a chain.
func entryOf(c *chain) entry {
	var head [16]byte
	copy(head[:], c.key)
	return entry{head: [2]uint64{binary.BigEndian.Uint64(head[:8]), binary.BigEndian.Uint64(head[8:])}, chain: c}
}

// keyed is an entry without versions, which finds the one of that key.
func keyed(key []byte) entry { return entryOf(&chain{key: key}) }

func (c *chain) newest() Version { return c.versions[len(c.versions)-1] }

// find returns the newest version that satisfies visible, which must hold for a prefix of the chain.
func (c *chain) find(visible func(*Version) bool) (Version, bool) {
	for i := len(c.versions) - 1; i >= 0; i-- {
		if visible(&c.versions[i]) {
			return c.versions[i], true
		}
	}
	return Version{}, false
}

func (c *chain) at(pos txn.Position) (Version, bool) {
	return c.find(func(v *Version) bool { return v.At.Compare(pos) <= 0 })
}

const (
	// spareVersions is the room of the lists that are kept for the next chain that needs one: of most keys that
	// are overwritten one older version is kept.
	spareVersions = 2
	// spareLists bounds the lists that are kept: as many as one Collect sets free.
	spareLists = 512
	// looseVersions is the room from which on a list that is mostly empty is given back.
	looseVersions = 8
)

// own returns the chain of that key as one that may be changed: itself, or a copy if a snapshot shares it.
func (s *Store) own(c *chain) *chain {
	if c.age == s.age || mutant.On("snapshot-written") {
		return c
	}
	n := &chain{key: c.key, age: s.age}
	n.versions = n.first[:0]
	if len(c.versions) > 1 {
		n.versions = make([]Version, 0, len(c.versions)+1)
	}
	n.versions = append(n.versions, c.versions...)
	s.keys.Set(entryOf(n))
	s.index[name(n.key)] = n
	return n
}

// push adds a version to a chain of the store's own.
func (s *Store) push(c *chain, v Version) {
	switch {
	case len(c.versions) == 0:
		c.versions = c.first[:0]
	case cap(c.versions) == 1:
		c.versions = append(s.room(), c.first[0])
		c.first[0] = Version{}
	}
	c.versions = append(c.versions, v)
}

// room returns an empty list for a second version.
func (s *Store) room() []Version {
	n := len(s.spare)
	if n == 0 {
		return make([]Version, 0, spareVersions)
	}
	list := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return list
}

// drop removes n versions from the front of a chain of the store's own, of which one at least stays.
func (s *Store) drop(c *chain, n int) {
	list := c.versions
	left := copy(list, list[n:])
	switch {
	case left == 1 && cap(list) > 1:
		c.first[0] = list[0]
		c.versions = c.first[:]
		clear(list)
		if cap(list) == spareVersions && len(s.spare) < spareLists {
			s.spare = append(s.spare, list[:0])
		}
	case cap(list) > looseVersions && left < cap(list)/4:
		c.versions = append(make([]Version, 0, 2*left), list[:left]...)
	default:
		clear(list[left:])
		c.versions = list[:left]
	}
}
