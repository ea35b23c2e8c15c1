// Package runner carries the operations of a workload out against a store, and measures.
//
// In a closed loop every client waits for its answer before it asks again, so that a store that stalls is asked less: its
// stall is one slow request per client. In an open loop requests are due at a fixed rate, whether the
// store keeps up or not; latency counts from when a request was due, not from when a client had time for it, and what was
// never begun counts with the time that it has waited. So a stall shows in full: there is no coordinated omission.
//
// [Load] inserts the keys that a workload begins with, [Run] measures. A [Store] is one client's way to a store; [Anode]
// is the one of this project, and any other system can be one.
package runner
