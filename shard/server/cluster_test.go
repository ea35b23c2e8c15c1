package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// patience is for what happens within milliseconds on a machine that is not busy with other tests.
const patience = 30 * time.Second

var (
	replicaKey = [wire.KeySize]byte{1, 2, 3}
	clientKey  = [wire.KeySize]byte{4, 5, 6}
	bothKeys   = wire.Keys{Replica: wire.NewKey(replicaKey), Client: wire.NewKey(clientKey)}
)

// patientTiming keeps the first leaders in office on a machine that is busy with other tests. Where a test
// wants them replaced it still does not wait for long.
func patientTiming() paxos.Timing {
	t := paxos.DefaultTiming()
	t.Election = 800 * wire.Millisecond
	return t
}

// cluster is a set of nodes with promise files, on a loopback address of its own:
//
//	127.x.y.z:12000  door of n0      127.x.y.z:12100  door of n1      ...
//	127.x.y.z:12001  group 0 on n0   127.x.y.z:12101  group 0 on n1
type cluster struct {
	tb       testing.TB
	topology shard.Topology
	keys     wire.Keys
	dir      string
	nodes    map[string]*server.Node
}

// layOut places groups on nodes. All of 127.0.0.0/8 is loopback: an address drawn at random keeps clusters of
// other tests and processes away.
func layOut(nodes, groups, replicas int) shard.Topology {
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	t := shard.Topology{Cluster: 1 + rand.Uint64N(1<<60), Map: shard.Map{Version: 1, Shards: uint32(groups)}}
	for i := range nodes {
		t.Nodes = append(t.Nodes, shard.Node{Name: "n" + strconv.Itoa(i), Host: host, Port: uint16(12000 + 100*i)})
	}
	t.Groups = shard.Place(t.Nodes, groups, replicas)
	return t
}

func newCluster(tb testing.TB, t shard.Topology, keys wire.Keys) *cluster {
	c := &cluster{tb: tb, topology: t, keys: keys, dir: tb.TempDir(), nodes: map[string]*server.Node{}}
	tb.Cleanup(func() {
		for name := range c.nodes {
			c.stop(name)
		}
	})
	return c
}

// startCluster starts all nodes of a new cluster.
func startCluster(tb testing.TB, t shard.Topology, keys wire.Keys) *cluster {
	tb.Helper()
	c := newCluster(tb, t, keys)
	for _, n := range t.Nodes {
		c.start(n.Name)
	}
	return c
}

func (c *cluster) config(name string) server.Config {
	return server.Config{
		Topology: c.topology, Name: name, Keys: c.keys, DataDir: filepath.Join(c.dir, name), Timing: patientTiming(),
	}
}

func (c *cluster) start(name string) *server.Node {
	c.tb.Helper()
	n, err := server.Start(context.Background(), c.config(name))
	if err != nil {
		c.tb.Fatal(err)
	}
	c.nodes[name] = n
	return n
}

func (c *cluster) stop(name string) {
	c.nodes[name].Stop()
	delete(c.nodes, name)
}

func (c *cluster) servers() (out []string) {
	for _, n := range c.topology.Nodes {
		out = append(out, net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))))
	}
	return out
}

// open returns a client with the cluster's key.
func (c *cluster) open() *client.Client {
	c.tb.Helper()
	cfg := client.Config{Servers: c.servers(), Cluster: c.topology.Cluster}
	if !c.keys.Open() {
		cfg.Key = clientKey[:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := client.Open(ctx, cfg)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() { db.Close() })
	return db
}

// status looks into one replica.
func (c *cluster) status(name string, g shard.ID) server.SeatStatus {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, s := range c.nodes[name].Status(ctx) {
		if s.Group == g {
			return s
		}
	}
	c.tb.Fatalf("node %s has no replica of group %d", name, g)
	return server.SeatStatus{}
}

// leader waits for the node whose replica serves a group.
func (c *cluster) leader(g shard.ID) string {
	c.tb.Helper()
	var name string
	c.eventually(fmt.Sprintf("group %d has a leader that serves", g), func() bool {
		for _, member := range c.topology.Groups[g].Members {
			if c.nodes[member] != nil && c.status(member, g).Role.Serving {
				name = member
				return true
			}
		}
		return false
	})
	return name
}

// recovered waits until a node takes part in all its groups.
func (c *cluster) recovered(name string) {
	c.tb.Helper()
	c.eventually(name+" takes part in all its groups", func() bool {
		for _, seat := range c.topology.Seats(name) {
			if s := c.status(name, seat.Group); !s.Normal() {
				return false
			}
		}
		return true
	})
}

func (c *cluster) eventually(what string, ok func() bool) {
	c.tb.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			c.tb.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// keyIn finds a key that a shard owns.
func keyIn(t shard.Topology, g shard.ID, prefix string) string {
	for i := 0; ; i++ {
		if key := prefix + strconv.Itoa(i); t.Map.Of([]byte(key)) == g {
			return key
		}
	}
}

func within(tb testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	tb.Cleanup(cancel)
	return ctx
}
