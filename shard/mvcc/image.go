package mvcc

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/anodekv/anode/txn"
)

// ErrOrder says that versions were loaded in another order than that in which a store holds them.
var ErrOrder = errors.New("mvcc: versions out of order")

// ChainsFrom is Chains for the keys from start on.
func (r *Reader) ChainsFrom(start []byte) iter.Seq2[[]byte, []Version] {
	return func(yield func([]byte, []Version) bool) {
		var list []Version
		r.ascend(start, nil, func(c entry) bool {
			list = append(append(list[:0], c.before()...), c.newest)
			return yield(c.key, list)
		})
	}
}

// Load adds the next version of an image of another store: keys in ascending order, the versions of each
// from the oldest on. It keeps key and value, and fails with [ErrOrder] where the order is broken, as it
// would be in bytes that no store has written.
func (s *Store) Load(key []byte, v Version) error {
	last, some := s.keys.Max()
	if some {
		if err := follows(last.chain, key, &v); err != nil {
			return err
		}
	}
	s.write(key, v, false)
	return nil
}

// follows says why a version cannot come next after the last chain of an image.
func follows(last *chain, key []byte, v *Version) error {
	switch order := bytes.Compare(key, last.key); {
	case order > 0:
		return nil
	case order < 0:
		return fmt.Errorf("%w: key %.64q after %.64q", ErrOrder, key, last.key)
	}
	if newest := &last.newest; v.At.Compare(newest.At) <= 0 || v.Time < newest.Time {
		return fmt.Errorf("%w: key %.64q at %v after %v", ErrOrder, key, v.At, newest.At)
	}
	return nil
}

// LoadFloor sets the floor of a store that is loaded from an image.
func (s *Store) LoadFloor(floor txn.Position) { s.floor = floor }

// LoadHorizon sets the horizon of a store that is loaded from an image.
func (s *Store) LoadHorizon(horizon txn.Timestamp) { s.horizon = horizon }
