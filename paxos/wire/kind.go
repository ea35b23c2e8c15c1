package wire

import "fmt"

// Kind says what a frame means. The numbers are part of the protocol: they are never reused, and the
// kernel programs know the first few.
type Kind uint8

// Kinds that replicas of one group exchange. Package paxos defines their bodies.
const (
	// KindAccept carries one entry from the leader; it travels alone in its datagram.
	KindAccept Kind = 1
	// KindAccepted acknowledges every op up to Header.Op of Header.View. It has no body.
	KindAccepted Kind = 2
	// KindGap tells the leader that the entries above Header.Op are missing. It has no body.
	KindGap          Kind = 3
	KindHeartbeat    Kind = 4
	KindEcho         Kind = 5
	KindAsk          Kind = 6
	KindAnswer       Kind = 7
	KindSuspect      Kind = 8
	KindViewChange   Kind = 9
	KindNewView      Kind = 10
	KindFetch        Kind = 11
	KindEntries      Kind = 12
	KindRecover      Kind = 13
	KindRecoverReply Kind = 14
	KindForm         Kind = 15
	KindFormReply    Kind = 16
	// KindImage carries a part of the applied state, which ends with Header.Op.
	KindImage Kind = 19
	// KindProbe asks a follower whether it is still normal in Header.View, KindSign says that it was. Neither has a
	// body; Header.Chosen is a nonce.
	KindProbe Kind = 20
	KindSign  Kind = 21
)

// Kinds that replicas of different groups exchange, about transactions that both take part in. Package
// txn/twopc defines their bodies. Header.Group is the group that speaks, not the one that is spoken to.
const (
	KindInquire      Kind = 32
	KindInquiryReply Kind = 33
)

// Kinds of commands that only a leader writes into its log; they never travel as frames of their own.
// Package txn/twopc defines their bodies.
const (
	KindSettle Kind = 40
	KindForget Kind = 41
	KindExpire Kind = 42
	// KindCollect removes old versions, KindAdvance moves the log's clock on.
	KindCollect Kind = 43
	KindAdvance Kind = 44
)

// Kinds that clients send to replicas. Packages txn and txn/twopc define their bodies. The kinds from
// KindOpenSession to KindResolve, and KindEndSession, are also the kinds of commands in the log.
const (
	KindTopology    Kind = 64
	KindRead        Kind = 65
	KindValidate    Kind = 66
	KindOpenSession Kind = 67
	KindSubmit      Kind = 68
	KindPrepare     Kind = 69
	KindCommit      Kind = 70
	KindAbort       Kind = 71
	KindResolve     Kind = 72
	KindScan        Kind = 73 // no command
	KindEndSession  Kind = 74
)

// Kinds that replicas send to clients.
const (
	KindTopologyReply Kind = 96
	KindReadReply     Kind = 97
	KindValidateReply Kind = 98
	KindSessionReply  Kind = 99
	KindTxnReply      Kind = 100
	KindRefusal       Kind = 101
	KindScanReply     Kind = 102
)

// kindNames is an array, not a map: every frame received is looked up in it.
var kindNames = [256]string{
	KindAccept: "Accept", KindAccepted: "Accepted", KindGap: "Gap", KindHeartbeat: "Heartbeat",
	KindEcho: "Echo", KindAsk: "Ask", KindAnswer: "Answer", KindSuspect: "Suspect",
	KindViewChange: "ViewChange", KindNewView: "NewView", KindFetch: "Fetch", KindEntries: "Entries",
	KindRecover: "Recover", KindRecoverReply: "RecoverReply", KindForm: "Form", KindFormReply: "FormReply",
	KindImage: "Image", KindProbe: "Probe", KindSign: "Sign",
	KindInquire: "Inquire", KindInquiryReply: "InquiryReply",
	KindSettle: "Settle", KindForget: "Forget", KindExpire: "Expire",
	KindCollect: "Collect", KindAdvance: "Advance", KindScan: "Scan", KindScanReply: "ScanReply",
	KindTopology: "Topology", KindRead: "Read", KindValidate: "Validate", KindOpenSession: "OpenSession",
	KindSubmit: "Submit", KindPrepare: "Prepare", KindCommit: "Commit", KindAbort: "Abort",
	KindResolve: "Resolve", KindTopologyReply: "TopologyReply", KindReadReply: "ReadReply",
	KindValidateReply: "ValidateReply", KindSessionReply: "SessionReply", KindTxnReply: "TxnReply",
	KindRefusal: "Refusal", KindEndSession: "EndSession",
}

// Known reports whether the kind is one of this version's.
func (k Kind) Known() bool { return kindNames[k] != "" }

// FromReplica reports whether only replicas may send this kind.
func (k Kind) FromReplica() bool { return k < KindTopology }

// AcrossGroups reports whether the kind travels between replicas of different groups.
func (k Kind) AcrossGroups() bool { return k >= KindInquire && k < KindSettle }

// FromClient reports whether the kind is a request of a client.
func (k Kind) FromClient() bool { return k >= KindTopology && k < KindTopologyReply }

func (k Kind) String() string {
	if k.Known() {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}
