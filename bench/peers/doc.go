// Peers measures what users could pick instead of anode, on the same machine and in the same run.
//
// Absolute figures drift by a factor of two between machines and hours, so only comparisons within one run
// count: "peers compare" alternates short runs of two systems and prints the medians of the ratios of its
// pairs. Comparing a system with itself shows the noise that remains.
//
// Every system is three processes on loopback behind a [system], with keys of 16 bytes, values of 100
// bytes, and clients that each wait for one answer before they send the next request. The workloads are those of package
// bench/workload; raft has no transactions, so that its front end commits what reads and writes by comparing the
// versions that were read, in the state machine, and it has no scans. This is a Go module
// of its own, so that what it measures does not become a dependency of the product.
package main
