//go:build !race

// The race detector allocates where the product does not.

package mvcc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// overwritten is a store whose keys are overwritten, and whose old versions are collected as they come.
type overwritten struct {
	store *Store
	keys  [][]byte
	value []byte
	op    wire.Op
	lag   txn.Timestamp // how long old versions are kept, in puts
}

func newOverwritten(keys int, lag txn.Timestamp) *overwritten {
	o := &overwritten{store: New(), value: make([]byte, 100), lag: lag}
	for i := range keys {
		o.keys = append(o.keys, fmt.Appendf(nil, "key-%012d", i))
	}
	for range 2 * keys {
		o.put()
	}
	return o
}

func (o *overwritten) put() {
	o.op++
	key := o.keys[int(o.op)*7919%len(o.keys)]
	o.store.Put(key, o.value, txn.Position{Op: o.op}, txn.Timestamp(o.op))
	o.store.CollectSome(txn.Timestamp(o.op)-o.lag, 1)
}

// Overwriting a key and collecting what it held takes no memory.
func TestOverwritingAllocatesNothing(t *testing.T) {
	o := newOverwritten(1000, 200)
	if n := testing.AllocsPerRun(5000, o.put); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A server keeps old versions in an eighth of the memory of what is live: by the time that they go, their keys have
// left the caches of the processor.
func BenchmarkOverwrite(b *testing.B) {
	o := newOverwritten(100_000, 12_500)
	b.ReportAllocs()
	for b.Loop() {
		o.put()
	}
}
