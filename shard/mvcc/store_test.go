package mvcc

import (
	"fmt"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func pos(op wire.Op, index uint32) txn.Position { return txn.Position{Op: op, Index: index} }

func put(s *Store, key, value string, op wire.Op) {
	s.Put([]byte(key), []byte(value), pos(op, 0), txn.Timestamp(op*10))
}

func del(s *Store, key string, op wire.Op) {
	s.Delete([]byte(key), pos(op, 0), txn.Timestamp(op*10))
}

func wantVersion(t *testing.T, what string, v Version, ok bool, want string) {
	t.Helper()
	got := "none"
	switch {
	case ok && v.Deleted:
		got = "deleted"
	case ok:
		got = string(v.Value)
	}
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestVersionsByPositionAndTime(t *testing.T) {
	s := New()
	put(s, "k", "one", 1)
	put(s, "k", "two", 3)
	del(s, "k", 5)
	for op, want := range []string{"none", "one", "one", "two", "two", "deleted", "deleted"} {
		v, ok := s.At([]byte("k"), txn.After(wire.Op(op)))
		wantVersion(t, fmt.Sprintf("after op %d", op), v, ok, want)
		v, ok = s.AtTime([]byte("k"), txn.Timestamp(op*10))
		wantVersion(t, fmt.Sprintf("at time %d", op*10), v, ok, want)
	}
	v, ok := s.Latest([]byte("k"))
	wantVersion(t, "latest", v, ok, "deleted")
	v, ok = s.Latest([]byte("j"))
	wantVersion(t, "another key", v, ok, "none")
}

func TestTwoCommandsOfOneBatchAreTwoMoments(t *testing.T) {
	s := New()
	s.Put([]byte("k"), []byte("first"), pos(1, 0), 10)
	s.Put([]byte("k"), []byte("second"), pos(1, 1), 11)
	v, ok := s.At([]byte("k"), pos(1, 0))
	wantVersion(t, "between them", v, ok, "first")
	if !s.Changed([]byte("k"), pos(1, 0)) || s.Changed([]byte("k"), pos(1, 1)) {
		t.Error("Changed does not tell the commands of a batch apart")
	}
}

func TestTheLastWriteOfOnePositionWins(t *testing.T) {
	s := New()
	put(s, "k", "old", 1)
	put(s, "k", "first", 2)
	before := s.Snapshot()
	s.Apply([]txn.Write{{Key: []byte("k"), Value: []byte("second")}}, pos(2, 0), 20)
	v, ok := s.Latest([]byte("k"))
	wantVersion(t, "latest", v, ok, "second")
	v, ok = before.Latest([]byte("k"))
	wantVersion(t, "snapshot", v, ok, "first")
	if got := s.Stats(); got.Versions != 2 || got.Keys != 1 || got.Bytes != int64(len("k"+"old"+"second")) {
		t.Errorf("%+v", got)
	}
}

func TestWritingThePastPanics(t *testing.T) {
	s := New()
	put(s, "k", "v", 2)
	defer func() {
		if recover() == nil {
			t.Error("a version below the newest was accepted")
		}
	}()
	put(s, "k", "v", 1)
}

func TestChangedInSeesPhantomsAndTombstones(t *testing.T) {
	for _, c := range []struct {
		name, start, end string
		change           func(*Store)
		want             string
	}{
		{"nothing", "a", "z", func(*Store) {}, ""},
		{"new key", "a", "z", func(s *Store) { put(s, "e", "v", 7) }, "e"},
		{"overwrite", "a", "z", func(s *Store) { put(s, "d", "v", 7) }, "d"},
		{"deletion", "a", "z", func(s *Store) { del(s, "d", 7) }, "d"},
		{"put and deleted again", "a", "z", func(s *Store) { put(s, "e", "v", 7); del(s, "e", 8) }, "e"},
		{"at the start", "e", "z", func(s *Store) { put(s, "e", "v", 7) }, "e"},
		{"at the end", "a", "e", func(s *Store) { put(s, "e", "v", 7) }, ""},
		{"no upper bound", "a", "", func(s *Store) { put(s, "zz", "v", 7) }, "zz"},
		{"before", "e", "z", func(s *Store) { put(s, "d", "v", 7) }, ""},
	} {
		s := New()
		put(s, "d", "v", 1)
		c.change(s)
		key, changed := s.ChangedIn([]byte(c.start), []byte(c.end), txn.After(6))
		if string(key) != c.want || changed != (c.want != "") {
			t.Errorf("%s: %q %v, want %q", c.name, key, changed, c.want)
		}
	}
}

func collectKeys(r *Reader, start, end string, at txn.Position) (up, down []string) {
	for k := range r.Ascend([]byte(start), []byte(end), at) {
		up = append(up, string(k))
	}
	for k := range r.Descend([]byte(start), []byte(end), at) {
		down = append(down, string(k))
	}
	slices.Reverse(down)
	return up, down
}

func TestIterationInBothDirections(t *testing.T) {
	s := New()
	for i, k := range []string{"b", "d", "a", "c"} {
		put(s, k, k, wire.Op(i+1))
	}
	del(s, "d", 5)
	for _, c := range []struct {
		start, end string
		at         txn.Position
		want       []string
	}{
		{"", "", Newest, []string{"a", "b", "c"}},
		{"", "", txn.After(4), []string{"a", "b", "c", "d"}},
		{"", "", txn.After(2), []string{"b", "d"}},
		{"b", "d", Newest, []string{"b", "c"}},
		{"b", "d", txn.After(4), []string{"b", "c"}},
		{"aa", "cc", Newest, []string{"b", "c"}},
		{"x", "", Newest, nil},
	} {
		up, down := collectKeys(&s.Reader, c.start, c.end, c.at)
		if !slices.Equal(up, c.want) || !slices.Equal(down, c.want) {
			t.Errorf("[%q, %q) at %v: up %q, down %q, want %q", c.start, c.end, c.at, up, down, c.want)
		}
	}
	for range s.Ascend(nil, nil, Newest) {
		break // a caller that stops early must not be called again
	}
}

func TestCollect(t *testing.T) {
	s := New()
	put(s, "k", "one", 1)
	put(s, "k", "two", 3)
	put(s, "k", "three", 6)
	del(s, "gone", 2)
	del(s, "later", 7)
	if n := s.Collect(9); n != 0 || s.Floor() != (txn.Position{}) {
		t.Fatalf("removed %d, floor %v before anything was superseded", n, s.Floor())
	}
	if n := s.Collect(45); n != 2 {
		t.Errorf("removed %d, want the first version of k and the tombstone of gone", n)
	}
	if s.Floor() != pos(2, 0) {
		t.Errorf("floor %v, want that of the tombstone", s.Floor())
	}
	v, ok := s.AtTime([]byte("k"), 45)
	wantVersion(t, "a reader at the bound", v, ok, "two")
	_, ok = s.Latest([]byte("gone"))
	if ok {
		t.Error("the collected tombstone is still there")
	}
	s.Collect(1000)
	if got, want := s.Stats(), (Stats{Keys: 1, Versions: 1, Bytes: int64(len("k" + "three")), Live: int64(len("k" + "three"))}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if s.Floor() != pos(7, 0) || s.garbage.len() != 0 {
		t.Errorf("floor %v, %d candidates left", s.Floor(), s.garbage.len())
	}
}

func TestASnapshotStaysAsItWas(t *testing.T) {
	s := New()
	put(s, "a", "1", 1)
	put(s, "b", "1", 2)
	snap := s.Snapshot()
	hash := snap.Hash()
	put(s, "a", "2", 3)
	del(s, "b", 4)
	put(s, "c", "1", 5)
	s.Collect(1000)
	up, _ := collectKeys(snap, "", "", Newest)
	if !slices.Equal(up, []string{"a", "b"}) || snap.Hash() != hash || snap.Stats().Keys != 2 {
		t.Errorf("the snapshot moved: %q", up)
	}
	v, ok := snap.Latest([]byte("a"))
	wantVersion(t, "a in the snapshot", v, ok, "1")
	if s.Hash() == hash {
		t.Error("the store has another state and the same hash")
	}
}

func TestHashTellsStatesApart(t *testing.T) {
	states := map[string]func(*Store){
		"empty":     func(*Store) {},
		"put":       func(s *Store) { put(s, "ab", "c", 1) },
		"shifted":   func(s *Store) { put(s, "a", "bc", 1) },
		"deleted":   func(s *Store) { del(s, "ab", 1) },
		"empty one": func(s *Store) { put(s, "ab", "", 1) },
		"later":     func(s *Store) { put(s, "ab", "c", 2) },
		"timed":     func(s *Store) { s.Put([]byte("ab"), []byte("c"), pos(1, 0), 11) },
		"floored":   func(s *Store) { put(s, "ab", "x", 1); put(s, "ab", "c", 2); s.Collect(99) },
	}
	seen := map[uint64]string{}
	for name, build := range states {
		s := New()
		build(s)
		if other, clash := seen[s.Hash()]; clash {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[s.Hash()] = name
	}
}
