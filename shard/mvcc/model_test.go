package mvcc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"pgregory.net/rapid"
)

// naive keeps the whole history of every key and answers by looking through all of it.
type naive map[string][]Version

func (n naive) at(key string, p txn.Position) (v Version, ok bool) {
	for _, w := range n[key] {
		if w.At.Compare(p) <= 0 {
			v, ok = w, true
		}
	}
	return v, ok
}

// TestStoreAgainstHistory writes, snapshots and collects at random, and compares every read at or above
// the last collection with a model that forgets nothing.
func TestStoreAgainstHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, model := newStore(t), naive{}
		var collected wire.Op
		for op := wire.Op(1); op <= wire.Op(rapid.IntRange(1, 40).Draw(t, "ops")); op++ {
			key := keyName(rapid.IntRange(0, 5).Draw(t, "key"))
			k := []byte(key)
			v := Version{At: pos(op, 0), Time: txn.Timestamp(op * 10)}
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				collected = wire.Op(rapid.IntRange(int(collected), int(op)).Draw(t, "collect"))
				s.Collect(txn.Timestamp(collected * 10))
				continue
			case 1, 2:
				v.Deleted = true
				s.Delete(k, v.At, v.Time)
			default:
				v.Value = fmt.Appendf(nil, "v%d", op)
				s.Put(k, v.Value, v.At, v.Time)
			}
			clear(k) // it is the caller's
			model[key] = append(model[key], v)
		}
		compare(t, s, model, collected)
		checkAccounts(t, s)
		checkIndex(t, s)
	})
}

// keyName returns one of six keys: of lengths that chains have room for, and just not.
func keyName(i int) string {
	return fmt.Sprintf("k%d", i) + strings.Repeat("-", []int{0, 22, 23, 54, 55, 100}[i])
}

// newStore returns a store in whose index keys have a hash of their own, or share one of two, or one.
func newStore(t *rapid.T) *Store {
	s := New()
	s.index.mask = rapid.SampledFrom([]uint64{^uint64(0), 1, 0}).Draw(t, "mask")
	return s
}

func compare(t *rapid.T, s *Store, model naive, collected wire.Op) {
	for op := collected; op <= 41; op++ {
		for i := range 6 {
			key := keyName(i)
			want, known := model.at(key, txn.After(op))
			got, ok := s.At([]byte(key), txn.After(op))
			live := ok && !got.Deleted
			if live != (known && !want.Deleted) || live && (got.At != want.At || string(got.Value) != string(want.Value)) {
				t.Fatalf("%s after op %d: %+v %v, want %+v %v", key, op, got, ok, want, known)
			}
			if s.Changed([]byte(key), txn.After(op)) != model.changed(key, txn.After(op)) && txn.After(op).Compare(s.Floor()) >= 0 {
				t.Fatalf("%s since op %d: changed %v", key, op, !model.changed(key, txn.After(op)))
			}
		}
	}
}

func (n naive) changed(key string, since txn.Position) bool {
	for _, v := range n[key] {
		if v.At.Compare(since) > 0 {
			return true
		}
	}
	return false
}

// checkAccounts counts everything anew and compares it with what the store kept up with each write.
func checkAccounts(t *rapid.T, s *Store) {
	var want Stats
	var sum uint64
	for key, versions := range s.Chains() {
		want.Bytes += int64(len(key))
		want.Versions += len(versions)
		for i, v := range versions {
			want.Bytes += int64(len(v.Value))
			sum += digest(hashOf(key), &v)
			if v.Deleted {
				want.Tombstones++
			} else if i == len(versions)-1 {
				want.Keys++
				want.Live += int64(len(key) + len(v.Value))
			}
		}
	}
	if s.Stats() != want || s.sum != sum {
		t.Fatalf("kept %+v sum %x, counted %+v sum %x", s.Stats(), s.sum, want, sum)
	}
}

// TestCollectingInPartsIsCollecting collects some at a time what another store collects at once; both remove the
// oldest first, agree in the end, and never hold what is not in the queue or queue what is not garbage.
func TestCollectingInPartsIsCollecting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, parts := New(), New()
		for op := wire.Op(1); op <= wire.Op(rapid.IntRange(1, 60).Draw(t, "ops")); op++ {
			key := fmt.Sprintf("k%d", rapid.IntRange(0, 5).Draw(t, "key"))
			gone := rapid.IntRange(0, 3).Draw(t, "gone") == 0
			for _, s := range []*Store{whole, parts} {
				if gone {
					del(s, key, op)
				} else {
					put(s, key, "v", op)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "collect") > 0 {
				continue
			}
			below := txn.Timestamp(10 * rapid.IntRange(0, int(op)).Draw(t, "below"))
			n, upTo := parts.Garbage(below, 3)
			if n > 3 || upTo > below {
				t.Fatalf("%d versions of garbage up to %d, asked below %d", n, upTo, below)
			}
			whole.Collect(below)
			for parts.CollectSome(below, rapid.IntRange(1, 4).Draw(t, "some")) > 0 {
				checkQueue(t, parts)
			}
			if n, _ := parts.Garbage(below, 1); n != 0 || whole.Hash() != parts.Hash() || whole.Stats() != parts.Stats() {
				t.Fatalf("%d left; whole %+v, parts %+v", n, whole.Stats(), parts.Stats())
			}
		}
		checkQueue(t, parts)
	})
}

// checkQueue holds the queue of garbage against its invariant.
func checkQueue(t *rapid.T, s *Store) {
	queued := 0
	for key, versions := range s.Chains() {
		for i, v := range versions {
			if i == 0 && !v.Deleted {
				continue
			}
			queued++
			if !s.garbage.has(candidate{time: v.Time, chain: &chain{key: key}}) {
				t.Fatalf("version %v of %s is garbage in time, and not queued", v.At, key)
			}
		}
	}
	if queued != s.garbage.len() {
		t.Fatalf("%d queued, %d are garbage", s.garbage.len(), queued)
	}
}

func TestWalkShowsAMomentInBothDirections(t *testing.T) {
	s := New()
	put(s, "a", "one", 1)
	put(s, "b", "two", 2)
	del(s, "a", 3)
	put(s, "c", "three", 4)
	for _, c := range []struct {
		time txn.Timestamp
		want string
	}{{0, "a- b- c- "}, {20, "a=one b=two c- "}, {30, "a- b=two c- "}, {Now, "a- b=two c=three "}} {
		up, down := "", ""
		for k, v := range s.Walk(nil, nil, c.time, false) {
			up += shown(k, v)
		}
		for k, v := range s.Walk(nil, nil, c.time, true) {
			down = shown(k, v) + down
		}
		if up != c.want || down != c.want {
			t.Errorf("at %d: up %q, down %q, want %q", c.time, up, down, c.want)
		}
	}
}

func shown(key []byte, v Version) string {
	if v.Deleted {
		return string(key) + "- "
	}
	return fmt.Sprintf("%s=%s ", key, v.Value)
}
