package txn

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
)

// Limits on what one transaction may hold. They are published: clients check them before they send.
const (
	// MaxKeyBytes bounds a key. Keys are copied into locks and waiting queues, so they must stay small.
	MaxKeyBytes = 4096
	// MaxValueBytes bounds a value. What is larger belongs into a file, and its name in here.
	MaxValueBytes = 1 << 20
	// MaxTransactionBytes bounds the values that a transaction writes: whatever it is made of, it travels,
	// is logged and is applied as one piece, and everybody waits for it meanwhile.
	MaxTransactionBytes = 8 << 20
	// MaxTransactionKeyBytes bounds the keys, and the bounds of ranges, that a transaction has read or
	// writes.
	MaxTransactionKeyBytes = 1 << 20
	// MaxEntries bounds what a transaction reads, scans and writes, each key and range counted, and with it
	// the time that validating and locking takes.
	MaxEntries = 1 << 14
	// MaxCommandBytes bounds one command, kind and body: an entry that carries it alone, with the log's
	// own words around it, must fit one frame. The largest transaction fits, with all participants.
	MaxCommandBytes = wire.MaxStreamBody - 4096
	// MaxReadKeys bounds the keys of one read request, and with it the time that answering takes.
	MaxReadKeys = 1024
	// MaxReplyBytes bounds what a read returns: what one transaction wrote can be read at once.
	MaxReplyBytes = MaxTransactionBytes + MaxReadKeys*64
)

// Errors of work that no shard accepts. They are wrapped with what is wrong.
var (
	ErrTooLarge  = errors.New("too large")
	ErrMalformed = errors.New("malformed")
)

// LimitError says what exceeds a limit, and by how much. It is [ErrTooLarge] to errors.Is.
type LimitError struct {
	What  string // "a key", "the values of a transaction", ...
	Unit  string // "bytes", "entries" or "keys"
	Size  int
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s of %d %s, the limit is %d", e.What, e.Size, e.Unit, e.Limit)
}

// Is makes every LimitError an [ErrTooLarge].
func (e *LimitError) Is(target error) bool { return target == ErrTooLarge }

// within returns a [LimitError] if a size in bytes exceeds a limit.
func within(what string, size, limit int) error {
	if size > limit {
		return &LimitError{what, "bytes", size, limit}
	}
	return nil
}

// CheckKey returns [ErrMalformed] or [ErrTooLarge], wrapped, for what cannot be a key.
func CheckKey(key []byte) error {
	if len(key) == 0 {
		return fmt.Errorf("%w: a key is empty", ErrMalformed)
	}
	return within("a key", len(key), MaxKeyBytes)
}

// CheckValue returns a [LimitError] for what is too large to be a value.
func CheckValue(value []byte) error { return within("a value", len(value), MaxValueBytes) }

// CheckBounds returns [ErrTooLarge], wrapped, for what cannot be the ends of a range.
func CheckBounds(start, end []byte) error {
	return within("the bound of a range", max(len(start), len(end)), MaxBoundBytes)
}

// Size is what counts against the limits of a transaction.
type Size struct{ Entries, KeyBytes, ValueBytes int }

// Add counts work.
func (s *Size) Add(w *Work) { s.count(w, 1) }

// Sub takes work off again.
func (s *Size) Sub(w *Work) { s.count(w, -1) }

func (s *Size) count(w *Work, sign int) {
	s.Entries += sign * (len(w.Reads) + len(w.Ranges) + len(w.Writes))
	for i := range w.Reads {
		s.KeyBytes += sign * len(w.Reads[i].Key)
	}
	for i := range w.Ranges {
		s.KeyBytes += sign * (len(w.Ranges[i].Start) + len(w.Ranges[i].End))
	}
	for i := range w.Writes {
		s.KeyBytes += sign * len(w.Writes[i].Key)
		s.ValueBytes += sign * len(w.Writes[i].Value)
	}
}

// Memory is about what it takes to hold.
func (s Size) Memory() int {
	const entryBytes = 64
	return s.Entries*entryBytes + s.KeyBytes + s.ValueBytes
}

// Check returns a [LimitError] for more than one transaction may hold.
func (s Size) Check() error {
	if s.Entries > MaxEntries {
		return &LimitError{"a transaction", "entries", s.Entries, MaxEntries}
	}
	if err := within("the keys of a transaction", s.KeyBytes, MaxTransactionKeyBytes); err != nil {
		return err
	}
	return within("the values of a transaction", s.ValueBytes, MaxTransactionBytes)
}

// Check returns [ErrMalformed] or [ErrTooLarge], wrapped, for work that no shard accepts.
func (w *Work) Check() error {
	var size Size
	size.Add(w)
	if err := size.Check(); err != nil {
		return err
	}
	for i := range w.Reads {
		if err := CheckKey(w.Reads[i].Key); err != nil {
			return err
		}
	}
	for i := range w.Ranges {
		if err := CheckBounds(w.Ranges[i].Start, w.Ranges[i].End); err != nil {
			return err
		}
	}
	for i := range w.Writes {
		if err := CheckKey(w.Writes[i].Key); err != nil {
			return err
		}
		if err := CheckValue(w.Writes[i].Value); err != nil {
			return err
		}
	}
	return nil
}
