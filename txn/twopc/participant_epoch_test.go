package twopc

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// A group that began anew counts on from where no op of an earlier epoch was: what a client read or opened
// then is not taken for something of now, and what was before the epoch is not known.
func TestEpochsDoNotMix(t *testing.T) {
	p := NewParticipant(ParticipantConfig{Map: shard.Map{Version: 1, Shards: 1}})
	p.SetEpoch(2)
	base := wire.Epoch(2).Base()
	if p.Applied() != base {
		t.Fatalf("begins at op %d, the epoch at %d", p.Applied(), base)
	}
	p.SetEpoch(2) // told again and again
	p.Apply(base+1, 1000, [][]byte{Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: 1, First: 1}))})
	p.SetEpoch(2)
	if p.Applied() != base+1 {
		t.Fatalf("op %d after one entry", p.Applied())
	}
	if p.store.Horizon() < 1000 {
		t.Errorf("knows what was at %d, and began at 1000", p.store.Horizon())
	}
	if absent := txn.After(7); p.store.Floor().Compare(absent) <= 0 {
		t.Errorf("an absent key read at %v, in another epoch, can be validated", absent)
	}
	if absent := txn.After(base + 1); p.store.Floor().Compare(absent) > 0 {
		t.Errorf("an absent key read at %v, in this epoch, cannot be validated", absent)
	}
}
