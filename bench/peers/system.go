package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/runner"
)

// system is something that can be measured.
type system interface {
	Name() string
	// Start brings the servers up and returns when they take puts.
	Start(ctx context.Context) error
	// Client makes a client for one goroutine of the load.
	Client(ctx context.Context) (client, error)
	// Stop ends all that Start began. It may be called after a failed Start.
	Stop()
}

// client is one closed loop's view of a system. What it writes is safe on a majority when it returns, what it only reads
// is linearizable, and what it reads and writes is one transaction.
type client interface {
	runner.Store
	Close() error
}

// systems are all that can be compared, by name.
func systems(o options) []system {
	return []system{newRaftSystem(o.raft), newAnodeSystem(o.anode)}
}

// options of all systems.
type options struct {
	raft  raftOptions
	anode anodeOptions
}

func (o *options) flags(cmd *cobra.Command) {
	o.raft.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&o.anode.shards, "anode-shards", 1, "shards of anode")
	f.IntVar(&o.anode.clients, "anode-clients", 1, "SDK clients that all clients of anode share; 0 gives each its own")
	f.StringVar(&o.anode.program, "anode-program", "", "path of the anode binary; it is built from this tree if none is given")
	f.StringArrayVar(&o.anode.extra, "anode-config", nil, "further lines of anode's configuration file")
}
