// Package txn holds the words that every transaction protocol of anode shares: identities, positions in
// a shard's log, read and write sets, requests and answers. It is pure: no clock, network or goroutine.
//
// A transaction is built by a client, which buffers its writes and records what it read. At commit it is
// cut into one [Work] per shard. A transaction that touches one shard is a single log entry there
// ([Submit]); one that touches several is prepared at each (package twopc).
package txn
