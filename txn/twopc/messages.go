package twopc

import (
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Member is one participant of a transaction: its group, the epoch of that group that the client knows,
// and the op that opened the client's session there.
type Member struct {
	Group   wire.GroupID
	Epoch   wire.Epoch
	Session wire.Op
}

// Prepare is a command: validate, lock, vote. A client that sends it again sends the same bytes again.
type Prepare struct {
	ID   txn.ID
	Mark uint64 // see txn.Submit
	// Members are all participants, in ascending order of group.
	Members []Member
	Work    txn.Work
}

// Commit is a command: all participants voted yes. Time is the largest vote's timestamp.
type Commit struct {
	ID   txn.ID
	Time txn.Timestamp
}

// Abort is a command. Because names a participant whose no or refusal is chosen; nothing else aborts.
type Abort struct {
	ID      txn.ID
	Because wire.GroupID
}

// Resolve is a command that asks what became of a transaction, and makes sure that something has: if the
// shard holds no record of it, a refusal is logged. What the entry finds when applied is the answer.
type Resolve struct {
	ID      txn.ID
	Session wire.Op
	// Freeze is for leaders only: a participant has lost its memory, and from now on the others decide.
	// Prepared here, the transaction takes its outcome from nobody else.
	Freeze bool
}

// Settle is a command that only a leader writes: the other participants' logs have told what became of a
// transaction that is prepared here. If it no longer is, nothing happens.
type Settle struct {
	ID     txn.ID
	Commit bool
	// Time is the largest vote's timestamp, of a commit.
	Time txn.Timestamp
	// Because is the participant whose log settled it.
	Because wire.GroupID
	// Frozen: it was decided by what was found when the transaction was frozen here, and at all others that
	// held it prepared. Nothing else settles what is frozen.
	Frozen bool
}

// Forget is a command that only a leader writes: all participants have applied the commit of a
// transaction, so that nobody will ask for it.
type Forget struct{ ID txn.ID }

// Expire is a command that only a leader writes: a client has been silent for too long. It has no effect
// if the session was used since Used.
type Expire struct {
	Client  txn.ClientID
	Session wire.Op
	Used    txn.Timestamp
}

// Inquiry asks the leader of another participant's group what became of a transaction. It makes sure that
// something has, as Resolve does.
type Inquiry struct {
	// Of is the group that is asked, in the epoch and with the session that the transaction names.
	Of      wire.GroupID
	Epoch   wire.Epoch
	Session wire.Op
	ID      txn.ID
	Freeze  bool // see [Resolve]
}

// Finding answers an [Inquiry]: with what the log says, or with the reason why it was not looked up.
type Finding struct {
	ID     txn.ID
	Status txn.Status
	Time   txn.Timestamp
	Reason txn.Reason
	View   wire.View
	// Frozen: it is prepared and frozen; see [Resolve].
	Frozen bool
}

// Collect is a command that only a leader writes: old versions may go, those that were superseded by a time.
// One command removes some of them, the oldest first.
type Collect struct{ Below txn.Timestamp }

// Advance is a command that only a leader writes: it moves the log's clock on, and nothing else.
type Advance struct{}

// The bodies of this package's kinds. Votes and outcomes are answered with txn.TxnReply.
var (
	PrepareBody = wire.Define[Prepare](wire.KindPrepare)
	CommitBody  = wire.Define[Commit](wire.KindCommit)
	AbortBody   = wire.Define[Abort](wire.KindAbort)
	ResolveBody = wire.Define[Resolve](wire.KindResolve)
	SettleBody  = wire.Define[Settle](wire.KindSettle)
	ForgetBody  = wire.Define[Forget](wire.KindForget)
	ExpireBody  = wire.Define[Expire](wire.KindExpire)
	InquiryBody = wire.Define[Inquiry](wire.KindInquire)
	FindingBody = wire.Define[Finding](wire.KindInquiryReply)
	CollectBody = wire.Define[Collect](wire.KindCollect)
	AdvanceBody = wire.Define[Advance](wire.KindAdvance)
)
