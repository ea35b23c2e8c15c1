package torture

import (
	"context"
	"fmt"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/shard/server"
)

const (
	// restTime is what a healed cluster has to come to rest.
	restTime = 60 * time.Second
	// hashTime is what the nodes have to tell the hashes of their states.
	hashTime = 10 * time.Second
)

// rest waits until a healed cluster without a load has come to rest: every replica takes part, each group has a leader that
// serves, nothing is prepared or waiting, and all replicas of a group hold the same state at the same op.
func rest(ctx context.Context, l *lab.Lab) error {
	why := "nobody was asked"
	for until := time.Now().Add(restTime); time.Now().Before(until) && ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		all, err := hashes(ctx, l)
		if err != nil {
			why = err.Error()
		} else if why = unrest(all); why == "" {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("no rest %v after everything was healed: %s", restTime, why)
}

// hashes are the states of all nodes with their hashes.
func hashes(ctx context.Context, l *lab.Lab) ([]*server.NodeStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, hashTime)
	defer cancel()
	all := make([]*server.NodeStatus, len(l.Nodes()))
	for i, n := range l.Nodes() {
		s, err := l.Status(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		all[i] = s
	}
	return all, nil
}

// unrest says what has not come to rest.
func unrest(all []*server.NodeStatus) string {
	serving, first := map[int]bool{}, map[int]*server.ReplicaStatus{}
	for _, s := range all {
		for i := range s.Replicas {
			r := &s.Replicas[i]
			g, t := int(r.Group), &r.Transactions
			name := fmt.Sprintf("node %s, group %d", s.Node, g)
			switch {
			case r.Error != "":
				return name + ": " + r.Error
			case r.Status != "normal":
				return name + ": it is " + r.Status
			case t.Prepared+t.Waiting+t.InFlight+t.Doubts+t.Undecidable > 0:
				return fmt.Sprintf("%s: %d transactions are prepared, %d wait, %d are in flight, %d in doubt, %d undecidable",
					name, t.Prepared, t.Waiting, t.InFlight, t.Doubts, t.Undecidable)
			case first[g] == nil:
				first[g] = r
			case first[g].Log.Applied != r.Log.Applied:
				return fmt.Sprintf("%s: it has applied %d, and another %d", name, r.Log.Applied, first[g].Log.Applied)
			case first[g].Hash != r.Hash:
				return fmt.Sprintf("%s: at op %d its state has the hash %s, and another's %s", name, r.Log.Applied, r.Hash, first[g].Hash)
			}
			serving[g] = serving[g] || r.Serving
		}
	}
	for g := range first {
		if !serving[g] {
			return fmt.Sprintf("group %d: nobody serves", g)
		}
	}
	return ""
}

// wrong says what no run may bring about, whatever happened.
func wrong(all []*server.NodeStatus) (failures []string) {
	for _, s := range all {
		for i := range s.Replicas {
			r := &s.Replicas[i]
			if r.Transactions.Alarms > 0 {
				failures = append(failures, fmt.Sprintf("node %s, group %d: %d outcomes contradict its log", s.Node, r.Group, r.Transactions.Alarms))
			}
			if r.Lost {
				failures = append(failures, fmt.Sprintf("node %s, group %d: it says that the group is lost", s.Node, r.Group))
			}
			if r.Images.Wrong > 0 {
				failures = append(failures, fmt.Sprintf("node %s, group %d: %d images were wrong", s.Node, r.Group, r.Images.Wrong))
			}
		}
	}
	return failures
}
