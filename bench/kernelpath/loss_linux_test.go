package kernelpath

import (
	"errors"
	"fmt"
	"testing"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard/server"
)

// A group is lost and its loss accepted: in its new epoch, in which no op fits a word as it is, the kernel path does its
// share as before, in all its parts. A node that is then killed and started recovers into it.
func TestALostGroupComesBackToTheFastWay(t *testing.T) {
	const n = 1000
	c := start(t, local.Config{Nodes: 3, Shards: 1, HostOf: own, Offload: server.OffloadOn})
	c.putFast(n)
	for range 2 {
		c.loseAndAccept()
		if _, err := c.open().Get(within(t, patience), "key0"); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("a value of a life that was given up: %v", err)
		}
		c.putFast(n)
	}
	c.Kill(0)
	c.putFast(n)
	if err := c.StartNode(within(t, patience), 0); err != nil {
		t.Fatal(err)
	}
	c.eventually("the node has recovered", func() bool { return c.Recovered(within(t, patience), 0) })
	c.putFast(n)
	for _, s := range c.status() {
		if f := &s.Offload; s.Epoch != 2 || f.Why != "" || f.FastStats.Why != nil || f.Refused > 0 || !f.Armed && !f.Leads {
			t.Errorf("in epoch %d, replica %d: %+v", s.Epoch, s.Replica, f)
		}
		if f := &s.Offload; f.Leads && (f.Counted == 0 || f.Unicasts > f.Broadcasts/20) {
			t.Errorf("the leader has counted %d acknowledgements, and copied %d entries of %d", f.Counted, f.Broadcasts, f.Broadcasts+f.Unicasts)
		}
	}
}

// loseAndAccept takes the memory of all nodes at once, and gives up what the group held.
func (c *cluster) loseAndAccept() {
	c.tb.Helper()
	c.Stop()
	for i := range c.n {
		if err := c.StartNode(within(c.tb, patience), i); err != nil {
			c.tb.Fatal(err)
		}
	}
	var err error
	c.eventually("the loss is accepted", func() bool {
		err = c.Node(0).AcceptLoss(within(c.tb, patience), 0)
		return err == nil
	})
	for i := range c.n {
		c.eventually(fmt.Sprintf("node %d takes part", i), func() bool { return c.Recovered(within(c.tb, patience), i) })
	}
}

// putFast puts n keys, and demands that followers store their entries in the kernel.
func (c *cluster) putFast(n int) {
	c.tb.Helper()
	db := c.open()
	beforeFast, before := c.entries()
	for i := range n {
		if err := db.Put(within(c.tb, patience), fmt.Sprint("key", i), []byte(fmt.Sprint(i))); err != nil {
			c.tb.Fatal(err)
		}
	}
	var fast, all uint64
	c.eventually("followers have taken over what their kernels stored", func() bool {
		fast, all = c.entries()
		fast, all = fast-beforeFast, all-before
		return all >= uint64(n)
	})
	if float64(fast) < 0.95*float64(all) {
		c.tb.Errorf("%d of %d entries came the fast way", fast, all)
		c.show()
	}
	for i := range n {
		v, err := db.Get(within(c.tb, patience), fmt.Sprint("key", i))
		if err != nil || string(v) != fmt.Sprint(i) {
			c.tb.Fatalf("key%d is %q, %v", i, v, err)
		}
	}
}
