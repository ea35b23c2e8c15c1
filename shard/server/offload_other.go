//go:build !linux

package server

import (
	"net/netip"

	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// device and lane stand for what only Linux has; there is never one.
type (
	device struct{ first, up chan struct{} }
	lane   struct{ replica.NoFastPath }
)

func useDevice(wire.Addr, []netip.Addr) (*device, error) { return nil, bpf.Probe() }

func openLane(*device, replica.Config) (*lane, error) { return nil, bpf.Probe() }

func (*device) tell() OffloadState { return OffloadState{} }
func (*device) leave()             {}
func (*lane) tell(*LaneStatus)     {}
func (*lane) close() error         { return nil }
