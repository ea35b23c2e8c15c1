package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
)

// ErrNotHere says that a node carries no replica of a group.
var ErrNotHere = errors.New("no replica of the group is on this node")

// lost tells the operator, who alone can go on from here.
func (n *Node) lost(place shard.Seat, s replica.State) {
	n.cfg.Log.Error("THE GROUP HAS LOST ITS MEMORY: more than half of its replicas have restarted before they could recover. "+
		"It stays closed until an operator decides: start every node that is down, for one that still runs may remember; "+
		"or give up all that the group held, and restore a dump if there is one",
		"group", uint32(place.Group), "replica", place.Replica, "epoch", s.Epoch,
		"command", n.deciding(place.Group))
}

// deciding is the command that accepts the loss of a group.
func (n *Node) deciding(group shard.ID) string {
	command := fmt.Sprintf("anode recover --group %d --accept-data-loss", group)
	switch addr := n.AdminAddr(); addr {
	case DefaultAdmin:
		return command
	case "":
		return command + " --admin HOST:PORT of another node of the group, for this one has no admin endpoint"
	default:
		return command + " --admin " + addr
	}
}

// AcceptLoss gives up all that a group held, so that it forms anew, empty. It is the operator's decision, and
// is refused with paxos.ErrNotLost unless all replicas of the group answer and too many of them are without
// memory for any to recover. Only a replica without memory takes it; any one will do, for it tells the others.
func (n *Node) AcceptLoss(ctx context.Context, group shard.ID) error {
	for _, s := range n.seats {
		if s.Group == group {
			return n.acceptLossAt(ctx, s)
		}
	}
	return n.notHere(group)
}

// notHere tells where to ask instead.
func (n *Node) notHere(group shard.ID) error {
	groups := n.cfg.Topology.Groups
	if int64(group) >= int64(len(groups)) {
		return fmt.Errorf("group %d: %w: the cluster has the groups 0 to %d", group, ErrNotHere, len(groups)-1)
	}
	return fmt.Errorf("group %d: %w: ask %s", group, ErrNotHere, strings.Join(groups[group].Members, ", "))
}

func (n *Node) acceptLossAt(ctx context.Context, s *seat) error {
	// The answer travels through a channel: one that nobody waits for any more must not be written elsewhere.
	answer := make(chan error, 1)
	err := s.loop.Do(ctx, func(r *replica.Replica) { answer <- r.Engine().AcceptLoss(replica.SystemClock{}.Now()) })
	if err == nil {
		err = <-answer
	}
	if err != nil {
		return fmt.Errorf("group %d: %w", s.Group, err)
	}
	n.cfg.Log.Warn("the loss of all that the group held has been accepted, it forms anew", "group", uint32(s.Group))
	return nil
}
