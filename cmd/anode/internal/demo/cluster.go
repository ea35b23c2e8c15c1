package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
)

// cluster is a set of nodes in this process. Their promises are kept in memory, and so outlive a node that
// is killed: as a disk would.
type cluster struct {
	topology shard.Topology
	keys     [2][wire.KeySize]byte // of replicas, of clients
	disks    map[shard.Seat]*replica.MemoryDisk
	nodes    []*server.Node // nil while killed
	log      *slog.Logger
}

const (
	firstPort = 20000
	lastPort  = 60000
	// portTries bounds the search for free ports.
	portTries = 50
)

// startCluster starts nodes on free ports of loopback.
func startCluster(ctx context.Context, nodes, shards int, log *slog.Logger) (*cluster, error) {
	keys, err := newKeys()
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		c := &cluster{topology: layOut(nodes, shards, try), keys: keys, disks: map[shard.Seat]*replica.MemoryDisk{}, log: log}
		err := c.start(ctx)
		if err == nil {
			return c, nil
		}
		c.stop()
		if !errors.Is(err, syscall.EADDRINUSE) || try == portTries {
			return nil, err
		}
	}
}

func newKeys() (keys [2][wire.KeySize]byte, err error) {
	for i := range keys {
		if _, err := rand.Read(keys[i][:]); err != nil {
			return keys, fmt.Errorf("draw keys: %w", err)
		}
	}
	return keys, nil
}

// layOut places every group on three nodes, or on all if there are fewer.
func layOut(nodes, shards, try int) shard.Topology {
	t := shard.Topology{Cluster: 1, Map: shard.Map{Version: 1, Shards: uint32(shards)}}
	port := firstPort + try*(lastPort-firstPort)/(portTries+1)
	for i := range nodes {
		t.Nodes = append(t.Nodes, shard.Node{Name: "node" + strconv.Itoa(i+1), Host: "127.0.0.1", Port: uint16(port + i*(shards+1))})
	}
	t.Groups = shard.Place(t.Nodes, shards, min(nodes, 3))
	return t
}

func (c *cluster) start(ctx context.Context) error {
	c.nodes = make([]*server.Node, len(c.topology.Nodes))
	for i := range c.nodes {
		if err := c.startNode(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startNode(ctx context.Context, i int) error {
	name := c.topology.Nodes[i].Name
	n, err := server.Start(ctx, server.Config{
		Topology: c.topology, Name: name, Keys: wire.Keys{Replica: wire.NewKey(c.keys[0]), Client: wire.NewKey(c.keys[1])}, Disks: c.disk, Log: c.log.With("node", name),
	})
	if err != nil {
		return err
	}
	c.nodes[i] = n
	return nil
}

// disk is the memory that stands for a replica's disk. Nodes are started one after another.
func (c *cluster) disk(s shard.Seat) replica.Disk {
	if c.disks[s] == nil {
		c.disks[s] = &replica.MemoryDisk{}
	}
	return c.disks[s]
}

// kill ends a node at once; what it held in memory is gone.
func (c *cluster) kill(i int) {
	c.nodes[i].Stop()
	c.nodes[i] = nil
}

func (c *cluster) stop() {
	for _, n := range c.nodes {
		if n != nil {
			n.Stop()
		}
	}
}

// servers lists one address per node, which is all that a client needs to find the rest.
func (c *cluster) servers() []string {
	var out []string
	for _, n := range c.topology.Nodes {
		out = append(out, net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))))
	}
	return out
}

// views is the sum of all groups' views: every change of a leader adds at least one.
func (c *cluster) views(ctx context.Context) (sum uint64) {
	highest := make([]wire.View, len(c.topology.Groups))
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

// recovered reports whether a node takes part in all its groups again.
func (c *cluster) recovered(ctx context.Context, i int) bool {
	for _, s := range c.nodes[i].Status(ctx) {
		if s.Err != nil || !s.Normal() {
			return false
		}
	}
	return true
}
