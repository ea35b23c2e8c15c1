package twopc

import (
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Limits of one shard. They stop new work only: sessions, submits, prepares, reads. Commit, Abort and
// Resolve always get through, because they are what makes room again. What only deletes has a reserve behind each
// limit that would stop it, for its client wants to make room too; a reserve is bounded, and can be used up by
// deletes alone.
const (
	// maxSessions bounds the sessions of a shard. It is part of the replicated state machine: all
	// replicas must apply the same one.
	maxSessions = 1 << 16
	// reservedSessions are for clients that want to delete when there is room for no others. They admit nothing
	// else, and are part of the replicated state machine as well.
	reservedSessions = 1 << 10
	// maxRecords bounds the transactions of one session that are not below its mark. A client that stays
	// below it has its mark pass by; one that does not settles nothing.
	maxRecords = 4096
	// reservedRecords are for deletes of a client that has come to maxRecords.
	reservedRecords = 1024
	// maxPrepared bounds the transactions that hold locks, voted or about to vote.
	maxPrepared = 1 << 14
	// maxPreparedBytes bounds the memory of those that hold locks.
	maxPreparedBytes = 256 << 20
	// maxFlights bounds the commands that are proposed and not yet applied, and those that wait to be
	// proposed. It lies below what the log's own queue takes, as maxFlightBytes does, which bounds their bytes.
	maxFlights     = 1 << 13
	maxFlightBytes = 32 << 20
	// reservedFlights are for submits that only delete, when there is room for no others.
	reservedFlights = 1 << 12
	// maxClearedEntries and maxClearedBytes bound what may take a reserve, so that reserves are small: the
	// delete of any one key, with a read that it depends on, and of several whose keys are short.
	maxClearedEntries = 64
	maxClearedBytes   = 2 * txn.MaxKeyBytes
	// maxWaiting bounds the requests that wait for another transaction or for a round of the leader's, and
	// maxWaitingBytes what the questions among them take.
	maxWaiting      = 4096
	maxWaitingBytes = 32 << 20
	// reservedWaiting are places for deletes of keys that a prepared transaction holds: such a delete can only
	// wait, and has to when all other places are taken.
	reservedWaiting = 1024
	// maxRepliers bounds the addresses that are told what became of one command. Its client has one; a
	// few more ask when they finish another's transaction.
	maxRepliers = 8

	// maxInquests bounds the transactions that a shard inquires about at a time. Others wait for their turn;
	// none keeps its place for longer than inquestTurn, because a group that is down answers nobody.
	maxInquests = 256
	inquestTurn = wire.Second
	// maxLapsed bounds the sessions that expire at a time, so that they fit the log's queue.
	maxLapsed = 4096
	// sweeps is how many times within the bound a leader looks for sessions that have reached it.
	sweeps = 8
	// orphanEvery is how often a leader inquires about commits that may be forgotten.
	orphanEvery = wire.Second
	// maxAhead bounds how far the time that a client gives a commit may lie ahead of the shard's clock,
	// which never goes back. An honest one is the largest vote's, a moment ago. One that lies beyond, because
	// some node's clock is wrong, is believed only when the participants have told each other.
	maxAhead = txn.Timestamp(3600 * wire.Second)

	// defaultDoubtBound is how long a transaction may stay prepared before the other participants are
	// asked: far longer than a commit takes, and than it takes to replace most leaders.
	defaultDoubtBound = 250 * wire.Millisecond
	// defaultSessionBound is how long a client's session at a shard may rest before it expires. Clients
	// open a session anew that has rested for a twentieth of it.
	defaultSessionBound = 600 * wire.Second
	// defaultWaitBound is how long a prepare waits for a lock before it is proposed all the same, to be voted on as it
	// stands: several round trips of another transaction, and no more, because what it holds elsewhere others wait for.
	defaultWaitBound = 10 * wire.Millisecond
	// defaultReadBound is how long a read waits for the outcome of a prepared write, or for the leader's
	// round, before it is refused, and a submit for a lock. It spans the time in which a doubt is settled and a leader
	// replaced.
	defaultReadBound = 500 * wire.Millisecond
)
