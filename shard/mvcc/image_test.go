package mvcc

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// A store loaded from all that another holds is that other: same hash, same accounts, and collecting
// removes the same from both ever after.
func TestLoadedStoreGoesOnAlike(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	original := New()
	op := wire.Op(0)
	work := func(stores ...*Store) {
		op++
		key, at := []byte(fmt.Sprintf("k%02d", rng.Intn(40))), txn.Position{Op: op, Index: uint32(rng.Intn(3))}
		value, gone, collects, some := fmt.Appendf(nil, "v%d", op), rng.Intn(4) == 0, rng.Intn(20) == 0, 1+rng.Intn(9)
		var removed []int
		for _, s := range stores {
			if gone {
				s.Delete(key, at, txn.Timestamp(op))
			} else {
				s.Put(key, value, at, txn.Timestamp(op))
			}
			if collects {
				removed = append(removed, s.CollectSome(txn.Timestamp(op-30), some))
			}
		}
		if len(removed) == 2 && removed[0] != removed[1] {
			t.Fatalf("op %d: the original collects %d versions, the loaded store %d", op, removed[0], removed[1])
		}
	}
	for range 500 {
		work(original)
	}
	frozen := original.Snapshot()
	work(original)
	loaded := New()
	loaded.LoadFloor(frozen.Floor())
	loaded.LoadHorizon(frozen.Horizon())
	for key, versions := range frozen.ChainsFrom(nil) {
		for _, v := range versions {
			if err := loaded.Load(key, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if loaded.Hash() != frozen.Hash() || loaded.Stats() != frozen.Stats() {
		t.Fatalf("loaded %x %+v from %x %+v", loaded.Hash(), loaded.Stats(), frozen.Hash(), frozen.Stats())
	}
	again := New()
	again.LoadFloor(original.Floor())
	again.LoadHorizon(original.Horizon())
	for key, versions := range original.ChainsFrom(nil) {
		for _, v := range versions {
			if err := again.Load(key, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 500 {
		work(original, again)
		if original.Hash() != again.Hash() || original.Stats() != again.Stats() {
			t.Fatalf("op %d: the loaded store has gone its own way: %+v and %+v", op, original.Stats(), again.Stats())
		}
	}
}

func TestChainsFromBeginsInTheMiddle(t *testing.T) {
	s := New()
	for i, key := range []string{"a", "b", "d"} {
		s.Put([]byte(key), nil, txn.Position{Op: wire.Op(i + 1)}, txn.Timestamp(i+1))
	}
	var seen string
	for key := range s.ChainsFrom([]byte("b")) {
		seen += string(key)
	}
	for key := range s.ChainsFrom([]byte("c")) {
		seen += string(key)
		break
	}
	if seen != "bdd" {
		t.Fatalf("walked %q", seen)
	}
}

func TestLoadRefusesDisorder(t *testing.T) {
	for name, second := range map[string]struct {
		key string
		v   Version
	}{
		"a lower key":       {"a", Version{At: txn.Position{Op: 9}, Time: 9}},
		"an older version":  {"b", Version{At: txn.Position{Op: 4}, Time: 9}},
		"the same position": {"b", Version{At: txn.Position{Op: 5}, Time: 9}},
		"an earlier time":   {"b", Version{At: txn.Position{Op: 6}, Time: 4}},
	} {
		s := New()
		if err := s.Load([]byte("b"), Version{At: txn.Position{Op: 5}, Time: 5}); err != nil {
			t.Fatal(err)
		}
		if err := s.Load([]byte(second.key), second.v); !errors.Is(err, ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
