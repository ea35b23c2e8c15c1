package replica

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
)

// kernelPath is what a replica keeps about its fast path.
type kernelPath struct {
	port FastPath
	// wish is what its owner wants offloaded; on is what is, as far as the port offers it.
	wish, on Offloads
	// armed: the port acknowledges for a follower. leads: it counts for a leader, and reign is with what it was told
	// to. Never both.
	armed, leads bool
	reign        paxos.Arm
	// entered holds, by replica, up to where acknowledgements stand both in the port's cells and in the engine.
	entered []wire.Op
	// extended is the last op that the port knows of.
	extended wire.Op
	scratch  []wire.Op
	stats    FastStats
}

// FastStats tells what the fast path of one replica does. The counts only grow.
type FastStats struct {
	// Wish is what is wanted, On what is offered of that.
	Wish, On Offloads
	// Armed: it acknowledges for this follower. Leads: it counts for this leader.
	Armed, Leads bool
	// Why says why it could not be armed or lead when that was tried last, or nothing.
	Why error

	// The ways by which entries came into the log of a follower. Stored were acknowledged by the fast path. Claimed came
	// to user space while it was armed, because the fast path does not carry them or was in doubt; Plain while it
	// was not.
	Stored, Claimed, Plain uint64
	// ClaimsLost counts the entries that user space had in hand and that the fast path took first.
	ClaimsLost uint64
	// Counted is the acknowledgements that a leader read from the cells, which are fewer than came.
	Counted uint64
	// Broadcasts is the entries that a leader sent as one datagram, Unicasts those that it sent to each follower.
	Broadcasts, Unicasts uint64

	// Arms counts how often the fast path was armed or began to count, Refused how often it could not.
	Arms, Refused uint64
	// Fences counts how often it was stopped, FenceTime how long that took in all, and FenceTimeMax at most, both with
	// the draining. They are 0 without a clock in the configuration.
	Fences                  uint64
	FenceTime, FenceTimeMax wire.Duration
}

// Share is the part of a follower's entries that were acknowledged on the fast path, from 0 to 1.
func (s *FastStats) Share() float64 {
	all := s.Stored + s.Claimed + s.Plain
	if all == 0 {
		return 0
	}
	return float64(s.Stored) / float64(all)
}

// SetOffloads says what is to be offloaded from the next turn on. What is switched off is stopped and drained, and
// user space goes on where it was. It is called in the replica's goroutine.
func (r *Replica) SetOffloads(wish Offloads) { r.fast.wish = wish }

// FastPath tells what the fast path does.
func (r *Replica) FastPath() FastStats {
	s, k := r.fast.stats, &r.fast
	s.Wish, s.On, s.Armed, s.Leads = k.wish, k.on, k.armed, k.leads
	return s
}

// beginFast takes in what the fast path has done since the last turn. Its entries come before anything that has
// arrived: a heartbeat tells of them, and would make the core ask for what is here.
func (r *Replica) beginFast(t Instant, arrived int) {
	k := &r.fast
	if on := k.wish & k.port.Offers(); on != k.on || k.armed && k.port.Worn() && !mutant.On("worn-unfenced") {
		k.on = on
		r.armFast(t)
	}
	if arrived == 0 && mutant.On("drain-on-arrival") {
		return
	}
	r.drainFast(t)
	r.readCells(t)
}

// drainFast gives the engine what the fast path has stored.
func (r *Replica) drainFast(t Instant) {
	if r.fast.armed {
		r.fast.port.Drain(func(f wire.Frame) { r.takeStored(t, f) })
	}
}

func (r *Replica) takeStored(t Instant, f wire.Frame) {
	r.fast.stats.Stored++
	r.engine.Acked(t, f)
}

// claim reports whether an op is user space's to append.
func (r *Replica) claim(op wire.Op) bool {
	s := &r.fast.stats
	switch {
	case !r.fast.armed:
		s.Plain++
	case !r.fast.port.Claim(op):
		s.ClaimsLost++
		return false
	default:
		s.Claimed++
		if mutant.On("gap-disarms") {
			r.fast.wish = NoOffloads
		}
	}
	return true
}

// fenceFast stops the fast path in both its parts. What it had stored is given to the engine. It returns when it
// acknowledged last.
func (r *Replica) fenceFast(t Instant) (acknowledged wire.Time) {
	k := &r.fast
	r.retireFast()
	before := r.measure()
	acknowledged = k.port.Fence(func(f wire.Frame) {
		if !mutant.On("fence-drops") {
			r.takeStored(t, f)
		}
	})
	if k.armed {
		k.armed = false
		took := r.measure().Sub(before)
		k.stats.Fences++
		k.stats.FenceTime += took
		k.stats.FenceTimeMax = max(k.stats.FenceTimeMax, took)
	}
	return acknowledged
}

// measure reads the clock if there is one.
func (r *Replica) measure() wire.Time {
	if r.cfg.Clock == nil {
		return 0
	}
	return r.cfg.Clock.Now().Now
}

// retireFast stops the counting. What was counted stays in the cells.
func (r *Replica) retireFast() {
	if r.fast.leads {
		r.fast.leads = false
		r.fast.port.Retire()
	}
}

// armFast starts the fast path in the part that this replica has now, with what is known now. What it was told before
// ends: it is fenced and drained, and its cells are read for the last time.
func (r *Replica) armFast(t Instant) {
	k := &r.fast
	if k.armed && mutant.On("switched-unfenced") && !k.on.Has(OffloadAck) {
		k.armed = false
		return
	}
	if k.armed {
		r.fenceFast(t)
	}
	if k.leads {
		k.port.Retire()
		r.readCells(t)
		k.leads = false
	}
	a, may := r.engine.Armament()
	switch {
	case !may:
	case a.Leader != r.cfg.Self && k.on.Has(OffloadAck):
		k.armed = r.started(k.port.Arm(a))
	case a.Leader == r.cfg.Self && k.on&(OffloadBroadcast|OffloadQuorum) != 0:
		r.leadFast(a)
	}
}

// leadFast lets the fast path count, beginning with what is known.
func (r *Replica) leadFast(a paxos.Arm) {
	k := &r.fast
	_, k.entered = r.engine.Acks(k.entered[:0])
	k.reign, k.extended = a, a.Last
	k.leads = r.started(k.port.Lead(a, k.entered))
	r.wakeFast(WakeNever)
}

// started notes how an attempt to use the fast path ended. One that cannot be used is slower, not wrong: user space
// acknowledges and counts.
func (r *Replica) started(err error) bool {
	s := &r.fast.stats
	if s.Why = err; err != nil {
		s.Refused++
		return false
	}
	s.Arms++
	return true
}

// wakeFast says what is passed up from now on.
func (r *Replica) wakeFast(m WakeMode) {
	if !r.fast.leads {
		return
	}
	if !r.fast.on.Has(OffloadQuorum) {
		m = WakeAlways
	}
	r.fast.port.Wake(m)
}

// readCells gives the engine what the fast path has counted since the last time, as the ordinary acknowledgements
// that they are: of the view and the incarnations that the programs checked. The engine counts them itself.
func (r *Replica) readCells(t Instant) {
	k := &r.fast
	if !k.leads || mutant.On("cells-unread") {
		return
	}
	k.scratch = k.port.Cells(k.scratch[:0])
	for i, op := range k.scratch {
		if i >= len(k.entered) || op <= k.entered[i] {
			continue // only progress is a sign of life
		}
		k.entered[i] = op
		k.stats.Counted++
		r.engine.Step(t, r.cfg.Peers[i], wire.Frame{Header: wire.Header{
			Kind: wire.KindAccepted, Cluster: r.cfg.Cluster, Group: r.cfg.Group, View: k.reign.View, Op: op,
			Sender: wire.ReplicaID(i), Incarnation: k.reign.Vector[i],
		}})
	}
}

// endFast tells the fast path, before anything is sent, up to where the log goes and what user space has heard.
func (r *Replica) endFast() {
	k := &r.fast
	if !k.leads {
		return
	}
	var last wire.Op
	last, k.scratch = r.engine.Acks(k.scratch[:0])
	if last > k.extended {
		k.extended = last
		k.port.Extend(last)
	}
	for i, op := range k.scratch {
		if op > k.entered[i] {
			k.entered[i] = op
			k.port.Acknowledge(wire.ReplicaID(i), op)
		}
	}
}

// broadcast reports whether a frame may leave as one datagram, and where that is sent.
func (r *Replica) broadcast(f *wire.Frame) (via wire.Addr, ok bool) {
	k := &r.fast
	if f.Kind != wire.KindAccept {
		return via, false // what is unicast keeps the neighbours' hardware addresses fresh
	}
	if k.leads && k.on.Has(OffloadBroadcast) && f.View == k.reign.View {
		via, ok = k.port.Broadcast(f.Size())
	}
	if ok {
		k.stats.Broadcasts++
	} else {
		k.stats.Unicasts++
	}
	return via, ok
}

// Rest is called before the replica's goroutine waits for datagrams. It reports whether it may wait: not if
// acknowledgements that move the chosen op were counted while nobody was to be woken. Then a turn is due.
func (r *Replica) Rest() bool {
	k := &r.fast
	if !k.leads || mutant.On("cells-unread") {
		return true
	}
	r.wakeFast(WakeOnChosen)
	k.scratch = k.port.Cells(k.scratch[:0])
	return len(k.scratch) != len(k.entered) || r.quorumOp(k.scratch) <= r.quorumOp(k.entered)
}

// Rise is called when it waits no more: from now on it reads the cells, and need not be woken.
func (r *Replica) Rise() { r.wakeFast(WakeNever) }

// quorumOp is the op up to which f others have acknowledged everything.
func (r *Replica) quorumOp(acks []wire.Op) wire.Op {
	var buffer [wire.MaxReplicas]wire.Op
	others := append(append(buffer[:0], acks[:r.cfg.Self]...), acks[r.cfg.Self+1:]...)
	if len(others) == 0 {
		return 0
	}
	slices.Sort(others)
	return others[len(others)-len(acks)/2]
}
