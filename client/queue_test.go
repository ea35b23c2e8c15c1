package client

import (
	"sync"
	"testing"
	"time"
)

// Whatever was put is taken once, and who put it first among others was told so.
func TestQueueLosesNothing(t *testing.T) {
	const putters, each = 8, 5000
	var q queue
	var all sync.WaitGroup
	for range putters {
		all.Go(func() {
			for range each {
				o := order{call: &call{}}
				for _, full, ok := q.put(o); !ok; _, full, ok = q.put(o) {
					<-full
				}
			}
		})
	}
	taken, seen := []order(nil), map[*call]int{}
	for deadline := time.Now().Add(20 * time.Second); len(seen) < putters*each && time.Now().Before(deadline); {
		taken = q.take(taken)
		for _, o := range taken {
			if seen[o.call]++; seen[o.call] > 1 {
				t.Fatal("an order was taken twice")
			}
		}
	}
	if len(seen) < putters*each {
		t.Fatalf("%d of %d orders were taken", len(seen), putters*each)
	}
	all.Wait()
}

func TestQueueIsBounded(t *testing.T) {
	var q queue
	for i := range queueLength {
		if first, _, ok := q.put(order{}); !ok || first != (i == 0) {
			t.Fatalf("order %d: taken %v, first %v", i, ok, first)
		}
	}
	_, full, ok := q.put(order{})
	if ok || full == nil {
		t.Fatal("there is no bound")
	}
	if _, _, ok := q.put(order{cancel: true}); !ok {
		t.Error("a full queue refuses the end of a call")
	}
	select {
	case <-full:
		t.Error("there is no room yet")
	default:
	}
	if n := len(q.take(nil)); n != queueLength+1 {
		t.Errorf("%d orders were taken", n)
	}
	<-full
	for range queueLength {
		q.put(order{})
	}
	_, full, _ = q.put(order{})
	q.close()
	<-full
	if _, full, ok := q.put(order{}); ok || full != nil {
		t.Error("a closed queue takes orders")
	}
	if n := len(q.take(nil)); n != queueLength {
		t.Errorf("%d orders were taken of a queue that is closed", n)
	}
}
