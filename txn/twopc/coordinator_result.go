package twopc

import (
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Target is one replica of one group.
type Target struct {
	Group   wire.GroupID
	Replica wire.ReplicaID
}

func (t Target) String() string { return fmt.Sprintf("%v %v", t.Group, t.Replica) }

// Outgoing is a request to be sent. The body is shared with later copies of the request, and used again for others after the
// next Ready.
type Outgoing struct {
	To   Target
	Kind wire.Kind
	Body []byte
}

// Ready is what a [Coordinator] wants done.
type Ready struct {
	Done []Completion
	Send []Outgoing
}

// Result is how a question ended.
type Result uint8

const (
	// ResultValues: a read, whose values stand in the order of the keys, or a scan.
	ResultValues Result = iota + 1
	// ResultCommitted: the transaction committed, or the read-only one was valid.
	ResultCommitted
	// ResultConflict: a no, a refusal or an abort is chosen; nothing was or will be applied.
	ResultConflict
	// ResultUnknown: the transaction may have committed or may yet commit.
	ResultUnknown
	// ResultCancelled: the caller gave up while nothing had been sent that could have an effect.
	ResultCancelled
	// ResultOverloaded: a limit of this client turned it away; nothing was sent.
	ResultOverloaded
	// ResultRejected: the shard will not carry it out; Cause.Reason is WrongShard, TooLarge, Malformed or TooOld.
	// Nothing was or will be applied.
	ResultRejected
	// ResultMismatch: the transaction's ID was used before with another content. It is a bug, or two
	// clients share an identity.
	ResultMismatch
)

var resultNames = [...]string{"", "values", "committed", "conflict", "unknown", "cancelled", "overloaded", "rejected", "mismatch"}

func (r Result) String() string {
	if int(r) < len(resultNames) && r > 0 {
		return resultNames[r]
	}
	return fmt.Sprintf("Result(%d)", uint8(r))
}

// Completion answers a caller.
type Completion struct {
	Token uint64
	// ID is the transaction's, once it has one; reads and read-only transactions have none.
	ID     txn.ID
	Result Result
	// Values answers a read, one per key, in the order of the keys asked. The list is used again after the next Ready.
	Values []txn.Value
	// Pages answers a scan, one per page asked for, in their order.
	Pages []txn.ScanReply
	// Key and Group tell where a conflict was found, where that is known.
	Key   []byte
	Group wire.GroupID
	// Time is the commit timestamp.
	Time txn.Timestamp
	// Cause is the last real obstacle that the question met, whatever its end.
	Cause Cause
}

// Cause is what stood in the way of a request. The zero Cause is no obstacle.
type Cause struct {
	Group wire.GroupID
	// One of these tells the obstacle: a refusal, what the log said, or silence.
	Reason txn.Reason
	Status txn.Status
	Silent bool
	Detail string
}

func (c Cause) String() string {
	var what string
	switch {
	case c.Reason != 0:
		what = c.Reason.String()
	case c.Status != 0:
		what = c.Status.String()
	case c.Silent:
		what = "no answer"
	default:
		return c.Detail
	}
	if c.Detail != "" {
		what += ": " + c.Detail
	}
	return fmt.Sprintf("%v: %s", c.Group, what)
}

// Ignored is why a message to the coordinator was not acted on.
type Ignored uint8

// All but the last two are the network's doing, and harmless.
const (
	// IgnoredLate: it answers what is already answered.
	IgnoredLate Ignored = iota
	// IgnoredStale: it refuses a copy that went elsewhere, or an earlier request of the transaction.
	IgnoredStale
	// IgnoredDuplicate: it repeats what the member said before. A vote counts once.
	IgnoredDuplicate
	// IgnoredStranger: it is not for this client, or its sender is no member.
	IgnoredStranger
	// IgnoredMalformed: the body cannot be read, or does not fit the question.
	IgnoredMalformed
	// IgnoredContradiction: a member says aborted of what is committed, or the reverse. Never, unless the
	// protocol is broken.
	IgnoredContradiction
	ignoredCount
)

var ignoredNames = [ignoredCount]string{"late", "stale", "duplicate", "stranger", "malformed", "contradiction"}

func (i Ignored) String() string { return ignoredNames[i] }

// CoordinatorStats counts what a coordinator did.
type CoordinatorStats struct {
	Sent, Resent uint64
	// Overdue counts answers that did not come in time.
	Overdue uint64
	// Ignored counts messages not acted on, by reason; index it with an [Ignored].
	Ignored [ignoredCount]uint64
}

func (c *Coordinator) ignore(why Ignored) { c.stats.Ignored[why]++ }

// remembered keeps the newest outcomes of transactions whose callers were told "unknown".
type remembered struct {
	of    map[uint64]Result
	order []uint64
}

func (r *remembered) put(seq uint64, result Result) {
	if len(r.order) == maxRemembered {
		delete(r.of, r.order[0])
		r.order = append(r.order[:0], r.order[1:]...)
	}
	r.of[seq] = result
	r.order = append(r.order, seq)
}
