// Package twopc commits transactions over several Multi-Paxos shards: two-phase commit whose
// participants are replicated state machines, validated by package occ.
//
// The commit point is the last yes-vote being chosen. There is no decision log: a yes-vote is never
// withdrawn, so whoever knows all votes knows the outcome.
//
// # Nobody is left in doubt
//
// A client may die between its prepares and its outcome. A leader whose transaction stays prepared asks the
// other participants, and writes what their logs decide ([Settle]): a commit if one has committed or all
// have voted yes; an abort if one has voted no, refused or aborted, or has no record. Being asked, a shard
// without a record logs a refusal, so that a prepare which comes late votes no more.
//
// "None" is told by a shard that has no record and never will: the number lies below the client's mark, or
// the session that the transaction names is not open. It may abort what is prepared elsewhere, because
// the shard has never voted yes; or it has, and its record is gone, which takes that the outcome was abort, or
// that all have applied the commit and nothing is prepared elsewhere. This is the whole of what forgetting must respect: a
// record of a yes is kept until its outcome, and one of a commit until it is known that all have applied it.
// A no, a refusal and an abort may go with the mark, since "none" leads to the same end.
//
// # Memory is bounded
//
// The client's mark is its word that all participants have applied what lies below it, and a shard forgets
// that. A client that dies gives its word no more: its session expires by log entry ([Expire]), which closes
// it like an infinite mark, and the participants of the commits that are left ask each other in the same way
// until each knows that all have applied them ([Forget]). Opening a session anew closes the old one like
// expiry: it is no word either. Limits never stand in the way of any of these commands.
//
// A client that is closed ends its sessions itself ([txn.EndSession]), which closes them like expiry, after its last
// word. It does so only where nothing of its own is under way and no copy of what opened the session: whatever
// else comes late names a session that is not open, and is refused.
//
// It is assumed that no datagram is late by more than a session's bound, which is ten minutes by default.
//
// # Epochs
//
// A group that lost its memory begins a new epoch. Asked about a transaction that names an older one, it
// answers "lost" unless it has a record, to participants and to coordinators: that proves nothing. An outcome known
// elsewhere decides. Otherwise nobody but the coordinator, if it lives, can know whether the last vote was chosen,
// and the operator who accepted the loss has accepted that too: the transaction is aborted. So that its participants
// agree, each first freezes it by log entry ([Resolve]): from there on it takes no outcome from the coordinator. When
// all that hold it have answered that it is frozen, and none knows an outcome from before, each aborts it
// ([LogStats.SettledLost]). A client that was told "committed" in the last moment before the loss is then wrong in
// all of the transaction, and not in a part of it.
//
// [Participant] is one shard's state machine together with what only its leader keeps (requests that
// wait). [Coordinator] is the client's side. Both are pure: time comes in as an argument, what is to be
// sent goes out through Ready.
package twopc
