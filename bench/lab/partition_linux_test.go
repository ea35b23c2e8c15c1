package lab

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/server"
)

// entries are those that reached a follower by any way, and by the programs alone.
func (c *cluster) entries(i int) (all, fast uint64) {
	o := c.replica(i).Offload
	return o.Fast + o.Claimed + o.Plain, o.Fast
}

func (c *cluster) puts(db *client.Client, n int) {
	c.tb.Helper()
	for i := range n {
		c.must(db.Put(c.within(), fmt.Sprint("key", i), []byte("value")))
	}
}

// What is cut is hidden from the kernel path too, whichever way it is cut; what only a node's own firewall drops is not.
// When it is healed the node is brought up to date, and the kernel path acknowledges for it again.
func TestTheKernelPathDoesNotSeeThroughACut(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOn})
	db := c.open()
	leader, f := c.roles()
	l, n := c.Nodes()[leader].Name, c.Nodes()[f].Name
	for _, way := range []struct {
		name  string
		cut   func(context.Context) error
		hears bool
	}{
		{"cut off", func(ctx context.Context) error { return c.CutOff(ctx, n) }, false},
		{"one way", func(ctx context.Context) error { return c.Cut(ctx, []string{l}, []string{n}) }, false},
		{"unplugged", func(ctx context.Context) error { return c.Unplug(ctx, n) }, false},
		{"deaf", func(ctx context.Context) error { return c.Deafen(ctx, n) }, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			c.eventually("the kernel acknowledges", func() bool {
				_, before := c.entries(f)
				c.puts(db, 1)
				time.Sleep(5 * time.Millisecond)
				_, after := c.entries(f)
				return after > before
			})
			c.must(way.cut(c.within()))
			before, fast := c.entries(f)
			c.puts(db, 20)
			after, faster := c.entries(f)
			if way.hears != (faster > fast) || !way.hears && after != before {
				t.Errorf("%d entries more reached it, %d of them the fast way", after-before, faster-fast)
			}
			c.must(c.Heal(c.within()))
			want := c.replica(leader).Log.Chosen
			c.eventually("it is brought up to date", func() bool { return c.replica(f).Log.Chosen >= want })
		})
		leader, f = c.roles()
		l, n = c.Nodes()[leader].Name, c.Nodes()[f].Name
	}
}

// turns counts how often what is cut changes, until the context ends.
func (c *cluster) turns(ctx context.Context, n *atomic.Int32) {
	for was := false; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		split := len(c.cuts) > 0
		c.mu.Unlock()
		if split != was {
			was = split
			n.Add(1)
		}
	}
}

// What comes to a deaf node by UDP its processes do not hear, until that is undone.
func TestTheDeafHearNothing(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOff})
	s := newShooting(c, "n0")
	c.must(c.Deafen(c.within(), "n0"))
	if got := s.volley(strayKind); len(got) != 0 {
		t.Errorf("%d of %d are heard", len(got), stray)
	}
	c.must(c.Undeafen(c.within(), "n0"))
	if got := s.volley(strayKind); len(got) != stray {
		t.Errorf("%d of %d are heard by who is not deaf any more", len(got), stray)
	}
	// With kinds it hears nothing of these, and all else.
	c.must(c.Deafen(c.within(), "n0", wire.KindAccepted, strayKind))
	if got := s.volley(strayKind); len(got) != 0 {
		t.Errorf("%d of %d of a kind are heard by who is deaf to it", len(got), stray)
	}
	if got := s.volley(wire.KindEcho); len(got) != stray {
		t.Errorf("%d of %d of another kind are heard by who is deaf to some", len(got), stray)
	}
	if err := c.Deafen(c.within(), Clients); !errors.Is(err, ErrConfig) {
		t.Errorf("the clients are deaf: %v", err)
	}
}

// A split has a side that goes on and one that cannot; a flapping wire leaves the cluster in order.
func TestSplitAndFlap(t *testing.T) {
	c := start(t, Config{Replicas: 5, Offload: server.OffloadOn})
	db := c.open()
	c.puts(db, 1)
	few, many := []string{"n0", "n1"}, []string{"n2", "n3", "n4"}
	c.must(c.Split(c.within(), few, many))
	c.puts(db, 5) // there is a leader among the many, whoever led before
	if leader, _ := c.roles(); leader < 2 && c.replica(leader).Serving {
		t.Errorf("node %d serves without a majority", leader)
	}
	c.must(c.CutOff(c.within(), "n4")) // nobody has a majority now
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := db.Put(short, "lonely", nil); err == nil {
		t.Error("a put succeeds without a majority")
	}
	c.must(c.Heal(c.within()))
	c.puts(db, 5)
	flapping, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Flap(flapping, few, many, 30*time.Millisecond) }()
	var turns atomic.Int32
	go c.turns(flapping, &turns)
	c.eventually("the two sides are split and joined, and puts go on", func() bool {
		c.puts(db, 20)
		return turns.Load() >= 6
	})
	stop()
	c.must(<-done)
	c.must(c.Await(c.within()))
	if err := c.CutOff(c.within(), "n9"); !errors.Is(err, ErrConfig) {
		t.Errorf("a node that there is not is cut off: %v", err)
	}
}
