package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

const (
	// neighboursEvery is how often a leader looks its followers' hardware addresses up: one that has moved to another
	// card is sent to there after so long. A look takes some ten microseconds.
	neighboursEvery = time.Second
	// headersBytes stand before a frame in a packet: IP and UDP.
	headersBytes = 20 + 8
)

// lane is one replica's way through the kernel: the fast path that it is given. All but its opening and closing is done
// by the replica's own goroutine.
type lane struct {
	device *device
	peers  []wire.Addr
	// fixed is what is the same in every generation.
	fixed bpf.Config
	key   bpf.Key

	slot *bpf.Slot // nil until it is needed
	// closed: nothing is opened again. why is what keeps the replica out of the kernel for good.
	closed bool
	why    error
	// acked is when slots that were closed since have acknowledged last.
	acked wire.Time
	wake  bpf.WakeMode
	// led is what the slot was told to count with, while it leads.
	led *bpf.Config
	// Invariant: reachable only while led; every other member's hardware address was known at looked.
	reachable bool
	looked    time.Time
	via       wire.Addr
}

var _ replica.FastPath = (*lane)(nil)

// openLane gives a replica its fast path. It fails where the kernel can never serve such a replica.
func openLane(d *device, c replica.Config) (*lane, error) {
	self := c.Peers[c.Self]
	if err := unsafeWithoutKey(c.Keys, self); err != nil {
		return nil, err
	}
	l := &lane{device: d, peers: c.Peers, key: bpf.Key{Addr: self, Group: c.Group}, wake: bpf.WakeOnChosen}
	l.fixed = bpf.Config{Cluster: c.Cluster, Self: c.Self, Key: c.Keys.Replica.Bytes()}
	for i, a := range c.Peers {
		if !a.Addr().Unmap().Is4() {
			return nil, fmt.Errorf("%w: %v is IPv6, and the programs read IPv4 alone", bpf.ErrConfig, a)
		}
		if wire.ReplicaID(i) != c.Self && !l.via.IsValid() {
			l.via = a
		}
	}
	return l, nil
}

// Offers tells what the interface offers at present.
func (l *lane) Offers() replica.Offloads {
	if l.closed || l.why != nil {
		return replica.NoOffloads
	}
	return l.device.offers()
}

// config is the configuration of one generation.
func (l *lane) config(a *paxos.Arm) bpf.Config {
	c := l.fixed
	c.View, c.Leader = a.View, a.Leader
	c.Members = make([]bpf.Member, len(l.peers))
	for i, addr := range l.peers {
		c.Members[i] = bpf.Member{Addr: addr, Incarnation: a.Vector[i]}
	}
	return c
}

// begin starts a generation of the slot. One whose generations are used up is replaced.
func (l *lane) begin(start func() error) error {
	err := l.open()
	if err == nil {
		err = start()
	}
	if errors.Is(err, bpf.ErrExhausted) {
		if err := errors.Join(l.shut(), l.open()); err != nil {
			return err
		}
		err = start() // it fails again if it is the ops that are used up
	}
	if errors.Is(err, bpf.ErrConfig) {
		l.why = err // it will not be otherwise in the next view
	}
	return err
}

// open takes a slot.
func (l *lane) open() error {
	if l.slot != nil {
		return nil
	}
	if l.closed {
		return replica.ErrNoFastPath
	}
	slot, err := l.device.open(l.key)
	if err != nil {
		return err
	}
	l.slot = slot
	l.slot.Wake(l.wake)
	return nil
}

// shut gives the slot back.
func (l *lane) shut() error {
	if l.slot == nil {
		return nil
	}
	slot := l.slot
	l.slot, l.led, l.reachable = nil, nil, false
	slot.Fence()
	l.acked = max(l.acked, slot.AckedAt())
	return slot.Close()
}

// close ends the lane: its slot is fenced and removed, and the interface left. The replica has ended.
func (l *lane) close() error {
	l.closed = true
	err := l.shut()
	l.device.leave()
	return err
}

// Arm lets the programs acknowledge.
func (l *lane) Arm(a paxos.Arm) error {
	c := l.config(&a)
	return l.begin(func() error { return l.slot.Arm(c, a.Last) })
}

// Worn reports that the slot's words come to their end.
func (l *lane) Worn() bool { return l.slot != nil && l.slot.Worn() }

// Fence takes the end of the log back.
func (l *lane) Fence(take func(wire.Frame)) wire.Time {
	if l.slot == nil {
		return l.acked
	}
	l.slot.Fence()
	l.slot.Drain(take)
	return max(l.acked, l.slot.AckedAt())
}

// Drain gives what was stored.
func (l *lane) Drain(take func(wire.Frame)) {
	if l.slot != nil {
		l.slot.Drain(take)
	}
}

// Claim takes an op for user space.
func (l *lane) Claim(op wire.Op) bool { return l.slot != nil && l.slot.Claim(op) }

// Lead lets the programs count.
func (l *lane) Lead(a paxos.Arm, acked []wire.Op) error {
	c := l.config(&a)
	if err := l.begin(func() error { return l.slot.Lead(c, acked, a.Last) }); err != nil {
		return err
	}
	l.led = &c
	l.look(time.Now())
	return nil
}

// Retire stops the counting.
func (l *lane) Retire() {
	l.led, l.reachable = nil, false
	if l.slot != nil {
		l.slot.Retire()
	}
}

// Extend tells the end of the log.
func (l *lane) Extend(last wire.Op) {
	if l.slot != nil {
		l.slot.Extend(last)
	}
}

// Cells reads the counts.
func (l *lane) Cells(to []wire.Op) []wire.Op {
	if l.slot == nil {
		return to
	}
	return l.slot.Cells(to)
}

// Acknowledge enters what user space has heard.
func (l *lane) Acknowledge(member wire.ReplicaID, op wire.Op) {
	if l.slot != nil {
		l.slot.Acknowledge(member, op)
	}
}

var wakeModes = [...]bpf.WakeMode{
	replica.WakeOnChosen: bpf.WakeOnChosen, replica.WakeNever: bpf.WakeNever, replica.WakeAlways: bpf.WakeAlways,
}

// Wake says what is passed up. It holds across slots.
func (l *lane) Wake(m replica.WakeMode) {
	l.wake = wakeModes[m]
	if l.slot != nil {
		l.slot.Wake(l.wake)
	}
}

// Broadcast reports whether one datagram reaches all.
func (l *lane) Broadcast(size int) (wire.Addr, bool) {
	if l.led == nil || size+headersBytes > l.device.mtu || !l.device.offers().Has(replica.OffloadBroadcast) {
		return wire.Addr{}, false
	}
	if now := time.Now(); now.Sub(l.looked) >= neighboursEvery {
		l.look(now)
	}
	return l.via, l.reachable
}

// look takes the followers' hardware addresses from the system's table. As long as one is missing user space sends to
// each by itself, which makes the system ask for it.
func (l *lane) look(now time.Time) {
	l.looked = now
	missing, err := l.slot.RefreshNeighbours(*l.led)
	l.reachable = err == nil && len(missing) == 0
}

// tell describes the lane. It is called in the replica's goroutine.
func (l *lane) tell(to *LaneStatus) {
	if l.why != nil {
		to.Why = l.why.Error()
	}
	if l.slot == nil {
		return
	}
	if _, armed := l.slot.Armed(); armed {
		to.Pending = l.slot.Pending()
	}
	to.Room = l.device.room()
	counts, err := l.slot.Counters()
	if err != nil {
		to.Why = err.Error()
		return
	}
	to.Reasons = packetsByReason(counts)
}

// packetsByReason names what was counted.
func packetsByReason(counts bpf.Counters) map[string]uint64 {
	named := map[string]uint64{}
	for r, n := range counts {
		if n > 0 {
			named[bpf.Reason(r).String()] = n
		}
	}
	return named
}
