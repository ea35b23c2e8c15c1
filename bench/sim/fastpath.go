package sim

import (
	"bytes"
	"errors"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// fastPath is a replica's slot in the model of the programs. Where the contract of the port leaves a choice it takes
// the inconvenient one now and then.
type fastPath struct {
	s    *seat
	k    *kernel
	slot *model.Slot
	// recent are Accepts that have arrived, of which the network may still hold copies.
	recent [8]transport.Datagram
	next   int
	fences int
	// found: in this turn a fence found entries that only the kernel knew.
	found bool
	// gapped, full: entries were passed on because of that, and none was stored since.
	gapped, full bool
	gaps, fulls  uint64
	// scratch is where a drained frame's body stands until it is taken.
	scratch []byte
}

func (f *fastPath) Offers() replica.Offloads {
	if !f.k.attached {
		return replica.NoOffloads
	}
	return f.s.c.plan.Kernel.Offloads
}

func (f *fastPath) config(a paxos.Arm) model.Config {
	c := model.Config{Cluster: f.s.c.clusterID(), View: a.View, Self: f.s.self, Leader: a.Leader, Key: f.s.c.keys.Replica}
	for i, addr := range f.s.c.peers(f.s.group) {
		c.Members = append(c.Members, model.Member{Addr: addr, Incarnation: a.Vector[i]})
	}
	return c
}

// errExhausted: the words hold no more ops of this epoch.
var errExhausted = errors.New("sim: ops exhausted")

// wordsMargin is how far below the end of its words a slot is not armed, nor stays armed.
const wordsMargin = 8

// spent reports whether a log has come near the end of what words hold.
func (f *fastPath) spent(a paxos.Arm) bool {
	return a.Last-a.View.Epoch().Base() > wire.Op(f.k.machine.OpMax-wordsMargin)
}

func (f *fastPath) Worn() bool {
	worn := f.slot.Worn(wordsMargin)
	if worn {
		f.s.c.situations[kernelWorn]++
	}
	return worn
}

func (f *fastPath) Arm(a paxos.Arm) error {
	if f.spent(a) {
		return errExhausted
	}
	f.slot.Arm(f.config(a), a.Last)
	f.gapped, f.full = false, false
	return nil
}

func (f *fastPath) Fence(take func(wire.Frame)) wire.Time {
	armed := !f.slot.Word.Fenced()
	f.slot.Fence()
	if n := f.drain(take); armed {
		f.fences++
		if n > 0 {
			f.s.c.situations[kernelFenceFound]++
			f.found = true
		}
	}
	return f.slot.AckedAt
}

func (f *fastPath) Drain(take func(wire.Frame)) {
	if f.slot.Pending() > 0 && f.k.rand.Float64() < f.s.c.plan.Kernel.Lag {
		return // the next one is still being stored
	}
	f.drain(take)
}

// drain gives frames in memory that is used for something else afterwards, as the log's is.
func (f *fastPath) drain(take func(wire.Frame)) int {
	n := f.slot.Drain(func(frame wire.Frame) {
		f.scratch = append(f.scratch[:0], frame.Body...)
		frame.Body = f.scratch
		take(frame)
		for i := range f.scratch {
			f.scratch[i] = 0xEE
		}
	})
	f.note(&f.gapped, &f.gaps, model.ReasonGap, n, kernelGapResumed)
	f.note(&f.full, &f.fulls, model.ReasonLogFull, n, kernelFullResumed)
	return n
}

// note counts that entries are stored again after one was passed on.
func (f *fastPath) note(passed *bool, seen *uint64, why model.Reason, stored int, situation string) {
	if stored > 0 && *passed {
		*passed = false
		f.s.c.situations[situation]++
	}
	if n := f.slot.Counts[why]; n > *seen {
		*passed, *seen = true, n
	}
}

func (f *fastPath) remember(d transport.Datagram) {
	if len(d.Data) > wire.HeaderSize && d.Data[5] == byte(wire.KindAccept) {
		f.recent[f.next%len(f.recent)] = transport.Datagram{Addr: d.Addr, Data: bytes.Clone(d.Data)}
		f.next++
	}
}

// Claim is sometimes beaten by a copy of the packet that another CPU handles just then.
func (f *fastPath) Claim(op wire.Op) bool {
	if f.k.attached && f.k.rand.Intn(4) == 0 {
		for _, d := range f.recent {
			if frame, _, _, err := wire.Parse(bytes.Clone(d.Data)); err == nil && frame.Op == op {
				f.k.run(f.s, d)
				break
			}
		}
	}
	return f.slot.Claim(op)
}

func (f *fastPath) Lead(a paxos.Arm, acked []wire.Op) error {
	if f.spent(a) {
		return errExhausted
	}
	f.slot.Lead(f.config(a), acked, a.Last)
	return nil
}

func (f *fastPath) Retire()                                      { f.slot.Retire() }
func (f *fastPath) Extend(last wire.Op)                          { f.slot.Extend(last) }
func (f *fastPath) Cells(to []wire.Op) []wire.Op                 { return f.slot.Cells(to) }
func (f *fastPath) Acknowledge(member wire.ReplicaID, o wire.Op) { f.slot.Acknowledge(member, o) }

func (f *fastPath) Wake(m replica.WakeMode) {
	f.slot.Wake = map[replica.WakeMode]model.Wake{
		replica.WakeOnChosen: model.WakeOnChosen, replica.WakeNever: model.WakeNever, replica.WakeAlways: model.WakeAlways,
	}[m]
}

func (f *fastPath) Broadcast(size int) (wire.Addr, bool) {
	peers := f.s.c.peers(f.s.group)
	return peers[(int(f.s.self)+1)%len(peers)], f.k.attached && size <= wire.HeaderSize+model.MaxBody && len(peers) > 1
}
