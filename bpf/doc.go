// Package bpf is the kernel's part of a replica: three programs that do in the kernel, before the network stack,
// what a replica would otherwise do in user space, and the memory through which both speak.
//
//	broadcast       tcx egress    one flagged Accept of the leader leaves as one copy per follower
//	acknowledgement XDP or tcx    a follower's entry is stored in its log and answered
//	quorum          XDP or tcx    a leader's acknowledgements are counted; one wakes user space
//
// The kernel changes who computes, never what the core believes. A packet that the programs pass up is an ordinary
// packet; what they did in a replica's name is found in shared memory, read without system calls.
//
// [Load] brings the programs into the kernel, [Kernel.Attach] puts them on an interface, [Kernel.Open] gives one
// replica its [Slot]: several may share one kernel, even one address. A slot belongs to one goroutine.
//
// # A follower's slot
//
// One word holds fenced, generation and the last op, counted from the base of the view's epoch. The programs claim
// op n by compare-and-swap from n-1, so that none is claimed twice or after a fence, and write its record only then. [Slot.Arm] begins a generation with
// the end of the log, [Slot.Drain] gives what was claimed since, [Slot.Fence] ends the generation: nothing is
// claimed after it returned, and the next Drain gives everything that was claimed before. While a slot is armed
// the kernel owns the end of the log: user space appends an op of its own only after [Slot.Claim].
//
// # A leader's slot
//
// Every member has a cell with the generation and the op that it acknowledged. [Slot.Lead] begins a generation,
// [Slot.Extend] tells the last op sent, [Slot.Cells] and [Slot.Chosen] read what has come in, whether or not a
// packet was passed up for it: a lost packet loses nothing.
//
// # Sources
//
// src holds the programs. Their object is committed, so that only who changes them needs a compiler: clang 14 and
// go generate. src/fresh.sh proves that it is what the sources make. Package model is the same program in Go.
package bpf
