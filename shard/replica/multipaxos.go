package replica

import (
	"fmt"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// MultiPaxos is the engine of a shard under Multi-Paxos: the log, and the transactions that it orders.
type MultiPaxos struct {
	core        *paxos.Core
	participant *twopc.Participant
	// badBatches counts entries that could not be read; they apply as empty ones, on every replica alike.
	badBatches uint64
	batch      paxos.Batch // that is applied
	replies    []Reply     // that Ready returned last
	images     images
}

// NewMultiPaxos pairs a core with the participant that its log drives.
func NewMultiPaxos(core *paxos.Core, participant *twopc.Participant) *MultiPaxos {
	return &MultiPaxos{core: core, participant: participant}
}

// Step gives the frames of the group to the core, and those of clients and other groups to the participant.
func (e *MultiPaxos) Step(t Instant, from wire.Addr, f wire.Frame) {
	switch {
	case f.Kind == wire.KindInquire:
		e.participant.Inquired(t.Now, from, f.Body)
	case f.Kind == wire.KindInquiryReply:
		e.participant.Found(t.Now, twopc.Target{Group: f.Group, Replica: f.Sender}, f.Body)
	case f.Kind.FromReplica():
		e.core.Step(t.Now, paxos.Message{Frame: f})
	default:
		e.participant.Request(t.Now, from, f.Kind, f.Body)
	}
}

// Acked gives the core an entry that the fast path has acknowledged.
func (e *MultiPaxos) Acked(t Instant, f wire.Frame) {
	e.core.Step(t.Now, paxos.Message{Frame: f, Acked: true})
}

// Tick passes time to both.
func (e *MultiPaxos) Tick(t Instant) {
	e.core.Tick(t.Now)
	e.participant.Tick(t.Now)
	e.release(t)
}

// Drained lets the core change its view.
func (e *MultiPaxos) Drained(t Instant, acknowledged wire.Time) { e.core.Drained(t.Now, acknowledged) }

// Ready collects the duties of both. Entries are applied here, because applying is no I/O; what clients
// are told about them goes out with the same Ready. The list of replies is used again by the next call.
func (e *MultiPaxos) Ready(t Instant) Ready {
	r := e.core.Ready()
	if !r.Over {
		e.participant.SetEpoch(e.core.State().Epoch)
	}
	if r.Restore != 0 {
		e.restore()
	}
	e.participant.Now(t.Now)
	for _, entry := range r.Chosen {
		e.apply(entry)
	}
	e.transfer(t, &r)
	for _, ticket := range r.Confirmed {
		e.participant.Confirmed(t.Now, ticket)
	}
	if r.Role != nil {
		e.takeRole(t, *r.Role)
	}
	p := e.participant.Ready()
	for _, command := range p.Propose {
		if e.core.Propose(t.Now, t.Wall, command) != nil {
			e.participant.TurnedAway(command)
		}
	}
	if p.Confirm.Reads > 0 {
		// Reads that are not taken are refused by the participant when they have waited too long: it bounds
		// those that wait, below what the core takes.
		_ = e.core.Read(t.Now, p.Confirm.Number, p.Confirm.Reads)
	}
	out := Ready{Fence: r.Fence, Persist: r.Persist, Over: r.Over, Lost: r.Role != nil && r.Role.Lost,
		Disagrees: r.Disagrees, Send: r.Send, Arm: r.Arm != nil}
	clear(e.replies)
	e.replies = e.replies[:0]
	for _, reply := range p.Replies {
		e.replies = append(e.replies, Reply(reply))
	}
	out.Replies = e.replies
	for _, m := range p.Ask {
		out.Abroad = append(out.Abroad, Abroad{m.To.Group, m.To.Replica, m.Kind, m.Body})
	}
	out.More = !r.Empty() || len(p.Propose)+p.Confirm.Reads+len(p.Ask)+len(p.Replies) > 0
	return out
}

func (e *MultiPaxos) apply(entry paxos.Entry) {
	if paxos.DecodeBatch(entry.Body, &e.batch) != nil {
		e.badBatches++
	}
	e.participant.Apply(entry.Op, txn.Timestamp(e.batch.Proposed), e.batch.Commands)
}

func (e *MultiPaxos) takeRole(t Instant, role paxos.Role) {
	e.participant.Close(role.Lost)
	switch {
	case role.Serving:
		e.participant.Lead(t.Now, role.View)
	case role.Leads:
		e.participant.Elect(role.View)
	default:
		e.participant.Follow(role.View)
	}
}

// AcceptLoss gives up the group's memory, if it is lost.
func (e *MultiPaxos) AcceptLoss(t Instant) error { return e.core.AcceptLoss(t.Now) }

// SetClaim says who owns the end of the log.
func (e *MultiPaxos) SetClaim(claim func(wire.Op) bool) { e.core.SetClaim(claim) }

// Armament is what the fast path is to be armed with.
func (e *MultiPaxos) Armament() (paxos.Arm, bool) { return e.core.Armament() }

// Acks is what a leader knows of its followers.
func (e *MultiPaxos) Acks(to []wire.Op) (wire.Op, []wire.Op) { return e.core.Acks(to) }

// State describes the replica.
func (e *MultiPaxos) State() State {
	return State{
		State: e.core.State(), Applied: e.participant.Applied(), Ignored: e.core.Ignored(),
		LogBytes: e.core.KeptBytes(), Images: e.images.counts, Shard: e.participant.Stats(),
	}
}

// Standing is what every answer carries.
func (e *MultiPaxos) Standing() (wire.View, wire.Incarnation) { return e.core.Standing() }

// Hash is the digest of the applied state; replicas that applied the same op have the same one.
func (e *MultiPaxos) Hash() uint64 { return e.participant.Hash() }

// Participant is the state machine, for questions that are answered without the log.
func (e *MultiPaxos) Participant() *twopc.Participant { return e.participant }

// Core is the replicated log.
func (e *MultiPaxos) Core() *paxos.Core { return e.core }

func (e *MultiPaxos) String() string {
	s := e.core.State()
	return fmt.Sprintf("%v in view %d, chosen %d of %d", s.Status, s.Promised, s.Chosen, s.Last)
}
