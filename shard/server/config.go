package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
)

// minSessionBound is twice the rest after which a client opens its session anew.
const minSessionBound = time.Minute

// Config is what a node is made from.
type Config struct {
	Topology shard.Topology
	// Name is this node's in the topology.
	Name string
	Keys wire.Keys
	// DataDir holds one promise file per group. It may be empty only when Disks is set.
	DataDir string
	// Disks, if set, replaces the promise files; a demo keeps its promises in memory.
	Disks func(shard.Seat) replica.Disk
	// Timing and Limits of the groups; zero values mean the defaults, which are without leader leases. Timing is the
	// same on all nodes; the length of leases may differ for as long as it is being changed, node by node.
	// Limits.BatchBytes may be 0 by itself: then one op fills one datagram. Limits.KeepBytes is reduced when
	// the node has so many replicas that their logs would take too much together.
	Timing paxos.Timing
	Limits paxos.Limits
	// DoubtBound is how long a transaction may stay prepared before the participants settle it among
	// themselves; 0 means 250 ms.
	DoubtBound time.Duration
	// SessionBound is how long a client may stay silent before its session expires and with it what is
	// kept to answer its retries; 0 means 10 minutes. Clients open a session anew that rested for 30 s.
	SessionBound time.Duration
	// DatagramBytes is the largest datagram into which frames are packed; 0 means what the node's interface
	// sends in one piece.
	DatagramBytes int
	// Offload says whether the replicas use the kernel path, on the interface that has the node's address. It takes
	// privileges; what is attached ends with the node.
	Offload OffloadMode
	// Admin is the endpoint for operators; without an address there is none.
	Admin AdminConfig
	Log   *slog.Logger
}

func (c *Config) setDefaults() error {
	if err := c.Topology.Validate(); err != nil {
		return err
	}
	if _, ok := c.Topology.Node(c.Name); !ok {
		return fmt.Errorf("node %q is not in the topology: add it there, or start this node under one of its names", c.Name)
	}
	if c.Disks == nil && c.DataDir == "" {
		return fmt.Errorf("node %q has no data directory: promises must survive a restart", c.Name)
	}
	if err := checkKeys(c.Keys); err != nil {
		return fmt.Errorf("node %q: %w", c.Name, err)
	}
	if c.Timing == (paxos.Timing{}) {
		c.Timing = paxos.DefaultTiming()
	}
	if c.DoubtBound < 0 || c.SessionBound < 0 || c.SessionBound > 0 && c.SessionBound < minSessionBound {
		return fmt.Errorf("a doubt bound of %v and a session bound of %v: neither may be negative, and the second is at least %v, because clients trust a session that long",
			c.DoubtBound, c.SessionBound, minSessionBound)
	}
	if c.Limits == (paxos.Limits{}) {
		c.Limits = paxos.DefaultLimits()
		c.Limits.BatchBytes = 0
	}
	c.shareLogs()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// checkKeys refuses what would look like a secured node and would hear nobody, or be none.
func checkKeys(k wire.Keys) error {
	switch {
	case k.Open():
		return nil // it is warned of when the node starts
	case k.Replica.Zero() || k.Client.Zero():
		return errors.New("only one of the two keys is set: a node needs the replica key and the client key, or neither")
	case k.Replica == k.Client, k.Replica == k.Also.Client, !k.Also.Replica.Zero() && (k.Also.Replica == k.Client || k.Also.Replica == k.Also.Client):
		return errors.New("a replica key and a client key are the same: a client could speak as a replica")
	}
	return nil
}

// resolve finds the addresses of all replicas, by group and index: those of other groups too, for
// participants of one transaction ask each other. Every host is looked up once.
func resolve(ctx context.Context, t *shard.Topology) ([][]wire.Addr, error) {
	known := map[string]netip.Addr{}
	groups := make([][]wire.Addr, len(t.Groups))
	for g := range groups {
		groups[g] = make([]wire.Addr, t.Replicas(shard.ID(g)))
		for r := range groups[g] {
			host, port, _ := t.Endpoint(shard.Seat{Group: shard.ID(g), Replica: uint16(r)})
			if ip, ok := known[host]; ok {
				groups[g][r] = netip.AddrPortFrom(ip, port)
				continue
			}
			addr, err := resolveHost(ctx, host, port)
			if err != nil {
				return nil, fmt.Errorf("replica %d of group %d: %w", r, g, err)
			}
			known[host], groups[g][r] = addr.Addr(), addr
		}
	}
	return groups, nil
}

func resolveHost(ctx context.Context, host string, port uint16) (wire.Addr, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return wire.Addr{}, fmt.Errorf("host %s: %w", host, err)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), port), nil
}
