package mvcc

import "github.com/anodekv/anode/internal/mutant"

const (
	// keptValues and keptValueBytes bound the values that are kept for the next ones to be written: as many as one
	// Collect sets free, of the size that most have.
	keptValues     = 512
	keptValueBytes = 4096
)

// values are byte slices of versions that went. A store that is overwritten at a steady pace needs no memory then.
type values struct{ free [][]byte }

// keep returns a copy of a value for the store to keep.
func (s *Store) keep(value []byte) []byte {
	if n := len(s.values.free); n > 0 && len(value) > 0 {
		room := s.values.free[n-1]
		s.values.free = s.values.free[:n-1]
		// A room that does not fit is given up: the sizes of values have changed.
		if cap(room) >= len(value) && cap(room)/2 <= len(value) {
			return append(room, value...)
		}
	}
	return append(make([]byte, 0, len(value)), value...)
}

// discard takes leave of a version. Invariant: what is used again is in no snapshot, for it was written after the last.
func (s *Store) discard(v *Version) {
	n := cap(v.Value)
	if v.At.Compare(s.shared) <= 0 && !mutant.On("shared-value-used-again") {
		return
	}
	if n > 0 && n <= keptValueBytes && len(s.values.free) < keptValues {
		s.values.free = append(s.values.free, v.Value[:0])
	}
}
