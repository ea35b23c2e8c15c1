package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"strconv"
	"syscall"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
)

// Config says what cluster to start.
type Config struct {
	// Nodes is how many; each group is placed on three of them, or on all if there are fewer.
	Nodes, Shards int
	// Host and Port are where the first node listens; the others use the ports above. Port 0 stands for free
	// ports anywhere, Host "" for 127.0.0.1.
	Host string
	Port int
	// HostOf, if set, gives each node a host of its own.
	HostOf func(node int) string
	// Offload says whether the nodes use the kernel path.
	Offload server.OffloadMode
	// Admin is the admin address of each node, by its index; nil is none.
	Admin func(node int) string
	// Keys of the cluster; unless Open says that there are none, the zero Keys are drawn by chance.
	Keys Keys
	Open bool
	// Log takes what the nodes say; nil discards it.
	Log *slog.Logger
}

// Keys are the two keys of a cluster, as bytes.
type Keys struct{ Replica, Client [wire.KeySize]byte }

// Cluster is a set of nodes in this process. Their promises are kept in memory, and so outlive a node that
// is killed: as a disk would. Its methods are for one goroutine.
type Cluster struct {
	Topology shard.Topology

	cfg   Config
	disks map[shard.Seat]*replica.MemoryDisk
	nodes []*server.Node // nil while killed
}

const (
	// firstPort and lastPort are above the ports of services and below those that systems give to clients.
	firstPort = 20000
	lastPort  = 32000
	// portTries bounds the search for free ports.
	portTries = 50
)

// Start starts a cluster. It does not wait until all groups have a leader: clients do.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if err := cfg.drawKeys(); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		c := &Cluster{cfg: cfg, Topology: cfg.layOut(), disks: map[shard.Seat]*replica.MemoryDisk{}}
		err := c.start(ctx)
		if err == nil {
			return c, nil
		}
		c.Stop()
		if cfg.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) || try == portTries {
			return nil, err
		}
	}
}

func (cfg *Config) drawKeys() error {
	if cfg.Open || cfg.Keys != (Keys{}) {
		return nil
	}
	for _, key := range []*[wire.KeySize]byte{&cfg.Keys.Replica, &cfg.Keys.Client} {
		if _, err := rand.Read(key[:]); err != nil {
			return fmt.Errorf("draw keys: %w", err)
		}
	}
	return nil
}

// Ports is how many ports in a row the cluster takes.
func (cfg *Config) Ports() int { return cfg.Nodes * (cfg.Shards + 1) }

// layOut places every group on three nodes, or on all if there are fewer.
func (cfg *Config) layOut() shard.Topology {
	t := shard.Topology{Cluster: 1, Map: shard.Map{Version: 1, Shards: uint32(cfg.Shards)}}
	port := cfg.Port
	if port == 0 {
		port = firstPort + mrand.IntN(max(1, lastPort-firstPort-cfg.Ports()))
	}
	for i := range cfg.Nodes {
		host := cfg.Host
		if cfg.HostOf != nil {
			host = cfg.HostOf(i)
		}
		t.Nodes = append(t.Nodes, shard.Node{Name: "node" + strconv.Itoa(i+1), Host: host, Port: uint16(port + i*(cfg.Shards+1))})
	}
	t.Groups = shard.Place(t.Nodes, cfg.Shards, min(cfg.Nodes, 3))
	return t
}

func (c *Cluster) start(ctx context.Context) error {
	c.nodes = make([]*server.Node, len(c.Topology.Nodes))
	for i := range c.nodes {
		if err := c.StartNode(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// StartNode starts a node that was killed.
func (c *Cluster) StartNode(ctx context.Context, i int) error {
	cfg := server.Config{Topology: c.Topology, Name: c.Topology.Nodes[i].Name, Disks: c.disk, Offload: c.cfg.Offload}
	if !c.cfg.Open {
		cfg.Keys = wire.Keys{Replica: wire.NewKey(c.cfg.Keys.Replica), Client: wire.NewKey(c.cfg.Keys.Client)}
	}
	if c.cfg.Admin != nil {
		cfg.Admin.Addr = c.cfg.Admin(i)
	}
	cfg.Log = c.cfg.Log.With("node", cfg.Name)
	n, err := server.Start(ctx, cfg)
	if err != nil {
		return err
	}
	c.nodes[i] = n
	return nil
}

// disk is the memory that stands for a replica's disk. Nodes are started one after another.
func (c *Cluster) disk(s shard.Seat) replica.Disk {
	if c.disks[s] == nil {
		c.disks[s] = &replica.MemoryDisk{}
	}
	return c.disks[s]
}

// Kill ends a node at once; what it held in memory is gone.
func (c *Cluster) Kill(i int) {
	if c.nodes[i] != nil {
		c.nodes[i].Stop()
		c.nodes[i] = nil
	}
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	for i := range c.nodes {
		c.Kill(i)
	}
}

// Offload tells how far the nodes have come into the kernel, when that is known: they are alike, being in one process.
func (c *Cluster) Offload(ctx context.Context) string {
	for _, n := range c.nodes {
		if n != nil {
			s := n.AwaitOffload(ctx)
			return s.String()
		}
	}
	return "no node runs"
}

// Node is a node that runs, or nil.
func (c *Cluster) Node(i int) *server.Node { return c.nodes[i] }

// Servers lists one address per node; a client needs any of them to find the rest.
func (c *Cluster) Servers() []string {
	var out []string
	for _, n := range c.Topology.Nodes {
		out = append(out, net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))))
	}
	return out
}

// ClientKey is what clients are given; nil if the cluster is open.
func (c *Cluster) ClientKey() []byte {
	if c.cfg.Open {
		return nil
	}
	return append([]byte(nil), c.cfg.Keys.Client[:]...)
}

// Views is the sum of all groups' views: every change of a leader adds at least one.
func (c *Cluster) Views(ctx context.Context) (sum uint64) {
	highest := make([]wire.View, len(c.Topology.Groups))
	for _, n := range c.nodes {
		if n == nil {
			continue
		}
		for _, s := range n.Status(ctx) {
			highest[s.Group] = max(highest[s.Group], s.LastNormal)
		}
	}
	for _, v := range highest {
		sum += uint64(v)
	}
	return sum
}

// Recovered reports whether a node runs and takes part in all its groups.
func (c *Cluster) Recovered(ctx context.Context, i int) bool {
	if c.nodes[i] == nil {
		return false
	}
	for _, s := range c.nodes[i].Status(ctx) {
		if s.Err != nil || !s.Normal() {
			return false
		}
	}
	return true
}
