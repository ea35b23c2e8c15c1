// Package replica drives one replica of one group: it is the only place where a protocol core meets a
// clock, a network, a disk and the kernel's fast path, all of which it takes as values.
//
// An [Engine] is the protocol: here [MultiPaxos], which pairs a paxos.Core with the twopc.Participant
// that its log drives. A leaderless protocol would be another Engine; the loop does not change.
//
// [Replica.Step] is one turn: frames in, ticks, the fast path's entries, then the engine's duties in
// their order, and at last the datagrams out. [Replica.Run] calls it from one goroutine with real
// sockets; the simulator calls it with its own clock and network. Everything that arrived together is
// stepped before anything is sent, so that under load batches form by themselves, and alone nothing waits.
package replica
