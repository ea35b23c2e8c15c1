package main

import "testing"

// The limit is near the data, and never so near to what cannot be given back that collecting garbage would be all that
// a server does: four replicas with little data did hardly anything else.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		replicas         int
		live, heap, want int64
	}{
		"no replica":           {0, 0, 10 * mib, 48 * mib},
		"one replica":          {1, 96 * mib, 160 * mib, 240 * mib},
		"four replicas":        {4, 3 * mib, 60 * mib, 126 * mib},
		"much that is no data": {1, 3 * mib, 80 * mib, 100 * mib},
	} {
		if got := memoryLimit(c.replicas, c.live, c.heap); got != c.want {
			t.Errorf("%s: %d MiB, not %d", name, got/mib, c.want/mib)
		}
	}
}

// The limit is set when it has moved by enough to matter, for setting it stops the world: it is looked at often, so that it
// follows a server that is sent all it holds.
func TestMemoryLimitIsSetWhenItMoves(t *testing.T) {
	for name, c := range map[string]struct {
		from, to int64
		want     bool
	}{
		"first":          {0, 48 << 20, true},
		"the same":       {48 << 20, 48 << 20, false},
		"hardly another": {100 << 20, 101 << 20, false},
		"more":           {100 << 20, 102 << 20, true},
		"less":           {102 << 20, 100 << 20, true},
	} {
		if got := moved(c.from, c.to); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
