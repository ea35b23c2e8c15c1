package mvcc

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"pgregory.net/rapid"
)

// frozen is a snapshot, and all it showed when it was taken.
type frozen struct {
	*Reader
	keys     []string
	versions [][]Version
	hash     uint64
	stats    Stats
}

func freeze(s *Store) frozen {
	f := frozen{Reader: s.Snapshot()}
	f.hash, f.stats = f.Hash(), f.Stats()
	for key, versions := range f.Chains() {
		f.keys = append(f.keys, string(key))
		f.versions = append(f.versions, deep(versions))
	}
	return f
}

// deep copies versions with their values, which a store uses again.
func deep(versions []Version) []Version {
	copied := slices.Clone(versions)
	for i := range copied {
		copied[i].Value = bytes.Clone(copied[i].Value)
	}
	return copied
}

// moved says what a snapshot shows that it did not when it was taken, or nothing.
func (f frozen) moved() string {
	i := 0
	for key, versions := range f.Chains() {
		if i == len(f.keys) || string(key) != f.keys[i] || !slices.EqualFunc(versions, f.versions[i], same) {
			return fmt.Sprintf("%s: %v", key, versions)
		}
		v, ok := f.Latest(key)
		if !ok || !same(v, versions[len(versions)-1]) {
			return fmt.Sprintf("%s found as %v", key, v)
		}
		i++
	}
	if i != len(f.keys) || f.Hash() != f.hash || f.Stats() != f.stats {
		return fmt.Sprintf("%d keys, %+v", i, f.Stats())
	}
	return ""
}

func same(v, w Version) bool {
	return v.At == w.At && v.Time == w.Time && v.Deleted == w.Deleted && bytes.Equal(v.Value, w.Value)
}

// busy is a store that many things happen to, and the snapshots that were taken of it meanwhile.
type busy struct {
	store     *Store
	snapshots []frozen
	op        wire.Op
}

// step does one thing that the draw chooses.
func (b *busy) step(key string, what int) {
	b.op++
	s, at, time := b.store, pos(b.op, 0), txn.Timestamp(b.op*10)
	switch what {
	case 0:
		b.snapshots = append(b.snapshots, freeze(s))
	case 1:
		s.CollectSome(time-50, 3)
	case 2:
		s.Delete([]byte(key), at, time)
	case 3: // twice at one position
		s.Put([]byte(key), []byte("first"), at, time)
		s.Put([]byte(key), fmt.Appendf(nil, "second%d", b.op), at, time)
	default:
		s.Put([]byte(key), fmt.Appendf(nil, "v%d", b.op), at, time)
	}
}

// TestSnapshotsStayWhateverFollows takes snapshots at any moment and holds each against what it showed then.
func TestSnapshotsStayWhateverFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := busy{store: newStore(t)}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			b.step(keyName(rapid.IntRange(0, 5).Draw(t, "key")), rapid.IntRange(0, 8).Draw(t, "what"))
		}
		for i, f := range b.snapshots {
			if moved := f.moved(); moved != "" {
				t.Fatalf("snapshot %d moved: %s", i, moved)
			}
		}
		checkAccounts(t, b.store)
		checkQueue(t, b.store)
		checkIndex(t, b.store)
	})
}

// checkIndex holds the index against the tree.
func checkIndex(t *rapid.T, s *Store) {
	n := 0
	s.keys.Scan(func(e entry) bool {
		n++
		if c := s.index.get(e.key, hashOf(e.key)); c != e.chain {
			t.Fatalf("%s is another chain in the index", e.key)
		}
		if p := e.past; p != nil && (len(p.list) == 0 || (cap(p.list) == 1) != (&p.list[0] == &p.first[0])) {
			t.Fatalf("%s has %d versions before the newest, and room for %d", e.key, len(p.list), cap(p.list))
		}
		return true
	})
	if n != s.index.len() {
		t.Fatalf("%d keys in the tree, %d in the index", n, s.index.len())
	}
}

// An image is loaded in the order of its keys. What a snapshot of the loaded store shows stays, be it of a higher
// position than the last key's: a replica sent others what it had written over, and they noticed by the hash.
func TestSnapshotOfALoadedStoreStays(t *testing.T) {
	if moved := loadedAndShared(t); moved != "" {
		t.Fatal(moved)
	}
}

// loadedAndShared loads an image whose highest position is not its last key's, shares it with a snapshot, overwrites
// and collects, and says what moved in the snapshot.
func loadedAndShared(t *testing.T) string {
	t.Helper()
	s := New()
	for i, key := range []string{"a", "b", "c"} {
		op := wire.Op(30 - 10*i)
		v := Version{At: pos(op, 0), Time: txn.Timestamp(op), Value: []byte("loaded " + key)}
		if err := s.Load([]byte(key), v); err != nil {
			t.Fatal(err)
		}
	}
	f := freeze(s)
	for op := wire.Op(31); op < 40; op++ {
		for i, key := range []string{"a", "b", "c"} {
			s.Put([]byte(key), fmt.Appendf(nil, "later %02d", op), pos(op, uint32(i)), txn.Timestamp(op))
		}
		s.Collect(txn.Timestamp(op))
	}
	return f.moved()
}
