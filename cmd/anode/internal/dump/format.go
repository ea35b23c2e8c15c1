package dump

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/anodekv/anode/txn"
)

// ErrDamaged says that a file is no dump, or not the whole of one. It is wrapped with what is wrong and where.
var ErrDamaged = errors.New("not a whole dump")

const (
	// magic and version stand in the head. A file of another version is refused, never guessed at.
	magic   = "anode dump"
	version = 1

	// blockBytes is from what size on a block is written.
	blockBytes = 256 << 10
	// maxBody bounds one frame: a block that is not full yet, and the longest pair.
	maxBody = blockBytes + txn.MaxValueBytes + 2*txn.MaxKeyBytes
	// headBytes and sumBytes stand before and behind each body.
	headBytes = 5
	sumBytes  = 4
)

// The kinds of frames.
const (
	kindHead byte = iota + 1
	kindBlock
	kindEnd
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Head says what a dump is of.
type Head struct {
	Magic   string
	Version uint32
	// Cluster and Shards are those of the cluster that was dumped.
	Cluster uint64
	Shards  uint32
	// Time is the moment that the dump shows, in nanoseconds since the Unix epoch.
	Time int64
}

// block is some pairs: the value of each key stands at the same index.
type block struct{ Keys, Values [][]byte }

// end closes a dump.
type end struct {
	Count Count
	Sum   []byte
}

// Count is how much a dump holds.
type Count struct {
	Pairs      uint64 `json:"keys"`
	KeyBytes   uint64 `json:"key_bytes"`
	ValueBytes uint64 `json:"value_bytes"`
}

func (c *Count) add(key, value []byte) {
	c.Pairs++
	c.KeyBytes += uint64(len(key))
	c.ValueBytes += uint64(len(value))
}

// Summary is what a whole dump says of itself.
type Summary struct {
	Head
	Count
	// Sum is the SHA-256 of all before the end.
	Sum [sha256.Size]byte
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}
