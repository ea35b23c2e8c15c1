package wire

import (
	"net/netip"
	"strconv"
)

// The identifiers that stand in a header. They are distinct types so that a view is never passed where
// an op is meant.
type (
	// ClusterID tells clusters apart; a frame of another cluster is refused.
	ClusterID uint64
	// GroupID names one replication group. A group holds the data of one shard.
	GroupID uint32
	// ReplicaID is the index of a replica in its group, 0 to n-1; n is at most [MaxReplicas].
	ReplicaID uint16
	// Incarnation counts the starts of one replica. It is fsynced before the replica speaks.
	Incarnation uint32
	// View numbers the reigns of leaders: the leader of view v is replica v mod n. Its upper half is the
	// epoch, so that every frame that has a view has an epoch, and a later epoch is a later view.
	View uint64
	// Epoch numbers the lives of a group. It rises when the group is formed anew: by itself as long as it
	// has never served, afterwards only when an operator has accepted the loss of all it held.
	Epoch uint32
	// Op numbers the entries of a group's log. Each epoch counts on from a base of its own, so that no two
	// entries of a group ever have one number; in the first epoch it is 0, which stands for the empty log.
	Op uint64
	// Addr is the UDP endpoint of a replica or a client. Cores carry it and never look inside.
	Addr = netip.AddrPort
)

const (
	// MaxReplicas bounds the members of one group; the kernel programs unroll loops to it.
	MaxReplicas = 9
	// ClientSender stands in Header.Sender when the speaker is a client and not a replica.
	ClientSender ReplicaID = 0xFFFF
)

const (
	// epochShift leaves 2^32 views to an epoch: at ten a second, 13 years of nothing but elections.
	epochShift = 32
	// baseShift leaves 2^48 ops to an epoch: at a million a second, 9 years. For epochs 16 bits are left.
	baseShift = 48
)

// Epoch is the epoch to which the view belongs.
func (v View) Epoch() Epoch { return Epoch(v >> epochShift) }

// First is the view with which the epoch begins.
func (e Epoch) First() View { return View(e) << epochShift }

// Base is the op after which the log of the epoch begins.
func (e Epoch) Base() Op { return Op(e) << baseShift }

func (g GroupID) String() string   { return "group " + strconv.FormatUint(uint64(g), 10) }
func (r ReplicaID) String() string { return "replica " + strconv.FormatUint(uint64(r), 10) }

// Time is an instant on the local boot-time clock, in nanoseconds; Duration is a difference of two.
// Cores receive them as arguments. Neither travels: the clocks of two machines share no zero.
type (
	Time     int64
	Duration int64
)

// Units of Duration.
const (
	Microsecond Duration = 1000
	Millisecond          = 1000 * Microsecond
	Second               = 1000 * Millisecond
)

// Add returns the instant d after t.
func (t Time) Add(d Duration) Time { return t + Time(d) }

// Sub returns how long u lies before t.
func (t Time) Sub(u Time) Duration { return Duration(t - u) }
