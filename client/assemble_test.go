package client

import (
	"runtime"
	"testing"
)

// Callers who were answered together, and ask again one after the other, are sent together. Nobody is waited for who was not
// answered, and nobody for long.
func TestWhoWasAnsweredIsWaitedFor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range []struct{ answered, ask, want int }{
		{8, 8, 8}, {1000, 8, 8}, {0, 8, 1}, {1, 8, 1}, {1000, 1, 1},
	} {
		got := 0
		for try := 0; try < 20 && got != c.want; try++ { // the scheduler may choose otherwise now and then
			got = together(c.answered, c.ask)
		}
		if got != c.want {
			t.Errorf("%d were answered and %d ask again: %d requests leave together, want %d", c.answered, c.ask, got, c.want)
		}
	}
}

// together returns how many requests leave together, of those that wait for their turn while the first is there.
func together(answered, ask int) int {
	l := &loop{answered: answered}
	for range ask - 1 {
		go l.orders.put(order{})
	}
	l.orders.put(order{})
	l.assemble()
	defer func() {
		for l.orders.len() < ask {
			runtime.Gosched()
		}
	}()
	return l.orders.len()
}
