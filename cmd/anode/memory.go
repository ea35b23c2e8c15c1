package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/anodekv/anode/shard/server"
)

const (
	// memoryBase is what a server with one replica needs besides its data: the log, buffers, the runtime. Each further
	// replica has a log and buffers of its own.
	memoryBase       = 48 << 20
	memoryPerReplica = 24 << 20
	// memorySlack, as a divisor of what is live, is how much garbage there may be at the least. Without it a server whose data
	// is small beside what it cannot give back would collect all the time, and find nothing.
	memorySlack = 4
	// memoryCheck is how often the data is measured, and heapCheck how often the limit follows what the last collection
	// left: a server that is sent the state of its group grows by a part of it each second, and would collect all the
	// time, to find nothing, for as long as its limit lags behind.
	memoryCheck = time.Second
	heapCheck   = memoryCheck / 20
	// garbagePercent is how far a server's memory may grow between two collections, by what is live, where the limit
	// allows it: what is allowed anyway may as well be used.
	garbagePercent = 400
)

// holdMemory keeps a server's memory near its data: garbage is collected harder as the whole comes near twice
// what is live. Go's own default would let it grow to twice the data, its overhead and its garbage. GOMEMLIMIT in the
// environment goes before it, and GOGC before how often garbage is collected below the limit.
func holdMemory(ctx context.Context, node *server.Node) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	tick := time.NewTicker(heapCheck)
	defer tick.Stop()
	var replicas int
	var live, limit int64
	for n := 0; ; n++ {
		if n%int(memoryCheck/heapCheck) == 0 {
			replicas, live = node.LiveBytes(ctx)
		}
		// Setting it stops the world for a moment.
		if next := memoryLimit(replicas, live, heapInUse()); moved(limit, next) {
			limit = next
			debug.SetMemoryLimit(limit)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// moved reports whether a limit has become another one by enough to be told.
func moved(from, to int64) bool {
	const grain = 64
	return max(from, to)-min(from, to) > from/grain
}

// memoryLimit is how many bytes a server may take that has so many replicas, whose keys and newest values take live
// bytes, and that held heap bytes after the last collection.
func memoryLimit(replicas int, live, heap int64) int64 {
	return max(memoryBase+int64(max(0, replicas-1))*memoryPerReplica+2*live, heap+heap/memorySlack)
}

// heapInUse is what the last collection of garbage left, in bytes, with what is never collected.
func heapInUse() int64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	sum := int64(samples[0].Value.Uint64() + samples[1].Value.Uint64())
	for _, s := range samples[2:] {
		sum -= int64(s.Value.Uint64())
	}
	return sum
}
