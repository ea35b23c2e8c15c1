package server

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// openOffload has the interface of the node's address attached. With OffloadAuto it goes on in the background: clients
// do not wait for it.
func (n *Node) openOffload(ctx, run context.Context) error {
	n.noDevice = OffloadState{Mode: n.cfg.Offload, Settled: true, Why: "offload is off"}
	seats := n.cfg.Topology.Seats(n.cfg.Name)
	if n.cfg.Offload == OffloadOff || len(seats) == 0 {
		return nil
	}
	d, err := n.useDevice(n.addrs[seats[0].Group][seats[0].Replica])
	if err != nil {
		n.noDevice.Why = err.Error()
		if n.cfg.Offload == OffloadOn {
			return fmt.Errorf("%w: %w", ErrOffload, err)
		}
		n.cfg.Log.Warn("the node stays in user space", "why", err)
		return nil
	}
	n.device = d
	n.wg.Go(func() {
		n.announce(run)
		<-run.Done()
		d.leave()
	})
	if n.cfg.Offload != OffloadOn {
		return nil
	}
	select {
	case <-d.first:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s := n.Offload(); s.Rung == "" {
		return fmt.Errorf("%w: %v", ErrOffload, &s)
	}
	return nil
}

// useDevice finds the interface, and who can send something there to prove it.
func (n *Node) useDevice(self wire.Addr) (*device, error) {
	if err := unsafeWithoutKey(n.cfg.Keys, self); err != nil {
		return nil, err
	}
	var peers []netip.Addr
	for _, group := range n.addrs {
		for _, a := range group {
			if a.Addr() != self.Addr() && !slices.Contains(peers, a.Addr()) {
				peers = append(peers, a.Addr())
			}
		}
	}
	return useDevice(self, peers)
}

// announce logs what was attached to the machine, or why nothing was.
func (n *Node) announce(run context.Context) {
	select {
	case <-n.device.first:
	case <-run.Done():
		return
	}
	s := n.Offload()
	if s.Rung == "" {
		for _, f := range s.Failed {
			n.cfg.Log.Warn("a way into the kernel was tried", "device", s.Device, "rung", f.Rung, "why", f.Why)
		}
		n.cfg.Log.Warn("the node stays in user space", "device", s.Device, "why", s.Why, "tried_again", !s.Settled)
		select {
		case <-n.device.up:
			s = n.Offload()
		case <-run.Done():
			return
		}
	}
	for _, f := range s.Failed {
		n.cfg.Log.Info("a better way into the kernel was tried", "device", s.Device, "rung", f.Rung, "why", f.Why)
	}
	n.cfg.Log.Info("programs are attached, the kernel path is open", "device", s.Device, "rung", s.Rung, "no_broadcast", s.NoBroadcast)
}

// openLane gives a replica its part of the kernel path, if there is one.
func (n *Node) openLane(s *seat, cfg replica.Config) (replica.FastPath, error) {
	if n.device == nil {
		return replica.NoFastPath{}, nil
	}
	d, err := n.useDevice(cfg.Peers[cfg.Self])
	if err == nil {
		if s.lane, err = openLane(d, cfg); err == nil {
			return s.lane, nil
		}
		d.leave()
	}
	if n.cfg.Offload == OffloadOn {
		return nil, fmt.Errorf("%w: %w", ErrOffload, err)
	}
	s.noLane = err
	n.cfg.Log.Warn("the replica stays in user space", "group", uint32(s.Group), "why", err)
	return replica.NoFastPath{}, nil
}

// closeLane takes the replica's part out of the kernel. The replica has ended.
func (n *Node) closeLane(s *seat) {
	if s.lane == nil {
		return
	}
	if err := s.lane.close(); err != nil {
		n.cfg.Log.Error("the replica's slot could not be removed, it ends with the process", "group", uint32(s.Group), "error", err)
	}
}

// Offload tells how far the node has come into the kernel.
func (n *Node) Offload() OffloadState {
	if n.device == nil {
		return n.noDevice
	}
	s := n.device.tell()
	s.Mode = n.cfg.Offload
	return s
}

// AwaitOffload waits until the ways into the kernel were tried once, and tells how far the node has come.
func (n *Node) AwaitOffload(ctx context.Context) OffloadState {
	if n.device != nil {
		select {
		case <-n.device.first:
		case <-ctx.Done():
		}
	}
	return n.Offload()
}

// lookAtLane adds what the kernel does. It is called in the replica's goroutine.
func (s *seat) lookAtLane(r *replica.Replica) (out LaneStatus) {
	out.FastStats = r.FastPath()
	if s.noLane != nil {
		out.Why = s.noLane.Error()
	}
	if s.lane != nil {
		s.lane.tell(&out)
	}
	return out
}
