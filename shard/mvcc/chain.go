package mvcc

import (
	"bytes"
	"encoding/binary"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/txn"
)

// chain is a key with its versions. Position and time never fall along a chain.
//
// What is read of a key and what is written lies together, the key behind it: a look at a key that has left the
// processor's caches costs what one line of memory costs, or two. That is why the newest version stands apart from those
// before it.
//
// Invariant: a chain of an age below its store's is shared with a snapshot, and nothing in it ever changes; one of
// the store's own age is reached from nowhere else, and is changed in place. See [Store.own].
type chain struct {
	age    uint64 // how many snapshots the store had given when the chain was made
	past   *past  // nil if there is nothing before the newest
	newest Version
	key    []byte
}

// past is what a chain holds besides its newest version, oldest first. It is never empty.
type past struct {
	list []Version
	// first is what list points to while there is but one: most keys have no more.
	first [1]Version
}

// Chains that have room for their key. Together they take what the runtime has a size for.
type (
	shortChain struct {
		chain
		room [24]byte
	}
	middleChain struct {
		chain
		room [56]byte
	}
)

// newChain returns a chain without versions. It keeps a long key, which the caller copies if it may change, and copies others.
func newChain(key []byte, copied bool) *chain {
	switch n := len(key); {
	case n <= len(shortChain{}.room):
		c := &shortChain{}
		copy(c.room[:], key)
		c.key = c.room[:n:n]
		return &c.chain
	case n <= len(middleChain{}.room):
		c := &middleChain{}
		copy(c.room[:], key)
		c.key = c.room[:n:n]
		return &c.chain
	case copied:
		key = bytes.Clone(key)
	}
	return &chain{key: key}
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

// before returns the versions before the newest, oldest first.
func (c *chain) before() []Version {
	if c.past == nil {
		return nil
	}
	return c.past.list
}

// len is the number of versions.
func (c *chain) len() int { return len(c.before()) + 1 }

// version returns one of the versions, of which 0 is the oldest.
func (c *chain) version(i int) *Version {
	if before := c.before(); i < len(before) {
		return &before[i]
	}
	return &c.newest
}

// find returns the newest version that satisfies visible, which must hold for a prefix of the chain.
func (c *chain) find(visible func(*Version) bool) (Version, bool) {
	if visible(&c.newest) {
		return c.newest, true
	}
	for i := len(c.before()) - 1; i >= 0; i-- {
		if v := c.version(i); visible(v) {
			return *v, true
		}
	}
	return Version{}, false
}

func (c *chain) at(pos txn.Position) (Version, bool) {
	return c.find(func(v *Version) bool { return v.At.Compare(pos) <= 0 })
}

const (
	// sparePasts bounds those that are kept for the next chain that needs one: as many as one Collect sets free.
	sparePasts = 512
	// looseVersions is the room from which on a list that is mostly empty is given back.
	looseVersions = 8
)

// own returns the chain of that key as one that may be changed: itself, or a copy if a snapshot shares it.
func (s *Store) own(c *chain) *chain {
	if c.age == s.age || mutant.On("snapshot-written") {
		return c
	}
	n := newChain(c.key, false)
	n.newest, n.age = c.newest, s.age
	if before := c.before(); len(before) > 0 {
		n.past = &past{}
		n.past.list = append(n.past.first[:0], before...)
	}
	s.keys.Set(entryOf(n))
	s.index.replace(c, n)
	return n
}

// retire makes the newest version of a chain of the store's own one of those before it.
func (s *Store) retire(c *chain) {
	p := c.past
	if p == nil {
		p = s.newPast()
		p.list = p.first[:0]
		c.past = p
	}
	if p.list = append(p.list, c.newest); len(p.list) == 2 {
		p.first[0] = Version{} // which has moved
	}
}

// newPast returns one that nobody has.
func (s *Store) newPast() *past {
	n := len(s.spare)
	if n == 0 {
		return &past{}
	}
	p := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return p
}

// drop removes n versions from the front of a chain of the store's own; the newest stays.
func (s *Store) drop(c *chain, n int) {
	p, list := c.past, c.past.list
	left := copy(list, list[n:])
	clear(list[left:])
	switch {
	case left == 0:
		c.past, p.list = nil, nil
		if len(s.spare) < sparePasts {
			s.spare = append(s.spare, p)
		}
	case cap(list) > looseVersions && left < cap(list)/4:
		p.list = append(make([]Version, 0, 2*left), list[:left]...)
	default:
		p.list = list[:left]
	}
}
