package kernelpath

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard/server"
)

// patience is for what happens within milliseconds on a machine that has nothing else to do.
const patience = 60 * time.Second

var loopbackUp = sync.OnceValue(func() error {
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return nil
})

// cluster is a cluster in this process, on the loopback of the namespace.
type cluster struct {
	*local.Cluster
	tb testing.TB
	n  int
}

func start(tb testing.TB, cfg local.Config) *cluster {
	tb.Helper()
	if err := loopbackUp(); err != nil {
		tb.Fatal(err)
	}
	cfg.Log = slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c, err := local.Start(within(tb, patience), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Stop)
	k := &cluster{Cluster: c, tb: tb, n: cfg.Nodes}
	for i := range cfg.Nodes {
		k.eventually(fmt.Sprintf("node %d takes part", i), func() bool { return c.Recovered(within(tb, patience), i) })
		if cfg.Offload != server.OffloadOff {
			if s := c.Node(i).AwaitOffload(within(tb, patience)); s.Rung != "tcx" {
				tb.Fatalf("node %d: %v", i, &s)
			}
		}
	}
	return k
}

// own gives each node an address of its own.
func own(i int) string { return fmt.Sprintf("127.0.0.%d", 11+i) }

func (c *cluster) open() *client.Client {
	c.tb.Helper()
	db, err := client.Open(within(c.tb, patience), client.Config{Servers: c.Servers(), Key: c.ClientKey(), Cluster: c.Topology.Cluster})
	if err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() { db.Close() })
	return db
}

func (c *cluster) eventually(what string, ok func() bool) {
	c.tb.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.tb.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// status is that of all replicas that run.
func (c *cluster) status() (all []server.SeatStatus) {
	for i := range c.n {
		if node := c.Node(i); node != nil {
			all = append(all, node.Status(within(c.tb, patience))...)
		}
	}
	return all
}

// entries counts those of all followers, by the way on which they came.
func (c *cluster) entries() (fast, all uint64) {
	for _, s := range c.status() {
		if s.Err == nil {
			fast += s.Offload.Stored
			all += s.Offload.Stored + s.Offload.Claimed + s.Offload.Plain
		}
	}
	return fast, all
}

// show logs what the kernel did for whom.
func (c *cluster) show() {
	for _, s := range c.status() {
		c.tb.Logf("group %d, replica %d: %+v", s.Group, s.Replica, s.Offload)
	}
}

func within(tb testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	tb.Cleanup(cancel)
	return ctx
}
