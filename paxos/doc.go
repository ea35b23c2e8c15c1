// Package paxos is one replica of a Multi-Paxos group as a pure state machine, in the shape of
// Viewstamped Replication Revisited (Liskov and Cowling, MIT-CSAIL-TR-2012-021) with the crash vectors of
// Michael et al. (DISC 2017).
//
// A group has n = 2f+1 replicas. The leader of view v is replica v mod n. It appends commands to a
// contiguous log in batches, one batch per op, and sends each op to its followers; an op is chosen once
// f followers acknowledged it. When the followers no longer hear the leader they move to the next view,
// whose leader takes over the longest log of the latest view that any of f+1 replicas took part in.
//
// The core has no goroutine, lock, clock, randomness of its own, or I/O. [Core.Step] takes a message,
// [Core.Tick] the passing of time, [Core.Propose] a command, [Core.Read] a question about leadership;
// [Core.Ready] gives what must now be done, in a struct whose fields are carried out in their order.
//
//	            Fence, Drained                 f Suspects,
//	Normal ───────────────────────▶ Changing ───────────────▶ vote, then
//	  ▲                                │  ▲                   collect or install
//	  │      log and view replaced     │  │ timeout: next view      │
//	  └────────────────────────────────┴──┴─────────────────────────┘
//	  ▲                ▲
//	  │                └── Recovering: a start without memory; answers nothing until it holds the leader's
//	  │                         ▲      last op
//	  │ nobody has served       │ somebody has
//	  └───────────────────── Forming: a disk that does not know of a group that has served
//
// A group is born once. Its replicas form it when all of them have new disks; a new disk in a group that
// has served stands in the place of a lost one. When more than f replicas are without memory at once nobody
// can recover: the group stays closed until an operator accepts the loss, and is then formed anew. Each life
// of a group is an epoch, the upper half of every view.
//
// The files follow the families of messages: accept.go the normal case, heartbeat.go leadership and reads,
// lease.go reads without a round, suspect.go the decision to change the view, viewchange.go the change,
// transfer.go the copying of log entries, image.go that of the state where the entries are gone, trim.go
// what a log keeps, recovery.go the return after a loss of memory, charter.go and formation.go the birth of
// a group, wiped.go the return after a loss of the disk, loss.go the end of a group and its new beginning.
package paxos
