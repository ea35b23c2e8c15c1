package lab

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/anodekv/anode/paxos/wire"
)

// Way is a direction on a member's wire, seen from the member.
type Way int

const (
	// From the member to the bridge: behind its kernel path.
	From = Way(faultWayWAY_FROM)
	// To the member from the bridge: before its kernel path.
	To = Way(faultWayWAY_TO)
)

// NoFrame stands for the kind of all that is no datagram with a frame: ARP, streams, the admin endpoint.
const NoFrame = wire.Kind(0)

// Fault says what happens to packets: the share of them, from 0 to 1, that is met. What is not dropped may be met by
// several.
type Fault struct {
	Drop float64
	// Corrupt turns one bit of the datagram over. There is no checksum on these wires, or one of what was made of it: only
	// the frame's own code can tell.
	Corrupt float64
	// Duplicate sends a second one at once, Replay after a while.
	Duplicate, Replay float64
	// Delay keeps a packet for a while; others overtake it.
	Delay float64
	// Min and Max are how long Delay and Replay last: anything between, with equal chances.
	Min, Max time.Duration
}

// Count is what was done to packets.
type Count struct {
	Seen, Dropped, Corrupted, Duplicated, Replayed, Delayed uint64
	// Failed could not be met as they should have been, and went on.
	Failed uint64
}

// Faults are programs at all ports of a lab's bridge. They belong to this process and end with it. A datagram with
// several frames counts as one of its first frame's kind. Methods may be called by several goroutines, while packets
// pass.
type Faults struct {
	members []string
	objects faultObjects
	room    *room
	closers []io.Closer

	mu    sync.Mutex
	waits []span // by their numbers in the rules
}

// span is a range of time.
type span struct{ min, max time.Duration }

// Faults attaches the programs. With the same seed the n-th packet of a kind on a member's way meets the same fate
// under the same rule. [Lab.Heal] leaves them alone.
func (l *Lab) Faults(seed uint64) (*Faults, error) {
	f := &Faults{members: l.members()}
	err := inside(l.hub(), func() error { return f.attach(seed) })
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Faults) attach(seed uint64) (err error) {
	if f.room, err = openRoom(seed); err != nil {
		return err
	}
	spec, err := loadFault()
	if err != nil {
		return err
	}
	if err := errors.Join(spec.Variables[faultVarSeed].Set(seed), spec.Variables[faultVarWaitingRoom].Set(f.room.index)); err != nil {
		return err
	}
	if err := spec.LoadAndAssign(&f.objects, nil); err != nil {
		return fmt.Errorf("load the programs: %w", err)
	}
	for port, member := range f.members {
		device, err := net.InterfaceByName(member)
		if err != nil {
			return fmt.Errorf("port %s: %w", member, err)
		}
		number, index := uint32(port), uint32(device.Index)
		if err := errors.Join(f.objects.Ports.Put(index, number), f.objects.Interfaces.Put(number, index)); err != nil {
			return err
		}
		if err := errors.Join(f.put(f.objects.FaultFrom, device.Index, ebpf.AttachTCXIngress),
			f.put(f.objects.FaultTo, device.Index, ebpf.AttachTCXEgress)); err != nil {
			return err
		}
	}
	return f.put(f.objects.FaultResume, int(f.room.index), ebpf.AttachTCXIngress)
}

func (f *Faults) put(p *ebpf.Program, device int, where ebpf.AttachType) error {
	l, err := link.AttachTCX(link.TCXOptions{Program: p, Interface: device, Attach: where})
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	f.closers = append(f.closers, l)
	return nil
}

// Close takes the programs away. What is being delayed is lost.
func (f *Faults) Close() error {
	var failed []error
	for _, c := range f.closers {
		failed = append(failed, c.Close())
	}
	if f.room != nil {
		failed = append(failed, f.room.close())
	}
	if f.objects.FaultFrom != nil {
		failed = append(failed, f.objects.Close())
	}
	return errors.Join(failed...)
}

// Set makes a rule for kinds of frames on some ways of members, in place of the one before; nil stands for all of them.
func (f *Faults) Set(members []string, ways []Way, kinds []wire.Kind, fault Fault) error {
	cells, err := f.cells(members, ways, kinds)
	if err != nil {
		return err
	}
	rule, err := f.rule(fault)
	if err != nil {
		return err
	}
	if fault.Corrupt > 0 && slices.Contains(kinds, NoFrame) {
		return fmt.Errorf("%w: only datagrams with a frame are corrupted", ErrConfig)
	}
	for _, c := range cells {
		r := *rule
		if wire.Kind(c%kinds256) == NoFrame {
			r.Corrupt = 0
		}
		if err := f.objects.Rules.Put(c, r); err != nil {
			return err
		}
	}
	return nil
}

// Clear removes all rules. What is being delayed comes when its time has come.
func (f *Faults) Clear() error { return f.Set(nil, nil, nil, Fault{}) }

// Count adds up what has been done since the programs were attached; nil stands for all.
func (f *Faults) Count(members []string, ways []Way, kinds []wire.Kind) (sum Count, err error) {
	cells, err := f.cells(members, ways, kinds)
	for _, c := range cells {
		var t faultTally
		if err := f.objects.Tallies.Lookup(c, &t); err != nil {
			return sum, err
		}
		sum.Seen += t.Seen
		sum.Dropped += t.Dropped
		sum.Corrupted += t.Corrupted
		sum.Duplicated += t.Duplicated
		sum.Replayed += t.Replayed
		sum.Delayed += t.Delayed
		sum.Failed += t.Failed
	}
	return sum, err
}

const kinds256 = uint32(faultLimitLIMIT_KINDS)

func (f *Faults) cells(members []string, ways []Way, kinds []wire.Kind) (cells []uint32, err error) {
	if ways == nil {
		ways = []Way{From, To}
	}
	if members == nil {
		members = f.members
	}
	if kinds == nil {
		for k := range kinds256 {
			kinds = append(kinds, wire.Kind(k))
		}
	}
	for _, m := range members {
		port := slices.Index(f.members, m)
		if port < 0 {
			return nil, fmt.Errorf("%w: there is no member %q; there are %v", ErrConfig, m, f.members)
		}
		for _, w := range ways {
			for _, k := range kinds {
				cells = append(cells, (uint32(2*port)+uint32(w))*kinds256+uint32(k))
			}
		}
	}
	return cells, nil
}

// rule is what the programs know of a fault.
func (f *Faults) rule(fault Fault) (*faultRule, error) {
	r := &faultRule{}
	for _, share := range []struct {
		of float64
		to *uint32
	}{{fault.Drop, &r.Drop}, {fault.Corrupt, &r.Corrupt}, {fault.Duplicate, &r.Duplicate}, {fault.Replay, &r.Replay}, {fault.Delay, &r.Delay}} {
		if !(share.of >= 0 && share.of <= 1) {
			return nil, fmt.Errorf("%w: a share of %v: choose 0 to 1", ErrConfig, share.of)
		}
		*share.to = uint32(share.of * math.MaxUint32)
	}
	if fault.Replay == 0 && fault.Delay == 0 {
		return r, nil
	}
	if fault.Min < 0 || fault.Max < fault.Min || fault.Max > maxWait {
		return nil, fmt.Errorf("%w: a delay from %v to %v: choose up to %v", ErrConfig, fault.Min, fault.Max, maxWait)
	}
	n, err := f.wait(span{fault.Min, fault.Max})
	r.Wait = n
	return r, err
}

// wait numbers a range of time.
func (f *Faults) wait(s span) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.waits, s)
	if i < 0 {
		if len(f.waits) == int(faultLimitLIMIT_WAITS) {
			return 0, fmt.Errorf("%w: more than %d different ranges of delay", ErrConfig, faultLimitLIMIT_WAITS)
		}
		i = len(f.waits)
		f.waits = append(f.waits, s)
		f.room.setWaits(slices.Clone(f.waits))
	}
	return uint32(i), nil
}
