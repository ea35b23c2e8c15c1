package mvcc

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
)

// index finds chains by the hash of their key. Of keys that have the same hash, which somebody would have to look for, all but one
// are found by name.
type index struct {
	chains map[uint64]*chain
	twins  map[string]*chain
	mask   uint64 // of a hash; tests make it a small one
}

func newIndex() *index {
	return &index{chains: map[uint64]*chain{}, twins: map[string]*chain{}, mask: ^uint64(0)}
}

// hashOf is the hash of a key that the index and digests use.
func hashOf(key []byte) uint64 { return xxhash.Sum64(key) }

// get returns the chain of a key, or nil.
func (x *index) get(key []byte, hash uint64) *chain {
	if c := x.chains[hash&x.mask]; c != nil && bytes.Equal(c.key, key) {
		return c
	}
	if len(x.twins) == 0 {
		return nil
	}
	return x.twins[string(key)]
}

// add adds the chain of a key that has none.
func (x *index) add(c *chain, hash uint64) {
	if x.chains[hash&x.mask] == nil {
		x.chains[hash&x.mask] = c
	} else {
		x.twins[string(c.key)] = c
	}
}

// replace puts another chain in the place of one.
func (x *index) replace(old, c *chain) {
	if hash := hashOf(c.key) & x.mask; x.chains[hash] == old {
		x.chains[hash] = c
	} else {
		x.twins[string(c.key)] = c
	}
}

// remove takes a chain out.
func (x *index) remove(c *chain) {
	if hash := hashOf(c.key) & x.mask; x.chains[hash] == c {
		delete(x.chains, hash)
	} else {
		delete(x.twins, string(c.key))
	}
}

// len is the number of keys.
func (x *index) len() int { return len(x.chains) + len(x.twins) }

// get returns the chain of a key, or nil. A snapshot has no index, and searches the tree.
func (r *Reader) get(key []byte) *chain {
	if r.index != nil {
		return r.index.get(key, hashOf(key))
	}
	e, _ := r.keys.Get(keyed(key))
	return e.chain
}
