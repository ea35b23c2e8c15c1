package server

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// ladder is the ways into the kernel, the best first.
var ladder = []bpf.Rung{bpf.RungXDPNative, bpf.RungTCX, bpf.RungXDPGeneric}

const (
	// climbAgain is the first wait before the ladder is climbed again where nobody was there to prove it with; it
	// doubles up to climbAgainMax.
	climbAgain    = time.Second
	climbAgainMax = time.Minute
	// leavePatience bounds how long the end of a node waits for programs that are being tried.
	leavePatience = time.Second
)

// machine is the kernel of this process, shared by all nodes in it: the programs are loaded once, and stand once on each
// interface.
var machine = machines{devices: map[int]*device{}, ends: map[int]chan struct{}{}}

type machines struct {
	mu      sync.Mutex
	devices map[int]*device // by interface index
	// ends has the end of the last device of each interface: an interface is never attached to twice.
	ends map[int]chan struct{}

	loading sync.Mutex // held while the programs are loaded, which takes a second
	kernel  *bpf.Kernel
	loads   int // of kernel that were not given back
}

// load gives the kernel, to be given back.
func (m *machines) load() (*bpf.Kernel, error) {
	m.loading.Lock()
	defer m.loading.Unlock()
	if m.kernel == nil {
		k, err := bpf.Load(bpf.Options{})
		if err != nil {
			return nil, err
		}
		m.kernel = k
	}
	m.loads++
	return m.kernel, nil
}

// unload gives the kernel back; the last one removes the programs.
func (m *machines) unload() error {
	m.loading.Lock()
	defer m.loading.Unlock()
	if m.loads--; m.loads > 0 {
		return nil
	}
	k := m.kernel
	m.kernel = nil
	return k.Close()
}

// device is an interface that carries the kernel path. It is shared by the replicas whose address it has.
type device struct {
	name  string
	index int
	mtu   int

	users int // guarded by machines.mu
	// gone is closed when the last user has left; over when nothing of the device is left in the kernel.
	gone, over chan struct{}
	// first is closed when the ladder was climbed once, up when a rung holds.
	first, up chan struct{}

	offered atomic.Uint32 // replica.Offloads

	mu     sync.Mutex
	kernel *bpf.Kernel // nil unless up
	links  []io.Closer
	state  OffloadState
}

// useDevice takes part in the interface that has an address. The first one has it attached, in the background.
func useDevice(addr wire.Addr, peers []netip.Addr) (*device, error) {
	ifi, err := bpf.InterfaceOf(addr)
	if err != nil {
		return nil, err
	}
	machine.mu.Lock()
	defer machine.mu.Unlock()
	d := machine.devices[ifi.Index]
	if d == nil {
		d = &device{
			name: ifi.Name, index: ifi.Index, mtu: ifi.MTU,
			gone: make(chan struct{}), over: make(chan struct{}), first: make(chan struct{}), up: make(chan struct{}),
			state: OffloadState{Device: ifi.Name},
		}
		go d.run(peers, machine.ends[ifi.Index])
		machine.devices[ifi.Index], machine.ends[ifi.Index] = d, d.over
	}
	d.users++
	return d, nil
}

// leave is the end of one use. After the last one the programs are detached before it returns; what is just being
// tried is taken away when it has been tried.
func (d *device) leave() {
	machine.mu.Lock()
	d.users--
	last := d.users == 0
	if last {
		delete(machine.devices, d.index) // who comes from now on begins anew
		close(d.gone)
	}
	machine.mu.Unlock()
	if last {
		select {
		case <-d.over:
		case <-time.After(leavePatience):
		}
	}
}

// run attaches the programs, holds them as long as they are used, and takes them away.
func (d *device) run(peers []netip.Addr, before chan struct{}) {
	defer close(d.over)
	if before != nil {
		<-before
	}
	held := d.climb(peers)
	close(d.first)
	for wait := climbAgain; !held; wait = min(2*wait, climbAgainMax) {
		var again <-chan time.Time
		if !d.tell().Settled {
			again = time.After(wait)
		}
		select {
		case <-d.gone:
			return
		case <-again:
			held = d.climb(peers)
		}
	}
	close(d.up)
	<-d.gone
	d.descend()
}

// descend takes the programs from the interface.
func (d *device) descend() {
	d.offered.Store(uint32(replica.NoOffloads))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.links {
		_ = l.Close() // it ends with the process otherwise
	}
	d.kernel, d.links = nil, nil
	if err := machine.unload(); err != nil {
		panic(fmt.Sprintf("server: the slots were closed before: %v", err))
	}
}

// climb tries the ways into the kernel, the best first, and stays on the one that a packet proves.
func (d *device) climb(peers []netip.Addr) (held bool) {
	state := OffloadState{Device: d.name, Settled: true}
	kernel, err := machine.load()
	if err != nil {
		state.Why = err.Error()
		d.set(state)
		return false
	}
	var errs []error
	for _, r := range ladder {
		if d.left() {
			break
		}
		link, err := d.try(kernel, r, peers)
		if err != nil {
			errs = append(errs, err)
			// The rung and the interface stand beside it.
			why := strings.TrimPrefix(err.Error(), fmt.Sprintf("%v on %s: ", r, d.name))
			state.Failed = append(state.Failed, StepDown{r.String(), why})
			continue
		}
		state.Rung = r.String()
		d.hold(kernel, link, state)
		return true
	}
	state.Why = "no way into the kernel was proven on " + d.name
	// Where a program could be attached, and nobody was there to send a packet, somebody may come.
	state.Settled = !errors.Is(errors.Join(errs...), bpf.ErrUnproven)
	d.set(state)
	_ = machine.unload() // no slot was opened
	return false
}

// left reports whether nobody waits for the outcome any more.
func (d *device) left() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// try attaches the programs in one way, and has a packet prove it.
func (d *device) try(k *bpf.Kernel, r bpf.Rung, peers []netip.Addr) (io.Closer, error) {
	if err := bpf.Unfit(d.index, r); err != nil {
		return nil, err
	}
	link, err := k.Attach(d.index, r)
	if err != nil {
		return nil, err
	}
	if err := k.Prove(d.index, r, peers...); err != nil {
		return nil, errors.Join(err, link.Close())
	}
	return link, nil
}

// hold keeps what was proven, and adds the way out.
func (d *device) hold(k *bpf.Kernel, link io.Closer, state OffloadState) {
	offered := replica.OffloadAck | replica.OffloadQuorum
	links := []io.Closer{link}
	out, err := k.AttachBroadcast(d.index)
	if err == nil {
		offered |= replica.OffloadBroadcast
		links = append(links, out)
	} else {
		state.NoBroadcast = err.Error()
	}
	d.mu.Lock()
	d.kernel, d.links, d.state = k, links, state
	d.mu.Unlock()
	d.offered.Store(uint32(offered))
}

func (d *device) set(s OffloadState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = s
}

// room is how many ops each replica's log in the kernel holds.
func (d *device) room() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kernel == nil {
		return 0
	}
	return d.kernel.LogSlots()
}

// offers is what a replica may use now.
func (d *device) offers() replica.Offloads { return replica.Offloads(d.offered.Load()) }

// open gives a replica its slot.
func (d *device) open(key bpf.Key) (*bpf.Slot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kernel == nil {
		return nil, replica.ErrNoFastPath
	}
	return d.kernel.Open(key)
}

// tell describes how far the device has come.
func (d *device) tell() OffloadState {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := d.state
	if d.kernel != nil {
		if counts, err := d.kernel.Elsewhere(); err == nil { // or it is told of no packets, as it is of none of a replica
			state.Elsewhere = packetsByReason(counts)
		}
	}
	return state
}
