package main

import (
	"context"

	"github.com/spf13/cobra"
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

// client is one closed loop's view of a system.
type client interface {
	// Put returns when the value is safe on a majority. It keeps neither slice.
	Put(ctx context.Context, key, value []byte) error
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
	f.IntVar(&o.anode.clients, "anode-clients", 0, "SDK clients that all clients of anode share; 0 gives each its own")
	f.StringVar(&o.anode.program, "anode-program", "", "path of the anode binary; it is built from this tree if none is given")
	f.StringArrayVar(&o.anode.extra, "anode-config", nil, "further lines of anode's configuration file")
}
