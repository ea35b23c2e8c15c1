package client_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// Who asks while nothing else is under way sends in its own goroutine, beside a loop that may sleep for long. What is lost then
// is sent again all the same.
func TestALoopThatSleepsIsWokenForWhatIsDue(t *testing.T) {
	f := newFake(t, 1)
	ctx := within(t, 20*time.Second)
	db := f.open()
	must(t, db.Put(ctx, "k", []byte("v")))
	db.SleepFor(time.Hour)
	for !db.Sleeps(time.Minute) {
		time.Sleep(time.Millisecond)
		must(t, ctx.Err())
	}
	var lost atomic.Int32
	f.on(0, func(g *fakeGroup) {
		g.filter = func(k wire.Kind) bool { return k != wire.KindRead || lost.Add(1) > 1 }
	})
	if v, err := db.Get(ctx, "k"); err != nil || string(v) != "v" {
		t.Errorf("got %q, %v", v, err)
	}
	if lost.Load() < 2 {
		t.Error("no request was lost: this test has lost its point")
	}
}
