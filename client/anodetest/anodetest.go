package anodetest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
)

const (
	defaultNodes  = 3
	defaultShards = 2
	maxNodes      = 9
	maxShards     = 64
	// patience is for what a sound cluster does in a fraction of it, on a machine that is busy.
	patience = 30 * time.Second
)

// Option changes the cluster that [Start] makes.
type Option func(*local.Config)

// Nodes sets how many nodes there are, 1 or 3 to 9; without it there are 3. Each shard has a replica on three of them.
func Nodes(n int) Option { return func(c *local.Config) { c.Nodes = n } }

// Shards sets how many shards there are, up to 64; without it there are 2, so that transactions cross shards.
func Shards(n int) Option { return func(c *local.Config) { c.Shards = n } }

// Log shows what the nodes say; without it they are silent.
func Log(l *slog.Logger) Option { return func(c *local.Config) { c.Log = l } }

// Cluster runs until the test ends. Its methods may be called by several goroutines.
type Cluster struct {
	mu      sync.Mutex
	cluster *local.Cluster
	nodes   int
}

// Start starts a cluster and stops it when the test and its subtests are over. The test fails if it cannot be
// started. When Start returns the cluster serves.
func Start(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	cfg := local.Config{Nodes: defaultNodes, Shards: defaultShards}
	for _, opt := range opts {
		opt(&cfg)
	}
	if err := check(&cfg); err != nil {
		t.Fatalf("anodetest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cluster, err := local.Start(ctx, cfg)
	if err != nil {
		t.Fatalf("anodetest: start the cluster: %v", err)
	}
	c := &Cluster{cluster: cluster, nodes: cfg.Nodes}
	t.Cleanup(c.stop)
	for i := range c.nodes {
		c.await(t, i)
	}
	return c
}

func check(cfg *local.Config) error {
	switch {
	case cfg.Nodes != 1 && cfg.Nodes < 3 || cfg.Nodes > maxNodes:
		return fmt.Errorf("%d nodes: choose 1, or 3 to %d", cfg.Nodes, maxNodes)
	case cfg.Shards < 1 || cfg.Shards > maxShards:
		return fmt.Errorf("%d shards: choose 1 to %d", cfg.Shards, maxShards)
	}
	return nil
}

// Config is what [client.Open] needs to reach the cluster.
func (c *Cluster) Config() client.Config {
	return client.Config{Servers: c.cluster.Servers(), Key: c.cluster.ClientKey(), Cluster: c.cluster.Topology.Cluster}
}

// Open opens a client, and closes it when the test is over: before the cluster stops.
func (c *Cluster) Open(t testing.TB) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := client.Open(ctx, c.Config())
	if err != nil {
		t.Fatalf("anodetest: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Kill ends a node at once, which loses what it held in memory. Nodes count from 0.
func (c *Cluster) Kill(t testing.TB, node int) {
	t.Helper()
	c.known(t, node)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cluster.Kill(node)
}

// Restart starts a node that was killed, and waits until it has recovered what it held from the others. The test fails
// if it cannot: when more than half of the nodes were killed, nobody remembers.
func (c *Cluster) Restart(t testing.TB, node int) {
	t.Helper()
	c.known(t, node)
	c.mu.Lock()
	c.cluster.Kill(node)
	err := c.cluster.StartNode(context.Background(), node)
	c.mu.Unlock()
	if err != nil {
		t.Fatalf("anodetest: restart node %d: %v", node, err)
	}
	c.await(t, node)
}

// await waits until a node takes part in all its groups.
func (c *Cluster) await(t testing.TB, node int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !c.recovered(ctx, node) {
		if ctx.Err() != nil {
			t.Fatalf("anodetest: node %d does not take part in its groups after %v", node, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *Cluster) recovered(ctx context.Context, node int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cluster.Recovered(ctx, node)
}

func (c *Cluster) known(t testing.TB, node int) {
	t.Helper()
	if node < 0 || node >= c.nodes {
		t.Fatalf("anodetest: there is no node %d: there are nodes 0 to %d", node, c.nodes-1)
	}
}

func (c *Cluster) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cluster.Stop()
}
