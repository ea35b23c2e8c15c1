// Package check judges histories that clients saw. A [History] is a list of transactions with the instants
// at which they began and ended, what they read and wrote, and how they ended. The checks are:
//
//   - [Registers]: every key alone is a linearizable register (porcupine);
//   - [Transactions]: all of it together is strictly serializable (a checker of our own);
//   - [Bank]: the sum of all accounts is the same in every committed read of them all;
//   - [ExactlyOnce]: lists hold each acknowledged token once, and none of an aborted transaction;
//   - [Counter]: a counter holds as many increments as were acknowledged, unknown ones allowed for.
//
// Three rules hold for all of them. Nothing that the store says about itself is believed: no version, no
// timestamp, only values and the clients' clock. A correct history is never flagged: what cannot be decided
// is left out of the verdict and counted in its note. And a verdict over nothing, or one that a checker
// could not reach in its time, is not OK.
//
// # How Transactions works
//
// Every write of a key is a version of it; deletes make versions too, and the state before the first write
// is a version that is absent. A read is matched with the version that it saw. Where a transaction read a
// key and then wrote it, the version it read is directly before the one it wrote, so versions link into
// chains. If values are unique and every writer reads first, the chain is the whole order. Otherwise real
// time helps: a chain and all readers of its versions occupy one unbroken stretch of the key's life, so if
// any member of one chain ended before any member of another began, all of the one is before all of the
// other (the zones of Gibbons and Korach). Reads that several versions would explain (an absent key after
// two deletes, a value written twice) are matched by ruling out what is impossible.
//
// From that follows a graph over transactions: ww (overwrote), wr (read what was written), rw (read
// what was then overwritten), so (ended before the same client began the other), rt (ended before another began). A
// cycle in it cannot be put in any order. Time is encoded in chains of extra nodes, one per instant at which
// something ended, so that the graph stays linear in the size of the history.
//
// Cycles are named as Adya and Elle name them: G0 of ww alone, G1c of ww and wr, G-single with one rw, G2-item with
// more; with -process where it takes the order of one client's own transactions to see that something is wrong,
// and with -realtime where it takes that of different clients'. They are sought in this order, values alone before
// sessions before real time, and only the first that explains a component is told: the worst, and of those a short one.
// G1a and G1b are no cycles and have no such variants.
//
// A transaction with an unknown outcome counts as committed, all of it, as soon as a committed transaction
// read something that it alone could have written; until then it may or may not have happened.
package check
