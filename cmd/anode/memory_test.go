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
