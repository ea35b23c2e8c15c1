// Package shard says where keys live: which shard owns a key ([Map]), and which nodes carry the replicas
// of each shard's group ([Topology]). It is pure, and imports nothing else of anode.
//
// A shard and the group that holds its data carry the same number. Groups are numbered from 0, and the
// replica of group g on a node listens at the node's base port + g, so that an address follows from the
// topology alone.
package shard
