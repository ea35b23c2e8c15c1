// Package occ decides whether a transaction may be ordered now, by optimistic concurrency control: what
// it read must still be so ([Set.Check]), and it must not touch what a prepared transaction, one that
// voted yes and awaits its outcome, has read or is about to write ([Set.Blocker]).
//
// Absence is read like anything else. A key that was absent, or deleted, must not have been written since;
// a range that was scanned must hold no change, be it a new key or a tombstone. Both fail when they are
// older than the store's floor, for below it the store has forgotten what came and went.
//
// It is pure, and shared by the protocols that commit transactions.
package occ
