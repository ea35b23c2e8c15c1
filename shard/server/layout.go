package server

import (
	"log/slog"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
)

// What an operator is told when the files of nodes do not fit together.

// disagrees tells of a node that has another layout of the cluster. The two form no group together: a key would have two
// owners.
func (n *Node) disagrees(place shard.Seat, other wire.ReplicaID) {
	n.cfg.Log.Error("THE FILES OF TWO NODES DISAGREE about the shards of the cluster, or about the members of a group or their order: "+
		"they take no part in a group together until both are alike; compare shards, replicas, nodes and groups",
		n.peer(place, other)...)
}

// disagreeing names the nodes with which one replica disagrees.
func (n *Node) disagreeing(s *SeatStatus) (names []string) {
	for r, member := range n.cfg.Topology.Groups[s.Group].Members {
		if s.Disagrees[r] {
			names = append(names, member)
		}
	}
	return names
}

// misplaced tells of frames that come from where this node's file does not expect them.
func (n *Node) misplaced(place shard.Seat, who wire.ReplicaID, from wire.Addr) {
	about := append(n.peer(place, who), slog.String("from", from.String()))
	n.cfg.Log.Warn("what another node says comes from elsewhere than it lives by this node's file, and is not believed: "+
		"compare nodes and groups in the files of both, and see from which of its addresses its host sends", about...)
}

// peer names another replica of a group, and its node as this node's file has it.
func (n *Node) peer(place shard.Seat, other wire.ReplicaID) []any {
	about := []any{slog.Uint64("group", uint64(place.Group)), slog.Int("replica", int(other))}
	if int(other) < n.cfg.Topology.Replicas(place.Group) {
		about = append(about, slog.String("other", n.cfg.Topology.Groups[place.Group].Members[other]),
			slog.String("lives", n.addrs[place.Group][other].String()))
	}
	return about
}
