package mvcc

import (
	"bytes"
	"iter"
	"math"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/tidwall/btree"
)

// Newest is a position after every other: reading there sees each key's newest version.
var Newest = txn.Position{Op: wire.Op(math.MaxUint64), Index: math.MaxUint32}

// Version is one write of a key. Value must not be changed by whoever reads it, and is the store's to use again once the
// store changes; a snapshot's stays.
type Version struct {
	At      txn.Position
	Time    txn.Timestamp
	Deleted bool
	// sum is its digest. When a version goes, its key and value have long left the processor's caches.
	sum   uint64
	Value []byte
}

// Stats counts what a store holds.
type Stats struct {
	Keys       int // with a newest version that is no tombstone
	Versions   int // tombstones included
	Tombstones int
	// Bytes are those of keys and values, without the cost of keeping them. Live are those of them that
	// belong to keys with a value, and to their newest values.
	Bytes, Live int64
}

// Reader is what can be asked of a store and of its snapshots alike.
type Reader struct {
	// keys has every chain in order, index by key; of a snapshot the index is nil. No walk is ever over the index.
	keys  *btree.BTreeG[entry]
	index *index
	floor txn.Position
	// horizon is the highest time below which was collected.
	horizon txn.Timestamp
	stats   Stats
	sum     uint64 // of the digests of all versions; see Hash
}

// Latest returns the newest version of key, which may be a tombstone. It reports false if there is none.
func (r *Reader) Latest(key []byte) (Version, bool) {
	c := r.get(key)
	if c == nil {
		return Version{}, false
	}
	return c.newest, true
}

// At returns the version of key that was the newest at a position.
func (r *Reader) At(key []byte, pos txn.Position) (Version, bool) {
	c := r.get(key)
	if c == nil {
		return Version{}, false
	}
	return c.at(pos)
}

// AtTime returns the version of key that was the newest at a time. The answer is final only if nothing
// can commit at or below that time any more.
func (r *Reader) AtTime(key []byte, t txn.Timestamp) (Version, bool) {
	c := r.get(key)
	if c == nil {
		return Version{}, false
	}
	return c.find(func(v *Version) bool { return v.Time <= t })
}

// Changed reports whether key was written after a position.
func (r *Reader) Changed(key []byte, since txn.Position) bool {
	v, ok := r.Latest(key)
	return ok && v.At.Compare(since) > 0
}

// ChangedIn returns the first key in start <= key < end that was written, or deleted, after a position.
// An empty end means no upper bound.
func (r *Reader) ChangedIn(start, end []byte, since txn.Position) (key []byte, changed bool) {
	r.ascend(start, end, func(c entry) bool {
		if c.newest.At.Compare(since) > 0 {
			key, changed = c.key, true
		}
		return !changed
	})
	return key, changed
}

// Ascend walks start <= key < end in ascending order, as it stood at a position; keys absent there are
// left out. An empty end means no upper bound. The store must not change meanwhile.
func (r *Reader) Ascend(start, end []byte, pos txn.Position) iter.Seq2[[]byte, Version] {
	return func(yield func([]byte, Version) bool) {
		r.ascend(start, end, func(c entry) bool {
			v, ok := c.at(pos)
			return !ok || v.Deleted || yield(c.key, v)
		})
	}
}

// Descend is Ascend backwards.
func (r *Reader) Descend(start, end []byte, pos txn.Position) iter.Seq2[[]byte, Version] {
	return func(yield func([]byte, Version) bool) {
		r.descend(start, end, func(c entry) bool {
			v, ok := c.at(pos)
			return !ok || v.Deleted || yield(c.key, v)
		})
	}
}

// Chains walks all keys in ascending order with all their versions, oldest first. The list is good until the next one.
func (r *Reader) Chains() iter.Seq2[[]byte, []Version] { return r.ChainsFrom(nil) }

// Floor is the highest position of a tombstone that was removed as the newest of its key. A key may have
// existed and gone before it, so what a transaction found absent below the floor cannot be validated.
func (r *Reader) Floor() txn.Position { return r.floor }

// Horizon is the highest time below which versions were collected. What a reader below it sees is not what
// was; at it and above nothing is missing.
func (r *Reader) Horizon() txn.Timestamp { return r.horizon }

// Stats counts what is held.
func (r *Reader) Stats() Stats { return r.stats }

func (r *Reader) ascend(start, end []byte, visit func(entry) bool) {
	r.keys.Ascend(keyed(start), func(c entry) bool {
		return (len(end) == 0 || bytes.Compare(c.key, end) < 0) && visit(c)
	})
}

func (r *Reader) descend(start, end []byte, visit func(entry) bool) {
	down := func(c entry) bool {
		if len(end) > 0 && bytes.Equal(c.key, end) {
			return true // the range ends before it
		}
		return bytes.Compare(c.key, start) >= 0 && visit(c)
	}
	if len(end) == 0 {
		r.keys.Reverse(down)
		return
	}
	r.keys.Descend(keyed(end), down)
}
