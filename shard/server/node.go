package server

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/txn/twopc"
)

// Node is a running server process, or the part of one that a demo or a test runs.
type Node struct {
	cfg   Config
	door  *door
	admin *admin        // nil if there is none
	addrs [][]wire.Addr // of all replicas, by group and index
	seats []*seat
	// device is the interface that carries the kernel path, nil if there is none: then noDevice says why.
	device   *device
	noDevice OffloadState
	stop     context.CancelFunc
	wg       sync.WaitGroup

	clockTold clockTold
}

// seat is one replica of the node.
type seat struct {
	shard.Seat
	loop   *replica.Loop
	lane   *lane // nil if it has no part of the kernel: then noLane says why, if it should
	noLane error
	done   chan struct{}
	err    error // set before done is closed
}

// Start starts a node: all its replicas, or none.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if cfg.Keys.Open() {
		cfg.Log.Warn("no keys are configured: whoever reaches the ports of this node can read, write and break the cluster")
	}
	if cfg.Disks == nil {
		if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
		cfg.Disks = func(s shard.Seat) replica.Disk {
			return replica.PromiseFile{Path: filepath.Join(cfg.DataDir, fmt.Sprintf("promise-%d", s.Group))}
		}
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	n := &Node{cfg: cfg, stop: stop}
	if err := n.openDoor(ctx, run); err != nil {
		n.Stop()
		return nil, fmt.Errorf("node %s: %w", cfg.Name, err)
	}
	if err := n.openAdmin(ctx, run); err != nil {
		n.Stop()
		return nil, fmt.Errorf("node %s: %w", cfg.Name, err)
	}
	var err error
	if n.addrs, err = resolve(ctx, &cfg.Topology); err != nil {
		n.Stop()
		return nil, fmt.Errorf("node %s: %w", cfg.Name, err)
	}
	if err := n.openOffload(ctx, run); err != nil {
		n.Stop()
		return nil, fmt.Errorf("node %s: %w", cfg.Name, err)
	}
	for _, place := range cfg.Topology.Seats(cfg.Name) {
		if err := n.startSeat(run, place); err != nil {
			n.Stop()
			return nil, fmt.Errorf("node %s, group %d: %w", cfg.Name, place.Group, err)
		}
	}
	n.admin.open()
	return n, nil
}

func (n *Node) startSeat(run context.Context, place shard.Seat) error {
	conn, err := transport.Listen(n.addrs[place.Group][place.Replica], transport.Options{DatagramBytes: n.cfg.DatagramBytes})
	if err != nil {
		return err
	}
	s := &seat{Seat: place, done: make(chan struct{})}
	r, err := n.newReplica(s)
	if err != nil {
		_ = conn.Close()
		return err
	}
	s.loop = replica.NewLoop(r, conn, replica.SystemClock{})
	n.seats = append(n.seats, s)
	n.wg.Go(func() {
		defer close(s.done)
		s.err = s.loop.Run(run)
		n.closeLane(s)
		if s.err != nil {
			// A replica that cannot go on takes its node down, where an operator sees it.
			n.cfg.Log.Error("a replica cannot go on, the node stops", "group", place.Group, "replica", place.Replica, "error", s.err)
			n.stop()
		}
	})
	return nil
}

func (n *Node) newReplica(s *seat) (*replica.Replica, error) {
	place, disk := s.Seat, n.cfg.Disks(s.Seat)
	newEngine := func() (replica.Engine, error) { return n.newEngine(place, disk) }
	engine, err := newEngine()
	if err != nil {
		return nil, err
	}
	cfg := replica.Config{
		Cluster: wire.ClusterID(n.cfg.Topology.Cluster), Group: wire.GroupID(place.Group), Self: wire.ReplicaID(place.Replica),
		Peers: n.addrs[place.Group], Groups: n.addrs, Keys: n.cfg.Keys, DatagramBytes: n.cfg.DatagramBytes,
		Rebirth: newEngine, Lost: func(s replica.State) { n.lost(place, s) },
		Disagrees: func(other wire.ReplicaID) { n.disagrees(place, other) },
		Misplaced: func(who wire.ReplicaID, from wire.Addr) { n.misplaced(place, who, from) },
		ClockSet:  n.clockSet,
		Offloads:  n.cfg.Offload.offloaded(), Clock: replica.SystemClock{},
	}
	fast, err := n.openLane(s, cfg)
	if err != nil {
		return nil, err
	}
	return replica.New(cfg, engine, disk, fast), nil
}

// newEngine begins a life of a replica from what its disk says.
func (n *Node) newEngine(place shard.Seat, disk replica.Disk) (replica.Engine, error) {
	cluster, group, self := wire.ClusterID(n.cfg.Topology.Cluster), wire.GroupID(place.Group), wire.ReplicaID(place.Replica)
	promise, err := replica.Boot(disk, cluster, group, self)
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("random seed: %w", err)
	}
	core, err := paxos.New(paxos.Config{
		Cluster: cluster, Group: group, Self: self, Replicas: len(n.addrs[group]), Timing: n.cfg.Timing, Limits: n.cfg.Limits,
		Layout: n.cfg.Topology.Digest(), Rand: rand.New(rand.NewSource(int64(binary.LittleEndian.Uint64(seed[:])))),
	}, promise, replica.SystemClock{}.Now().Now)
	if err != nil {
		return nil, err
	}
	n.cfg.Log.Info("replica starts", "group", group, "replica", self, "incarnation", promise.Incarnation,
		"status", core.State().Status, "epoch", promise.Charter.Epoch)
	participant := twopc.NewParticipant(twopc.ParticipantConfig{
		Group: group, Map: n.cfg.Topology.Map, Replicas: func(g wire.GroupID) int { return n.cfg.Topology.Replicas(shard.ID(g)) },
		Rand:       randv2.New(randv2.NewPCG(binary.LittleEndian.Uint64(seed[:]), 0)),
		DoubtBound: wire.Duration(n.cfg.DoubtBound), SessionBound: wire.Duration(n.cfg.SessionBound),
	})
	return replica.NewMultiPaxos(core, participant), nil
}

// Stop stops all replicas at once and waits until they have stopped. Nothing is handed over: to the other
// nodes it looks like a crash, which they are made for.
func (n *Node) Stop() {
	n.stop()
	n.wg.Wait()
}

// Wait waits until the node has stopped. It returns why, or nil if it was told to.
func (n *Node) Wait() error {
	n.wg.Wait()
	var errs []error
	for _, s := range n.seats {
		errs = append(errs, s.err)
	}
	return errors.Join(errs...)
}
