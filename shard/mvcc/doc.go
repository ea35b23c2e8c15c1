// Package mvcc is the store of one shard: for every key, the chain of its versions in the order of the
// shard's log, in an ordered tree, with an index of all keys beside it. It is pure and deterministic: replicas that apply the same writes hold
// the same state, and [Reader.Hash] says so.
//
// A deletion is a version too, a tombstone: a transaction that read the key before must find that it
// changed. Versions that nobody can ask for any more, tombstones among them, go with [Store.Collect],
// which raises the horizon: below that time the store no longer knows what was. With the last tombstone of a
// key it raises the floor too: below that position it no longer knows what was absent.
//
// A snapshot ([Store.Snapshot]) shares the tree and the chains with the store. It costs nothing until the store changes
// a chain, which is copied then; a chain that no snapshot shares is changed in place.
package mvcc
