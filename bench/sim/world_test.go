package sim

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/anodekv/anode/paxos/wire"
)

// Events happen in the order of their instants, and those of one instant in the order in which they were planned.
func TestEventsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(1)
		type planned struct {
			at  wire.Time
			seq int
		}
		var want, got []planned
		for i, d := range rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "delays") {
			p := planned{wire.Time(d), i}
			want = append(want, p)
			w.after(wire.Duration(d), func() { got = append(got, p) })
			if rapid.IntRange(0, 3).Draw(t, "run") == 0 { // some happen while others are still to be planned
				w.run(w.now, func() bool { return false })
			}
		}
		w.run(100, func() bool { return false })
		slices.SortStableFunc(want, func(a, b planned) int { return int(a.at - b.at) })
		if !slices.Equal(got, want) || len(w.queue) != 0 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
