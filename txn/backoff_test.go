package txn

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

func TestBackoffIsMeasuredInAttempts(t *testing.T) {
	for _, attempt := range []wire.Duration{300 * wire.Microsecond, wire.Millisecond} {
		var b Backoff
		for i, want := range []wire.Duration{2, 4, 8, 16, 32, 64, 64} {
			if got := b.Next(attempt, 0.5); got != want*attempt {
				t.Errorf("pause %d after attempts of %d: %d, want %d attempts", i, attempt, got, want)
			}
		}
	}
}

func TestBackoffIsBoundedAndSpread(t *testing.T) {
	var b Backoff
	if got := b.Next(0, 0); got != leastPause/2 {
		t.Errorf("after an attempt that took no time: %d", got)
	}
	for range 20 {
		b.Next(wire.Second, 0)
	}
	if low, high := b.Next(wire.Second, 0), b.Next(wire.Second, 0.999); low != mostPause/2 || high <= mostPause || high >= mostPause*3/2 {
		t.Errorf("after attempts of a second: %d to %d", low, high)
	}
	if got := b.Next(wire.Millisecond, 0.5); got != longestPause*wire.Millisecond {
		t.Errorf("when attempts are fast again: %d", got)
	}
}
