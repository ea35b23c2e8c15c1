package server

import (
	"context"
	"errors"
	"sync"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/txn/twopc"
)

// SeatStatus describes one replica of a node.
type SeatStatus struct {
	shard.Seat
	replica.State
	// Hash is the digest of the state at the op applied last: replicas of a group that have applied the same have the same.
	Hash         uint64
	Counters     replica.Counters
	Transactions twopc.ParticipantStats
	Traffic      twopc.Traffic
	Transport    transport.Stats
	Offload      LaneStatus
	Err          error // why the replica has stopped or has not answered, if so; all else is empty then
}

// Normal reports whether the replica takes part in its group.
func (s *SeatStatus) Normal() bool { return s.Err == nil && s.Status == paxos.Normal }

// Status looks into all replicas at once, so that one that does not answer hides no other.
func (n *Node) Status(ctx context.Context) []SeatStatus {
	out := make([]SeatStatus, len(n.seats))
	var wg sync.WaitGroup
	for i, s := range n.seats {
		wg.Go(func() { out[i] = s.look(ctx) })
	}
	wg.Wait()
	return out
}

// LiveBytes tells how many replicas the node has, and the size of the keys and newest values that they hold together.
func (n *Node) LiveBytes(ctx context.Context) (replicas int, sum int64) {
	for _, s := range n.Status(ctx) {
		sum += s.Transactions.Store.Live
	}
	return len(n.seats), sum
}

// look asks the replica itself, in its own goroutine.
func (s *seat) look(ctx context.Context) SeatStatus {
	seen := &SeatStatus{Seat: s.Seat} // its own, because an unanswered question may be answered later
	err := s.loop.Do(ctx, func(r *replica.Replica) {
		seen.State, seen.Counters, seen.Offload = r.Engine().State(), r.Counters(), s.lookAtLane(r)
		if e, ok := r.Engine().(*replica.MultiPaxos); ok {
			seen.Hash = e.Hash()
			seen.Transactions, seen.Traffic = e.Participant().Stats(), *e.Participant().Traffic()
		}
	})
	if err != nil {
		return SeatStatus{Seat: s.Seat, Err: errors.Join(err, s.failure())}
	}
	seen.Transport = s.loop.Transport()
	return *seen
}

// failure is why the seat's loop has ended, if it has.
func (s *seat) failure() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}
