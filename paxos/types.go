package paxos

import (
	"fmt"
	"math/rand"

	"github.com/anodekv/anode/paxos/wire"
)

// Names from the frame's header, under which the protocol is written down.
type (
	View        = wire.View
	Op          = wire.Op
	ReplicaID   = wire.ReplicaID
	Incarnation = wire.Incarnation
	Epoch       = wire.Epoch
	Time        = wire.Time
	Duration    = wire.Duration
)

// Everyone, as the receiver of an [Envelope], means every other replica of the group.
const Everyone ReplicaID = 0xFFFE

// Status is what a replica is doing.
type Status uint8

const (
	// Normal: takes part in its view, as leader or follower.
	Normal Status = iota + 1
	// Changing: has promised a view and is not yet normal in it.
	Changing
	// Recovering: has lost its memory; votes for nothing and acknowledges nothing.
	Recovering
	// Forming: its disk knows of no group that has served; it asks all others whether there is one.
	Forming
)

func (s Status) String() string {
	switch s {
	case Normal:
		return "normal"
	case Changing:
		return "changing"
	case Recovering:
		return "recovering"
	case Forming:
		return "forming"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Timing holds the core's delays. They must be the same on all replicas of a group.
type Timing struct {
	// Heartbeat is the interval of the leader's heartbeats, and of every message that is repeated
	// until answered.
	Heartbeat Duration
	// Election is how long a follower hears nothing before it asks the others; each wait is drawn
	// between once and one and a half times this. It is also how long a leader lives without f followers.
	Election Duration
	// Retransmit is the first delay before entries are sent again; it doubles up to RetransmitMax.
	Retransmit, RetransmitMax Duration
	// Lease is how long a follower that has answered its leader votes for no other; 0 is not at all. A leader to
	// whom f followers grant a lease confirms reads without asking them. It is shorter than Election, so
	// that a leader that has died is replaced as fast as without.
	//
	// Reads are right only as long as the clocks keep to DriftPPM: the boot-time clocks of two replicas drift
	// apart by no more than so many parts in a million. A machine that is stopped from outside, as a virtual one
	// is, with its clock, is one whose clock does not keep to it.
	Lease    Duration
	DriftPPM int
}

// DefaultTiming suits one data centre: a dead leader is replaced in 100 to 200 ms.
func DefaultTiming() Timing {
	return Timing{
		Heartbeat:     10 * wire.Millisecond,
		Election:      100 * wire.Millisecond,
		Retransmit:    10 * wire.Millisecond,
		RetransmitMax: 160 * wire.Millisecond,
		DriftPPM:      2000, // quartz is off by up to 100, and a time daemon slews by up to 500 more, either way
	}
}

// Limits bounds what the core holds and sends.
type Limits struct {
	// BatchBytes is the largest body of one op, unless a single command is larger. The default fits one
	// Ethernet frame, because the kernel path carries no more.
	BatchBytes int
	// BatchCommands is how many commands one op holds at most; zero is no limit but that of bytes.
	BatchCommands int
	// Window is the number of ops in flight; more commands wait and fill larger batches.
	Window int
	// QueueCommands and QueueBytes bound the commands that wait for the window.
	QueueCommands, QueueBytes int
	// Reads bounds the reads that wait for a leadership round.
	Reads int
	// Burst is the number of entries sent in one go to a replica that lags.
	Burst int
	// KeepBytes and KeepEntries bound the applied entries that are kept for replicas that lag, whichever is
	// reached first; replicas further behind are sent the state. Zero is the default. While an image is
	// being sent, and for a while after, a few times as much is kept.
	KeepBytes, KeepEntries int
}

// DefaultLimits are the published limits.
func DefaultLimits() Limits {
	return Limits{
		BatchBytes:    1336, // 1,400 bytes of datagram less the header
		Window:        64,
		QueueCommands: 16384,
		QueueBytes:    64 << 20,
		Reads:         16384,
		Burst:         32,
		KeepBytes:     4 << 20,
		KeepEntries:   1 << 16,
	}
}

func (l *Limits) setDefaults() {
	standard := DefaultLimits()
	if l.KeepBytes == 0 {
		l.KeepBytes = standard.KeepBytes
	}
	if l.KeepEntries == 0 {
		l.KeepEntries = standard.KeepEntries
	}
}

// Config fixes one replica for its life.
type Config struct {
	Cluster  wire.ClusterID
	Group    wire.GroupID
	Self     ReplicaID
	Replicas int // n, odd, at most wire.MaxReplicas
	Timing   Timing
	Limits   Limits
	// Layout is a digest of what all nodes must agree on to serve together, see shard.Topology; 0 is none. Replicas with
	// different ones form no group.
	Layout uint64
	// Rand draws the election timers and the nonces. It is the core's alone.
	Rand *rand.Rand
}

// Validate reports the first mistake in a configuration.
func (c *Config) Validate() error {
	switch {
	case c.Replicas < 1 || c.Replicas > wire.MaxReplicas || c.Replicas%2 == 0:
		return fmt.Errorf("paxos: a group has 1, 3, 5, 7 or 9 replicas, not %d", c.Replicas)
	case int(c.Self) >= c.Replicas:
		return fmt.Errorf("paxos: replica %d is outside a group of %d", c.Self, c.Replicas)
	case c.Rand == nil:
		return fmt.Errorf("paxos: no source of randomness")
	case c.Timing.Heartbeat <= 0 || c.Timing.Election < 2*c.Timing.Heartbeat:
		return fmt.Errorf("paxos: the election timeout must be at least twice the heartbeat interval")
	case c.Limits.BatchBytes <= 0 || c.Limits.BatchBytes > wire.MaxBody || c.Limits.Window <= 0:
		return fmt.Errorf("paxos: batch size or window out of range")
	case c.Timing.Retransmit <= 0 || c.Timing.RetransmitMax < c.Timing.Retransmit:
		return fmt.Errorf("paxos: the first delay of a retransmission must be positive and not above the last")
	case c.Limits.Burst <= 0 || c.Limits.QueueCommands <= 0 || c.Limits.QueueBytes <= 0 || c.Limits.Reads <= 0:
		return fmt.Errorf("paxos: burst and queues must have room for one")
	case c.Limits.BatchCommands < 0:
		return fmt.Errorf("paxos: an op cannot hold fewer commands than none")
	case c.Limits.KeepBytes < 0 || c.Limits.KeepEntries < 0:
		return fmt.Errorf("paxos: the log that is kept cannot be shorter than nothing")
	}
	return c.Timing.validateLease()
}

// Promise is what survives a restart. It is written, and synced, at boot, while the group is formed, and
// whenever a replica promises a view; never on the path of an op.
type Promise struct {
	Cluster     wire.ClusterID
	Group       wire.GroupID
	Replica     ReplicaID
	Incarnation Incarnation
	// View is the highest view promised.
	View View
	// Charter says to which life of the group the promise belongs.
	Charter Charter
}

// Entry is one op of the log. Its body is a [Batch] and is not to be modified.
type Entry struct {
	Op   Op
	Body []byte
}

// Role tells the owner of a core what it may do for clients.
type Role struct {
	View View
	// Leads: this replica leads the view; it may not be Serving yet, or no longer.
	Leads bool
	// Serving: this replica leads the view, every op of the log it took over is chosen in the view and
	// delivered, and it hears a majority.
	Serving bool
	// Lost: so many replicas are without memory that the group cannot go on. An operator has to decide, see
	// [Core.AcceptLoss].
	Lost bool
}

// Arm hands the tail of the log to the fast path for one view.
type Arm struct {
	View   View
	Leader ReplicaID
	Last   Op
	Vector []Incarnation
}

// Ready is what must be done now. The fields are carried out in their order, each before the next.
type Ready struct {
	// Fence takes the tail back from the fast path. Everything it has accepted is then stepped as Accept
	// with Acked set, and Drained is called.
	Fence bool
	// Persist is written and synced before anything below happens.
	Persist *Promise
	// Over ends this core: the group's memory has been given up. The fast path is fenced, what it holds is
	// thrown away, and the replica starts anew from its promise, with an empty state machine.
	Over bool
	// Send goes to other replicas.
	Send []Envelope
	// Arm allows the fast path to act.
	Arm *Arm
	// Restore puts the image that was staged, after this op, in place of the state; 0 is none.
	Restore Op
	// Chosen entries are applied, in order. Each is given once.
	Chosen []Entry
	// Unstage drops what is staged.
	Unstage bool
	// Stage holds parts of an image, in order. When the last one is staged, Staged is called.
	Stage []Staging
	// Images are wanted by other replicas, and given to SendImage. They are taken of the state as it is now.
	Images []ImageRequest
	// Confirmed reads were asked for while this replica was certainly the leader; everything chosen by
	// then has been given in Chosen.
	Confirmed []uint64
	// Role is set when it has changed.
	Role *Role
	// Disagrees are replicas that have just turned out to have another layout of the cluster: an operator must be told.
	Disagrees []ReplicaID
}

// Empty reports whether there is nothing to do.
func (r *Ready) Empty() bool {
	return !r.Fence && r.Persist == nil && !r.Over && len(r.Send) == 0 && r.Arm == nil &&
		r.Restore == 0 && len(r.Chosen) == 0 && !r.Unstage && len(r.Stage) == 0 && len(r.Images) == 0 &&
		len(r.Confirmed) == 0 && r.Role == nil && len(r.Disagrees) == 0
}
