package replica

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
)

// FastPath is the kernel's part of one replica: it acknowledges entries in the name of a follower, counts
// acknowledgements for a leader, and makes many packets of one. It changes who computes, never what the core believes:
// what a follower's fast path stored comes to the core as the same Accept, and what a leader's fast path counted as
// ordinary acknowledgements, which the core counts again.
//
// A replica calls it in its own goroutine only. What the fast path does in between it does concurrently. It begins
// fenced and retired. One that is no follower's at the moment is fenced, one that is no leader's is retired.
//
// The order of a follower's life is (Arm, (Drain | Claim)*, Fence)*. Whoever opened the fast path closes it when the
// replica has ended; closing fences and retires it first.
type FastPath interface {
	// Offers tells which offloads this fast path is capable of at present. It is asked on every turn, and must
	// cost next to nothing. An offload that is offered no more is switched off in good order on the next turn.
	Offers() Offloads

	// Arm lets the fast path acknowledge for a follower in a.View, of a.Leader, from op a.Last on: a.Last is the end
	// of the log, and the next op that it may store is a.Last+1. It believes only frames that carry the
	// incarnation in a.Vector. It is fenced and drained when this is called. With an error nothing is armed, and
	// user space goes on alone until the replica tries again, at the latest with the next view.
	Arm(a paxos.Arm) error
	// Worn reports that what is armed has come near the last op that it can number, in this epoch or at all. It is
	// asked on every turn, and must cost next to nothing. It is fenced then, drained and armed anew; if nothing is
	// gained by that, Arm fails, and user space goes on alone: beyond its last op nobody could claim.
	Worn() bool
	// Fence stops it, and then gives every frame that it acknowledged and that Drain has not given yet, in the
	// order of their ops and without holes other than the ops that were claimed. It waits for those that are being
	// stored. Nothing is acknowledged after it returns, repetitions included. It returns when anything was
	// acknowledged last, repetitions included, by the boot-time clock and read after the stop: the latest in the
	// life of this replica, not only since the last Arm; 0 if it never was. With leases a vote waits for what that
	// granted. A fast path that is fenced already may be fenced again.
	Fence(take func(wire.Frame)) (acknowledged wire.Time)
	// Drain gives the frames that were acknowledged since the last call, in the order of their ops, without stopping
	// anything, and lets their places be used again. It may stop before one that is still being stored. A frame is
	// valid until take returns. take never calls the fast path. When nothing is to be given Drain costs next to
	// nothing: it is called before every frame of another replica.
	Drain(take func(wire.Frame))
	// Claim takes the next op for user space, by the very step by which the fast path takes ops for itself. It
	// fails if op is not the one behind the last op that was taken by either, and if the fast path is fenced.
	// When it succeeds, the entry is appended at once; Drain and Fence do not give the op. It is called only while
	// armed, and never by take.
	Claim(op wire.Op) bool

	// Lead lets the fast path count for the leader of a.View, whose log ends at a.Last. acked holds, by replica,
	// what each is known to have acknowledged in this view and incarnation, 0 for the leader itself. It believes
	// only acknowledgements that carry the incarnations in a.Vector. It is called when a view begins, and again when
	// a member has a new incarnation: what was counted before is void then, whatever is still on its way to a cell.
	// It is retired when this is called. With an error it stays retired.
	Lead(a paxos.Arm, acked []wire.Op) error
	// Retire stops the counting. The cells are final then, and readable until the next Lead.
	Retire()
	// Extend tells the last op of the log, before that op is sent. Acknowledgements above it are passed up.
	Extend(last wire.Op)
	// Cells appends what each replica has acknowledged since Lead, by replica, 0 for the leader itself.
	Cells(to []wire.Op) []wire.Op
	// Acknowledge enters an acknowledgement that came to user space, as far as the cell is lower.
	Acknowledge(member wire.ReplicaID, op wire.Op)
	// Wake says which acknowledgements are passed up from now on. It holds across Lead and Retire.
	Wake(WakeMode)

	// Broadcast reports whether a frame of that many bytes, header included, may leave as one datagram that
	// carries [wire.FlagBroadcast] and reaches all other replicas, and to which address it is sent then. It says no
	// where it cannot vouch for each of them: no program, a hardware address unknown, not leading, too large.
	Broadcast(size int) (via wire.Addr, ok bool)
}

// WakeMode says which of the acknowledgements that a leader's fast path has counted are passed up.
type WakeMode uint8

const (
	// WakeOnChosen passes the one that moves the chosen op: for a replica that sleeps.
	WakeOnChosen WakeMode = iota
	// WakeNever passes none: for a replica that is awake and reads the cells.
	WakeNever
	// WakeAlways passes all: quorums are counted by user space.
	WakeAlways
)

// NoFastPath is the fast path of a machine that has none.
type NoFastPath struct{}

// Offers nothing.
func (NoFastPath) Offers() Offloads { return NoOffloads }

// Arm is never called, because nothing is offered.
func (NoFastPath) Arm(paxos.Arm) error { return ErrNoFastPath }

// Worn is never asked, because nothing is armed.
func (NoFastPath) Worn() bool { return false }

// Fence has nothing to stop.
func (NoFastPath) Fence(func(wire.Frame)) wire.Time { return 0 }

// Drain has nothing to give.
func (NoFastPath) Drain(func(wire.Frame)) {}

// Claim is never called, because nothing is armed.
func (NoFastPath) Claim(wire.Op) bool { return false }

// Lead is never called, because nothing is offered.
func (NoFastPath) Lead(paxos.Arm, []wire.Op) error { return ErrNoFastPath }

// Retire has nothing to stop.
func (NoFastPath) Retire() {}

// Extend changes nothing.
func (NoFastPath) Extend(wire.Op) {}

// Cells has none.
func (NoFastPath) Cells(to []wire.Op) []wire.Op { return to }

// Acknowledge changes nothing.
func (NoFastPath) Acknowledge(wire.ReplicaID, wire.Op) {}

// Wake changes nothing.
func (NoFastPath) Wake(WakeMode) {}

// Broadcast is not possible.
func (NoFastPath) Broadcast(int) (wire.Addr, bool) { return wire.Addr{}, false }
