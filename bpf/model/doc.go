// Package model is the kernel programs of package bpf in Go: the same checks in the same order, the same words and
// cells, the same verdicts, reasons and bytes. A test feeds the same packets to both and compares everything.
//
// The simulator runs the model where a machine runs the programs: [Machine] is one kernel, [Slot] one replica's
// share of it with the half of user space that package bpf has. Nothing here runs concurrently; what another CPU
// might do between two steps of a program is done by [Machine.Between].
package model
