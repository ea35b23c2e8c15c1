package server

import (
	"context"
	"fmt"
	"time"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
)

// offloadPatience bounds the wait for a replica to do what it was told; it is longer than a turn by far.
const offloadPatience = 5 * time.Second

// SetOffloads switches the kernel path of a node's replicas, all or those of one group, and returns when they have
// done it. What is switched off is fenced and drained first; clients notice nothing.
func (n *Node) SetOffloads(ctx context.Context, group *shard.ID, wish replica.Offloads) error {
	if n.cfg.Offload == OffloadOff && wish != replica.NoOffloads {
		return ErrOffloadOff
	}
	found := false
	ctx, cancel := context.WithTimeout(ctx, offloadPatience)
	defer cancel()
	for _, s := range n.seats {
		if group != nil && s.Group != *group {
			continue
		}
		found = true
		if err := s.setOffloads(ctx, wish); err != nil {
			return fmt.Errorf("group %d: %w", s.Group, err)
		}
	}
	if !found && group != nil {
		return n.notHere(*group)
	}
	n.cfg.Log.Info("the kernel path is switched", "offloads", wish)
	return nil
}

// setOffloads tells the replica, and waits until what was switched off is.
func (s *seat) setOffloads(ctx context.Context, wish replica.Offloads) error {
	if err := s.loop.Do(ctx, func(r *replica.Replica) { r.SetOffloads(wish) }); err != nil {
		return err
	}
	for {
		done := make(chan bool, 1)
		err := s.loop.Do(ctx, func(r *replica.Replica) {
			f := r.FastPath()
			done <- f.On&^wish == replica.NoOffloads && (wish.Has(replica.OffloadAck) || !f.Armed)
		})
		switch {
		case err != nil:
			return err
		case <-done:
			return nil
		}
	}
}
