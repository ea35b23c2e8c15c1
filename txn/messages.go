package txn

import (
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
)

// ReadRequest asks a leader for the newest committed value of each key. A read that meets a prepared write
// waits for its outcome.
type ReadRequest struct {
	// Nonce pairs the answer with the request; it is the client's own.
	Nonce uint64
	Keys  [][]byte
	// Linearizable makes the leader confirm its leadership after the request arrived (read-index).
	// Reads inside a transaction do without: its commit validates them.
	Linearizable bool
	// Time, if not zero, asks for the values as they were then. The answer comes once the shard's clock
	// has passed that time and no transaction before it is open, and is a refusal if the versions of that
	// time are collected. Such a read needs no leader's round: the past is the same in every log.
	Time Timestamp
}

// Value is the answer about one key. At is the version found, or the read position of an absent key.
type Value struct {
	Found bool
	At    Position
	Value []byte
}

// ReadReply answers a [ReadRequest], with one value per key, in order.
type ReadReply struct {
	Nonce  uint64
	Values []Value
}

// ValidateRequest asks a leader whether everything that a read-only transaction saw still holds: versions
// unchanged and no prepared write on anything read. The leader confirms its leadership first. It must be
// sent only after all reads of the transaction have returned, at every shard.
type ValidateRequest struct {
	Nonce uint64
	Work  Work // no writes
}

// ValidateReply answers a [ValidateRequest]. Key is a key that changed, when Valid is false.
type ValidateReply struct {
	Nonce uint64
	Valid bool
	Key   []byte
}

// OpenSession is a command: it opens the client's session at a shard. First is above every sequence
// number that the client ever used, and becomes the session's mark.
type OpenSession struct {
	Client ClientID
	First  uint64
	// Clears: the client wants to delete one key at a time, and takes a session that admits nothing else where
	// the shard has no other left.
	Clears bool
}

// SessionReply tells the op that opened the session; every request of the session names it.
type SessionReply struct {
	Client  ClientID
	First   uint64
	Session wire.Op
	// Epoch is the group's: how often it has begun anew, having lost its memory.
	Epoch wire.Epoch
	// Reserved: the session admits only what deletes one key.
	Reserved bool
}

// EndSession is a command: the client will not use its session again, and the shard need not wait until it expires. It
// is answered with StatusExpired, however often it comes: the session is not open. A client sends it only when nothing
// of its own is under way at the shard, nor a copy of what opened the session.
type EndSession struct {
	Client ClientID
	// First and Session are what the session was opened with, and the op that did so.
	First   uint64
	Session wire.Op
	// Mark is the client's last one, see [Submit].
	Mark uint64
}

// Submit is a command: a transaction that touches one shard only. It is validated and applied in one step.
// A client that sends it again sends the same bytes again.
type Submit struct {
	ID      ID
	Session wire.Op
	// Mark is the client's low-water mark: of every sequence number below it, all participants have
	// applied the outcome and the client knows it. Shards may forget those.
	Mark uint64
	Work Work
}

// Status is what a shard says about a transaction.
type Status uint8

// A status is only ever told of what is chosen in the log.
const (
	// StatusNone: the shard holds no record, and never will: the ID is below the client's mark.
	StatusNone Status = iota + 1
	// StatusYes: prepared; the vote is yes and is never withdrawn.
	StatusYes
	// StatusNo: validation failed; the vote is no. Key tells where.
	StatusNo
	// StatusRefused: a refusal stands in the log; the shard will never prepare this ID.
	StatusRefused
	// StatusCommitted: the outcome is commit, and it is applied here.
	StatusCommitted
	// StatusAborted: the outcome is abort, and it is applied here.
	StatusAborted
	// StatusExpired: the session that the request names is not open here. What became of the
	// transaction, the shard cannot tell.
	StatusExpired
	// StatusMismatch: the ID was used before with another content. Nothing was changed.
	StatusMismatch
	// StatusFull: a logged limit (sessions) turned the command away. Nothing was changed.
	StatusFull
	// StatusLost: the group lost its memory since the transaction named it. It has no record, and cannot
	// tell whether it had one. To a Commit: another group did, and the transaction was given up with it.
	StatusLost
)

var statusNames = [...]string{"", "none", "yes", "no", "refused", "committed", "aborted", "expired", "mismatch", "full", "lost"}

func (s Status) String() string {
	if int(s) < len(statusNames) && s > 0 {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// TxnReply tells what a shard's log says about a transaction.
type TxnReply struct {
	ID     ID
	Status Status
	// Time is the vote's timestamp (StatusYes) or the commit timestamp (StatusCommitted).
	Time Timestamp
	// Key is the key on which validation failed (StatusNo).
	Key []byte
}

// Reason is why a replica did not carry out a request. A refusal is never a vote: nothing was logged.
type Reason uint8

const (
	// ReasonNotLeader: ask the leader of View.
	ReasonNotLeader Reason = iota + 1
	// ReasonNotReady: the leader of View, but not yet serving; ask again.
	ReasonNotReady
	// ReasonOverloaded: a queue is at its limit; back off.
	ReasonOverloaded
	// ReasonWaited: the request waited too long for another transaction's outcome.
	ReasonWaited
	// ReasonWrongShard: a key belongs to Shard, not to this group.
	ReasonWrongShard
	// ReasonTooLarge: a key, value or transaction exceeds a limit. Detail names it.
	ReasonTooLarge
	// ReasonMalformed: the body cannot be read. Detail says why.
	ReasonMalformed
	// ReasonTooOld: the versions of the time asked for are collected. Detail tells how far back they go.
	ReasonTooOld
)

var reasonNames = [...]string{"", "not the leader", "leader not ready", "overloaded", "waited too long for another transaction", "wrong shard", "too large", "malformed", "too old"}

func (r Reason) String() string {
	if int(r) < len(reasonNames) && r > 0 {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Refusal answers a request that was not carried out.
type Refusal struct {
	// Kind, and Nonce or ID, are those of the request.
	Kind   wire.Kind
	Nonce  uint64
	ID     ID
	Reason Reason
	View   wire.View
	Shard  uint32
	Detail string
}

// TopologyRequest asks any replica for the layout of its cluster. It is the one request that needs no
// cluster id.
type TopologyRequest struct{}

// TopologyReply answers a [TopologyRequest].
type TopologyReply struct{ Topology shard.Topology }

// The bodies of this package's kinds.
var (
	TopologyRequestBody = wire.Define[TopologyRequest](wire.KindTopology)
	TopologyReplyBody   = wire.Define[TopologyReply](wire.KindTopologyReply)
	ReadRequestBody     = wire.DefineHand(wire.KindRead, appendReadRequest, decodeReadRequest)
	ReadReplyBody       = wire.DefineHand(wire.KindReadReply, appendReadReply, decodeReadReply)
	ValidateRequestBody = wire.Define[ValidateRequest](wire.KindValidate)
	ValidateReplyBody   = wire.Define[ValidateReply](wire.KindValidateReply)
	OpenSessionBody     = wire.Define[OpenSession](wire.KindOpenSession)
	SessionReplyBody    = wire.Define[SessionReply](wire.KindSessionReply)
	EndSessionBody      = wire.Define[EndSession](wire.KindEndSession)
	SubmitBody          = wire.DefineHand(wire.KindSubmit, appendSubmit, decodeSubmit)
	TxnReplyBody        = wire.DefineHand(wire.KindTxnReply, appendTxnReply, decodeTxnReply)
	RefusalBody         = wire.Define[Refusal](wire.KindRefusal)
)
