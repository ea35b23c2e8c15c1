package replica

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn/twopc"
)

// Instant is one reading of the two clocks: the boot-time clock, by which protocols measure, and the
// wall clock in nanoseconds since the Unix epoch, from which commit timestamps are proposed.
type Instant struct {
	Now  wire.Time
	Wall int64
}

// Engine is one protocol's replica of one group, without clock, network or disk. It is stepped by one
// goroutine. After every step the caller carries out Ready until it is empty.
type Engine interface {
	// Step takes a frame whose group, cluster and MAC have been checked. It must not keep f.Body.
	Step(t Instant, from wire.Addr, f wire.Frame)
	// Acked takes a frame that the fast path has acknowledged in this replica's name.
	Acked(t Instant, f wire.Frame)
	Tick(t Instant)
	// Drained tells that the fence that Ready asked for stands and all Acked frames have been given, and when the
	// fast path acknowledged last, as it says itself.
	Drained(t Instant, acknowledged wire.Time)
	Ready(t Instant) Ready
	State() State

	// SetClaim says who is asked before a follower appends an op that did not come through Acked. It appends only if
	// the op is its own then.
	SetClaim(claim func(wire.Op) bool)
	// Armament is what the fast path is to be armed with now, by a follower as by a leader, if it may act at all.
	// Ready says when it has changed.
	Armament() (a paxos.Arm, may bool)
	// Acks returns the last op of a leader's log, and appends what each replica is known to have acknowledged in its
	// view and incarnation, 0 for itself. One who does not lead appends nothing.
	Acks(to []wire.Op) (last wire.Op, acks []wire.Op)
	// Standing is what every answer to a client carries: the view and this replica's incarnation.
	Standing() (wire.View, wire.Incarnation)
	// AcceptLoss gives up all that the group held, if the group cannot go on: see paxos.Core.AcceptLoss.
	AcceptLoss(t Instant) error
}

// Ready is what an engine wants done, in the order of the fields.
type Ready struct {
	Fence   bool
	Persist *paxos.Promise
	// Over ends the engine: another one takes its place, made anew from the promise.
	Over bool
	// Lost: the group has just turned out to be closed until an operator decides.
	Lost bool
	// Disagrees are replicas that have just turned out to have another layout of the cluster.
	Disagrees []wire.ReplicaID
	Send      []paxos.Envelope
	// Arm: the fast path is to be armed, or armed anew, with the engine's Armament.
	Arm bool
	// Abroad holds frames for replicas of other groups.
	Abroad  []Abroad
	Replies []Reply
	// More: the engine has further duties; call Ready again.
	More bool
}

// Abroad is a frame for a replica of another group.
type Abroad struct {
	Group   wire.GroupID
	Replica wire.ReplicaID
	Kind    wire.Kind
	Body    []byte
}

// Reply is a frame for whoever asked: a client, or a replica of another group.
type Reply struct {
	To   wire.Addr
	Kind wire.Kind
	Body []byte
}

// State describes an engine for operators and tests.
type State struct {
	paxos.State
	// Applied is the last op that the state machine holds, and Hash its state there.
	Applied wire.Op
	Ignored paxos.Ignored
	// LogBytes is the size of the applied entries that the log still holds.
	LogBytes int
	Images   ImageCounts
	// Shard counts what the state machine holds.
	Shard twopc.ParticipantStats
}
