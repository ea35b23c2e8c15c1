package client

import (
	"runtime"
	"testing"
	"time"
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

// Callers who have other work to do first do not have the loop wait for the last of them.
func TestNobodyIsWaitedForLong(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const callers = 64
	l := &loop{answered: callers, epoch: time.Now()}
	l.orders.put(order{})
	var call func(left int)
	call = func(left int) { // a turn of the scheduler brings one more, and takes long
		for began := time.Now(); time.Since(began) < assembleWait; {
			continue
		}
		l.orders.put(order{})
		if left > 1 {
			go func() {
				runtime.Gosched()
				call(left - 1)
			}()
		}
	}
	go call(callers)
	began := l.now()
	if !l.assemble() || l.now() == began {
		t.Error("it did not tell that time has passed")
	}
	if n := l.orders.len(); n > callers/4 {
		t.Errorf("it waited for %d callers of %d", n, callers)
	}
	for l.orders.len() <= callers {
		runtime.Gosched()
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
