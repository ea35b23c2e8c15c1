package occ

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

func id(n uint64) txn.ID { return txn.ID{Client: 1, Seq: n} }

func pos(op wire.Op) txn.Position { return txn.Position{Op: op} }

func put(s *mvcc.Store, key string, op wire.Op) {
	s.Put([]byte(key), []byte("v"), pos(op), txn.Timestamp(op))
}

func del(s *mvcc.Store, key string, op wire.Op) { s.Delete([]byte(key), pos(op), txn.Timestamp(op)) }

func saw(key string, op wire.Op) txn.Work {
	return txn.Work{Reads: []txn.Read{{Key: []byte(key), Found: true, At: pos(op)}}}
}

func missed(key string, op wire.Op) txn.Work {
	return txn.Work{Reads: []txn.Read{{Key: []byte(key), At: txn.After(op)}}}
}

func scanned(start, end string, op wire.Op) txn.Work {
	return txn.Work{Ranges: []txn.Range{{Start: []byte(start), End: []byte(end), At: txn.After(op)}}}
}

func writes(keys ...string) (w txn.Work) {
	for _, k := range keys {
		w.Writes = append(w.Writes, txn.Write{Key: []byte(k), Value: []byte("v")})
	}
	return w
}

func TestCheckAgainstTheStore(t *testing.T) {
	// The store: a@1, b@2 overwritten @3, c@4 deleted @5.
	build := func() *mvcc.Store {
		s := mvcc.New()
		put(s, "a", 1)
		put(s, "b", 2)
		put(s, "b", 3)
		put(s, "c", 4)
		del(s, "c", 5)
		return s
	}
	for _, c := range []struct {
		name  string
		work  txn.Work
		after func(*mvcc.Store)
		want  string // the key that fails, or "" if valid
	}{
		{"present, unchanged", saw("a", 1), nil, ""},
		{"present, stale", saw("b", 2), nil, "b"},
		{"present, overwritten since", saw("a", 1), func(s *mvcc.Store) { put(s, "a", 6) }, "a"},
		{"present, deleted since", saw("a", 1), func(s *mvcc.Store) { del(s, "a", 6) }, "a"},
		{"deleted, claimed present", saw("c", 5), nil, "c"},
		{"present that never was", saw("x", 1), nil, "x"},

		{"absent, never written", missed("x", 5), nil, ""},
		{"absent, written since", missed("x", 5), func(s *mvcc.Store) { put(s, "x", 6) }, "x"},
		{"absent, come and gone since", missed("x", 5), func(s *mvcc.Store) { put(s, "x", 6); del(s, "x", 7) }, "x"},
		{"absent, come, gone and collected", missed("x", 5), func(s *mvcc.Store) { put(s, "x", 6); del(s, "x", 7); s.Collect(9) }, "x"},
		{"absent before the floor", missed("x", 4), func(s *mvcc.Store) { s.Collect(9) }, "x"},
		{"absent at the floor", missed("x", 5), func(s *mvcc.Store) { s.Collect(9) }, ""},
		{"deleted", missed("c", 5), nil, ""},
		{"deleted, read before its deletion", missed("c", 3), nil, "c"},
		{"deleted, written since", missed("c", 5), func(s *mvcc.Store) { put(s, "c", 6) }, "c"},
		{"deleted again since", missed("c", 5), func(s *mvcc.Store) { del(s, "c", 6) }, "c"},
		{"claimed absent, but present then", missed("a", 5), nil, "a"},

		{"range, unchanged", scanned("a", "z", 5), nil, ""},
		{"range, phantom", scanned("a", "z", 5), func(s *mvcc.Store) { put(s, "m", 6) }, "m"},
		{"range, overwritten", scanned("a", "z", 5), func(s *mvcc.Store) { put(s, "b", 6) }, "b"},
		{"range, deleted", scanned("a", "z", 5), func(s *mvcc.Store) { del(s, "a", 6) }, "a"},
		{"range, changed beyond its end", scanned("a", "m", 5), func(s *mvcc.Store) { put(s, "m", 6) }, ""},
		{"range without end, phantom", scanned("a", "", 5), func(s *mvcc.Store) { put(s, "zz", 6) }, "zz"},
		{"empty range, phantom", scanned("x", "y", 5), func(s *mvcc.Store) { put(s, "x", 6) }, "x"},
		{"range before the floor", scanned("x", "y", 4), func(s *mvcc.Store) { s.Collect(9) }, "x"},
		{"range at the floor", scanned("x", "y", 5), func(s *mvcc.Store) { s.Collect(9) }, ""},
		{"blind write", writes("a", "x"), nil, ""},
	} {
		store := build()
		if c.after != nil {
			c.after(store)
		}
		ok, key := NewSet().Check(store, id(1), &c.work)
		if ok != (c.want == "") || string(key) != c.want {
			t.Errorf("%s: %v on %q, want it to fail on %q", c.name, ok, key, c.want)
		}
	}
}

func TestLocksOfPreparedTransactions(t *testing.T) {
	for _, c := range []struct {
		name           string
		prepared, next txn.Work
		want           string
	}{
		{"read and read", saw("k", 1), saw("k", 1), ""},
		{"read of a written key", writes("k"), saw("k", 1), "k"},
		{"absent read of a written key", writes("n"), missed("n", 1), "n"},
		{"write of a read key", saw("k", 1), writes("k"), "k"},
		{"write of a key read as absent", missed("n", 1), writes("n"), "n"},
		{"write and write", writes("k"), writes("k"), "k"},
		{"another key", writes("k"), writes("l"), ""},
		{"scan over a written key", writes("m", "n"), scanned("a", "z", 1), "m"},
		{"scan beside a written key", writes("z"), scanned("a", "z", 1), ""},
		{"scan without end over a written key", writes("z"), scanned("a", "", 1), "z"},
		{"write inside a scan", scanned("a", "z", 1), writes("m"), "m"},
		{"write at the start of a scan", scanned("a", "z", 1), writes("a"), "a"},
		{"write at the end of a scan", scanned("a", "z", 1), writes("z"), ""},
		{"write before a scan", scanned("b", "z", 1), writes("a"), ""},
		{"write in a scan without end", scanned("a", "", 1), writes("zz"), "zz"},
		{"scan and scan", scanned("a", "z", 1), scanned("a", "z", 1), ""},
	} {
		store := mvcc.New()
		put(store, "k", 1)
		s := NewSet()
		s.Lock(id(1), &c.prepared)
		if ok, key := s.Check(store, id(2), &c.next); ok != (c.want == "") || string(key) != c.want {
			t.Errorf("%s: %v on %q, want %q", c.name, ok, key, c.want)
		}
		if key, blocked := s.Blocker(id(1), &c.next); blocked {
			t.Errorf("%s: a transaction blocks itself on %q", c.name, key)
		}
		s.Unlock(id(1))
		if ok, key := s.Check(store, id(2), &c.next); !ok {
			t.Errorf("%s: still locked on %q after the outcome", c.name, key)
		}
	}
}

func TestReadersWaitForWriters(t *testing.T) {
	s := NewSet()
	w := writes("b", "d")
	s.Lock(id(1), &w)
	if !s.Writing([]byte("b")) || s.Writing([]byte("c")) {
		t.Error("Writing does not tell which keys are about to be written")
	}
	if k, ok := s.WritingIn([]byte("c"), nil); !ok || string(k) != "d" {
		t.Errorf("first prepared write from c on: %q %v", k, ok)
	}
	if _, ok := s.WritingIn([]byte("c"), []byte("d")); ok {
		t.Error("d lies in [c, d)")
	}
}

func TestLockingTwicePanics(t *testing.T) {
	s := NewSet()
	w := writes("k")
	s.Lock(id(1), &w)
	defer func() {
		if recover() == nil {
			t.Error("a second vote was counted")
		}
	}()
	s.Lock(id(1), &w)
}

func TestUnlockOfAStrangerChangesNothing(t *testing.T) {
	s := NewSet()
	w := writes("k")
	s.Lock(id(1), &w)
	if s.Unlock(id(2)) != nil || s.Len() != 1 || s.Work(id(1)) != &w {
		t.Error("another transaction's lock went away")
	}
}
