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
	return n.switchOffloads(ctx, group, func(replica.Offloads) replica.Offloads { return wish })
}

// DropOffloads switches some offloads off, in the same way; the others stay as they are.
func (n *Node) DropOffloads(ctx context.Context, group *shard.ID, these replica.Offloads) error {
	return n.switchOffloads(ctx, group, func(now replica.Offloads) replica.Offloads { return now &^ these })
}

// switchOffloads asks for each replica's wish what it is to be instead.
func (n *Node) switchOffloads(ctx context.Context, group *shard.ID, instead func(replica.Offloads) replica.Offloads) error {
	found := false
	ctx, cancel := context.WithTimeout(ctx, offloadPatience)
	defer cancel()
	for _, s := range n.seats {
		if group != nil && s.Group != *group {
			continue
		}
		found = true
		wish, err := s.setOffloads(ctx, instead)
		if err != nil {
			return fmt.Errorf("group %d: %w", s.Group, err)
		}
		n.cfg.Log.Info("the kernel path is switched", "group", uint32(s.Group), "offloads", wish)
	}
	if !found && group != nil {
		return n.notHere(*group)
	}
	return nil
}

// setOffloads tells the replica, and waits until what was switched off is.
func (s *seat) setOffloads(ctx context.Context, instead func(replica.Offloads) replica.Offloads) (wish replica.Offloads, err error) {
	wished := make(chan replica.Offloads, 1)
	err = s.loop.Do(ctx, func(r *replica.Replica) {
		wish := instead(r.FastPath().Wish)
		r.SetOffloads(wish)
		wished <- wish
	})
	if err != nil {
		return wish, err
	}
	wish = <-wished
	for {
		done := make(chan bool, 1)
		err := s.loop.Do(ctx, func(r *replica.Replica) {
			f := r.FastPath()
			done <- f.On&^wish == replica.NoOffloads && (wish.Has(replica.OffloadAck) || !f.Armed)
		})
		switch {
		case err != nil:
			return wish, err
		case <-done:
			return wish, nil
		}
	}
}
