package kernelpath

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
)

// The kernel path is switched on and off, whole and in parts, while clients write and read back what they wrote:
// none of them sees an error or a value that is not its last one.
func TestSwitchedUnderLoad(t *testing.T) {
	c := start(t, local.Config{Nodes: 3, Shards: 2, HostOf: own, Offload: server.OffloadOn})
	db := c.open()
	run, stop := context.WithCancel(within(t, patience))
	defer stop()
	var load sync.WaitGroup
	for w := range 4 {
		load.Go(func() {
			key := fmt.Sprint("writer", w)
			for i := 0; run.Err() == nil; i++ {
				want := fmt.Sprint(w, " ", i)
				if err := db.Put(context.WithoutCancel(run), key, []byte(want)); err != nil {
					t.Errorf("put %s: %v", key, err)
					return
				}
				if got, err := db.Get(context.WithoutCancel(run), key); err != nil || string(got) != want {
					t.Errorf("%s is %q and not %q: %v", key, got, want, err)
					return
				}
			}
		})
	}
	for i := range 100 {
		wish := replica.Offloads(i*5) & replica.AllOffloads
		for node := range 3 {
			if err := c.Node(node).SetOffloads(within(t, patience), nil, wish); err != nil {
				t.Errorf("switch to %v: %v", wish, err)
			}
		}
		for _, s := range c.status() {
			if f := &s.Offload; f.On&^wish != 0 || f.Armed && !wish.Has(replica.OffloadAck) {
				t.Errorf("group %d, replica %d: %v is on after the switch to %v", s.Group, s.Replica, f.On, wish)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	load.Wait()
	fast, all := c.entries()
	if fast == 0 || fast == all {
		t.Errorf("%d of %d entries came the fast way: nothing was switched", fast, all)
	}
}

// Nothing of a cluster is left in the kernel when its nodes have stopped.
func TestNothingIsLeftBehind(t *testing.T) {
	c := start(t, local.Config{Nodes: 3, Shards: 2, Offload: server.OffloadOn})
	held, err := heldBy(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	c.Stop()
	if err := nothingLeft(held); err != nil {
		t.Error(err)
	}
}
