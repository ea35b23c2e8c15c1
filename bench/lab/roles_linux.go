package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// Roles are the node that leads a group and serves, and those that follow there, as they are when there is one. Nodes that
// do not answer within a second are none of them.
func (l *Lab) Roles(ctx context.Context, group shard.ID) (leader int, followers []int, err error) {
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		leader, followers = -1, nil
		for i := range l.Nodes() {
			switch r := l.Replica(ctx, i, group); {
			case r == nil:
			case r.Leads && r.Serving:
				leader = i
			default:
				followers = append(followers, i)
			}
		}
		if leader >= 0 {
			return leader, followers, nil
		}
	}
	return -1, nil, fmt.Errorf("group %d has no leader: %w", group, ctx.Err())
}

// Replica is what a node says of its replica of a group; nil if it has none or does not answer within a second.
func (l *Lab) Replica(ctx context.Context, i int, group shard.ID) *server.ReplicaStatus {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := l.Status(ctx, i)
	if err != nil {
		return nil
	}
	for k := range s.Replicas {
		if r := &s.Replicas[k]; r.Group == group && r.Error == "" {
			return r
		}
	}
	return nil
}
