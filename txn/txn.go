package txn

import (
	"cmp"
	"fmt"
	"math"

	"github.com/anodekv/anode/paxos/wire"
)

// ClientID names one client session for ever. Clients draw it at random (64 bits) and never reuse it.
type ClientID uint64

// ID names one transaction for ever: the pair that exactly-once rests on. A retry after a timeout
// carries the same ID, a retry after a conflict a new one.
type ID struct {
	Client ClientID
	Seq    uint64
}

func (id ID) String() string { return fmt.Sprintf("%016x.%d", uint64(id.Client), id.Seq) }

// Compare orders IDs by client, then by sequence. The order means nothing; it makes walks deterministic.
func (id ID) Compare(other ID) int {
	if c := cmp.Compare(id.Client, other.Client); c != 0 {
		return c
	}
	return cmp.Compare(id.Seq, other.Seq)
}

// Position is a moment in a shard's history: the command with that index in the batch of that op. Two
// commands of one batch are two moments. The zero Position is before everything.
type Position struct {
	Op    wire.Op
	Index uint32
}

// After is the moment after every command of op and before the next one. Reads run there.
func After(op wire.Op) Position { return Position{op, math.MaxUint32} }

// Compare orders positions of one shard in log order.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Op, q.Op); c != 0 {
		return c
	}
	return cmp.Compare(p.Index, q.Index)
}

func (p Position) String() string {
	if p.Index == math.MaxUint32 {
		return fmt.Sprintf("%d.", p.Op)
	}
	return fmt.Sprintf("%d.%d", p.Op, p.Index)
}

// Timestamp is a commit time in nanoseconds since the Unix epoch, as a leader proposed it and the log
// made it monotone. It is comparable across shards.
type Timestamp int64

// Read records what a transaction saw of one key: the version it read, or, of an absent key, the
// position at which it was absent.
type Read struct {
	Key   []byte
	Found bool
	At    Position
}

// Range records that a transaction scanned every key k with Start <= k < End at a position. An empty
// End means no upper bound.
type Range struct {
	Start, End []byte
	At         Position
}

// Covers reports whether the range contains key.
func (r Range) Covers(key []byte) bool {
	return string(key) >= string(r.Start) && (len(r.End) == 0 || string(key) < string(r.End))
}

// Write sets one key, or deletes it.
type Write struct {
	Key    []byte
	Value  []byte
	Delete bool
}

// Work is the part of a transaction that concerns one shard.
type Work struct {
	Reads  []Read
	Ranges []Range
	Writes []Write
}

// Empty reports whether there is nothing to do.
func (w *Work) Empty() bool { return len(w.Reads)+len(w.Ranges)+len(w.Writes) == 0 }
