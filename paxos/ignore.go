package paxos

import "fmt"

// Reason is why a message changed nothing. Every ignored message is counted under one.
type Reason uint8

// The reasons. A peer's or the network's fault is ignored and counted; it is never an error.
const (
	ignoredNone Reason = iota
	IgnoredStranger
	IgnoredOldIncarnation
	IgnoredOldView
	IgnoredFutureView
	IgnoredNotLeader
	IgnoredNotFollower
	IgnoredWrongStatus
	IgnoredFencing
	IgnoredMalformed
	IgnoredDuplicate
	IgnoredGap
	IgnoredAboveLast
	IgnoredStaleNonce
	IgnoredHears
	IgnoredSilent
	IgnoredOldEpoch
	IgnoredFutureEpoch
	IgnoredArriving
	IgnoredOtherLayout
	reasons
)

var reasonNames = [reasons]string{
	ignoredNone: "none", IgnoredStranger: "stranger", IgnoredOldIncarnation: "old incarnation",
	IgnoredOldView: "old view", IgnoredFutureView: "future view", IgnoredNotLeader: "sender does not lead",
	IgnoredNotFollower: "receiver does not lead", IgnoredWrongStatus: "wrong status", IgnoredFencing: "fencing",
	IgnoredMalformed: "malformed body", IgnoredDuplicate: "duplicate", IgnoredGap: "gap",
	IgnoredAboveLast: "above the last op", IgnoredStaleNonce: "stale nonce", IgnoredHears: "sender hears a leader",
	IgnoredSilent: "leader is silent", IgnoredOldEpoch: "old epoch", IgnoredFutureEpoch: "future epoch",
	IgnoredArriving: "what it asks for is on its way", IgnoredOtherLayout: "other layout",
}

func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Ignored counts the messages that changed nothing, by reason.
type Ignored [reasons]uint64

func (c *Core) ignore(r Reason) { c.ignored[r]++ }

// Ignored returns the counts so far.
func (c *Core) Ignored() Ignored { return c.ignored }

// assert panics when an invariant is broken: that is a bug, and going on would spread it.
func assert(ok bool, format string, args ...any) {
	if !ok {
		violated(format, args...)
	}
}

// violated is assert for the way of every op, where the arguments must not be gathered for nothing.
func violated(format string, args ...any) {
	panic("paxos: " + fmt.Sprintf(format, args...))
}
