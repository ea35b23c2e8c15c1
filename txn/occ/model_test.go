package occ

import (
	"slices"
	"testing"

	"github.com/anodekv/anode/txn"
	"pgregory.net/rapid"
)

var someWork = rapid.Custom(func(t *rapid.T) *txn.Work {
	key := rapid.Custom(func(t *rapid.T) []byte { return []byte{byte(rapid.IntRange('a', 'f').Draw(t, "key"))} })
	w := &txn.Work{}
	for _, k := range rapid.SliceOfN(key, 0, 3).Draw(t, "reads") {
		w.Reads = append(w.Reads, txn.Read{Key: k})
	}
	for _, k := range rapid.SliceOfN(key, 0, 3).Draw(t, "writes") {
		w.Writes = append(w.Writes, txn.Write{Key: k})
	}
	for range rapid.IntRange(0, 2).Draw(t, "ranges") {
		r := txn.Range{Start: key.Draw(t, "start")}
		if rapid.Bool().Draw(t, "bounded") {
			r.End = key.Draw(t, "end")
		}
		w.Ranges = append(w.Ranges, r)
	}
	return w
})

// conflicts says by definition whether two works may not be prepared together.
func conflicts(a, b *txn.Work) bool {
	touches := func(w, r *txn.Work) bool { // w writes what r read
		return slices.ContainsFunc(w.Writes, func(x txn.Write) bool {
			return slices.ContainsFunc(r.Reads, func(y txn.Read) bool { return string(x.Key) == string(y.Key) }) ||
				slices.ContainsFunc(r.Ranges, func(y txn.Range) bool { return y.Covers(x.Key) })
		})
	}
	same := slices.ContainsFunc(a.Writes, func(x txn.Write) bool {
		return slices.ContainsFunc(b.Writes, func(y txn.Write) bool { return string(x.Key) == string(y.Key) })
	})
	return same || touches(a, b) || touches(b, a)
}

// TestBlockerIsTheConflictRelation locks and unlocks at random, conflicting works too, and compares the
// set's answers with the definition.
func TestBlockerIsTheConflictRelation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, held := NewSet(), map[uint64]*txn.Work{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			n := uint64(rapid.IntRange(1, 5).Draw(t, "txn"))
			if held[n] != nil {
				s.Unlock(id(n))
				delete(held, n)
			} else {
				held[n] = someWork.Draw(t, "work")
				s.Lock(id(n), held[n])
			}
			asker, work := uint64(rapid.IntRange(1, 6).Draw(t, "asker")), someWork.Draw(t, "asked")
			want := false
			for n, w := range held {
				want = want || n != asker && conflicts(w, work)
			}
			if key, got := s.Blocker(id(asker), work); got != want {
				t.Fatalf("%d asks for %+v: blocked %v on %q, want %v", asker, work, got, key, want)
			}
		}
		for n := range held {
			s.Unlock(id(n))
		}
		if s.Len() != 0 || s.writes.Len() != 0 || len(s.reads) != 0 || s.ranges.Len() != 0 {
			t.Fatalf("locks are left: %+v", s)
		}
	})
}
