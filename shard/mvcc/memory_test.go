package mvcc

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// What was overwritten and collected is gone from memory too. The tree's nodes once kept most of it: they
// share arrays after a split, with what stood there at the time.
func TestOverwrittenValuesLeaveMemory(t *testing.T) {
	const keys, valueBytes = 20_000, 1000
	s := New()
	var op wire.Op
	put := func(i int) {
		op++
		s.Put(fmt.Appendf(nil, "%016d", i), make([]byte, valueBytes), txn.Position{Op: op}, txn.Timestamp(op))
		s.CollectSome(txn.Timestamp(op), 4)
	}
	before := heapBytes()
	for i := range keys {
		put(i)
	}
	for i := range 3 * keys {
		put(i * 7919 % keys)
	}
	live := s.Stats().Live
	if held := heapBytes() - before; held > live*3/2 {
		t.Errorf("%d bytes are held for %d live ones", held, live)
	}
	runtime.KeepAlive(s)
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A chain with its key takes two lines of a processor's cache where most keys are short, and what the runtime has a size for.
func TestChainsFillTheirSizes(t *testing.T) {
	if short, middle := unsafe.Sizeof(shortChain{}), unsafe.Sizeof(middleChain{}); short != 128 || middle != 160 {
		t.Errorf("chains of %d and %d bytes", short, middle)
	}
}
