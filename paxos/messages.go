package paxos

import (
	"github.com/anodekv/anode/paxos/wire"
)

// Message is a frame from another replica of the group.
type Message struct {
	wire.Frame
	// Acked marks an Accept that the fast path has stored and acknowledged already.
	Acked bool
}

// Envelope is a frame to another replica, or to [Everyone]. Its body is not to be modified.
type Envelope struct {
	To    ReplicaID
	Frame wire.Frame
}

// Heartbeat is the leader's sign of life. Header.Op is its last op, Header.Chosen its chosen op.
type Heartbeat struct {
	// Nonce is echoed; it grows with every heartbeat of a view.
	Nonce uint64
	// Start is the last op of the log with which the view began.
	Start  Op
	Vector []Incarnation
}

// Echo answers a Heartbeat; only a follower normal in that view echoes. Header.Op is its last op, and
// acknowledges it.
type Echo struct {
	Nonce uint64
	// Lease is the length of the lease that the sender grants with all that it acknowledges, or 0.
	Lease Duration
}

// Ask inquires, without binding anybody, whether the receiver hears a leader.
type Ask struct{ Nonce uint64 }

// Answer tells a replica's standing, in reply to Ask or to a message of an outdated view. Header.View is
// the view promised.
type Answer struct {
	// Nonce is that of the Ask, or 0.
	Nonce uint64
	// Hears: the sender leads, or has lately heard a leader.
	Hears bool
}

// Suspect says that its sender has promised Header.View.
type Suspect struct{ Vector []Incarnation }

// ViewChange is a vote for Header.View, to its leader: the sender's log ends at Header.Op, is known to be
// chosen up to Header.Chosen, and was last changed in view LastNormal.
type ViewChange struct {
	LastNormal View
	Vector     []Incarnation
}

// NewView opens Header.View with a log that ends at Header.Op.
type NewView struct{ Vector []Incarnation }

// Purpose says why entries are fetched.
type Purpose uint8

const (
	// Collect: a new leader takes over the log of the best voter.
	Collect Purpose = iota + 1
	// Install: a follower takes over the log of the leader of Header.View.
	Install
	// Extend: a normal follower lacks entries that its leader no longer holds.
	Extend
)

// Fetch asks for the entries above Header.Op, or, where the source no longer holds them, for an image.
type Fetch struct {
	Purpose Purpose
	// At is the op of an image that has come in part, or 0. Offset is how much has come, the last Skip bytes
	// of it behind Cursor.
	At     Op
	Offset uint64
	Cursor []byte
	Skip   int
}

// Entries carries the entries that follow Header.Op.
type Entries struct {
	Purpose Purpose
	Bodies  [][]byte
	// Left is how many more datagrams of this burst follow at most.
	Left int
}

// Image carries a part of the image of the state after Header.Op: the bytes from Offset on.
type Image struct {
	Purpose Purpose
	// From is the offset that was asked for, with which the burst begins.
	From   uint64
	Offset uint64
	Data   []byte
	// Left is how many more datagrams of this burst follow. The last one has the cursor from which the next
	// burst goes on, or says that it is the last of the image.
	Left int
	Next []byte
	Last bool
}

// Recover asks for the state of the group. Header.View is the highest view the sender ever promised
// or, since it started, heard of: it waits for that view's leader or a later one, so the others must know.
type Recover struct {
	Nonce  uint64
	Vector []Incarnation
}

// RecoverReply answers a Recover; only a replica normal in Header.View answers. Header.Op is its last op.
type RecoverReply struct {
	Nonce  uint64
	Vector []Incarnation
}

// The bodies of this package's kinds. Accepted and Gap have none.
var (
	batchBody        = wire.DefineHand(wire.KindAccept, appendBatch, decodeBatch)
	heartbeatBody    = wire.Define[Heartbeat](wire.KindHeartbeat)
	echoBody         = wire.Define[Echo](wire.KindEcho)
	askBody          = wire.Define[Ask](wire.KindAsk)
	answerBody       = wire.Define[Answer](wire.KindAnswer)
	suspectBody      = wire.Define[Suspect](wire.KindSuspect)
	viewChangeBody   = wire.Define[ViewChange](wire.KindViewChange)
	newViewBody      = wire.Define[NewView](wire.KindNewView)
	fetchBody        = wire.Define[Fetch](wire.KindFetch)
	entriesBody      = wire.Define[Entries](wire.KindEntries)
	imageBody        = wire.Define[Image](wire.KindImage)
	recoverBody      = wire.Define[Recover](wire.KindRecover)
	recoverReplyBody = wire.Define[RecoverReply](wire.KindRecoverReply)
)
