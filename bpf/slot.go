//go:build linux

package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/anodekv/anode/paxos/wire"
)

// Key says which packets are a slot's: those of its group, to or from its address.
type Key struct {
	Addr  wire.Addr
	Group wire.GroupID
}

func (k Key) String() string { return fmt.Sprintf("%v at %v", k.Group, k.Addr) }

var (
	// ErrTaken says that the address and group have a slot already.
	ErrTaken = errors.New("bpf: slot taken")
	// ErrExhausted says that a slot cannot be armed again, because its generations or the ops have come near the
	// end of what a word holds. A slot that is opened anew somewhere else has its generations before it.
	ErrExhausted = errors.New("bpf: generations or ops exhausted")
)

// Slot is one replica's share of the kernel. Its methods belong to one goroutine.
type Slot struct {
	kernel   *Kernel
	key      Key
	index    uint32
	hardware [6]byte // of the interface that has the address
	ifindex  int
	control  *kernelControl
	log      *ebpf.Map
	records  memory[kernelRecord]

	// base is what a follower's words count from since the last Arm.
	base epochBase
	// Invariant: cursor <= the op of control.Word; everything up to it was drained or never claimed here.
	cursor offset
	// claimed are the ops above cursor that user space claimed, in order.
	claimed []offset

	// leadBase is what a leader's cells count from since the last Lead.
	leadBase epochBase
	members  int // of the group that the slot leads
	self     wire.ReplicaID
}

// Open gives a replica a slot, fenced. The address must be on an interface of this machine; the programs answer
// only frames that came to its hardware address. It fails with [ErrTaken] or [ErrConfig].
func (k *Kernel) Open(key Key) (*Slot, error) {
	addr, port, err := endpoint(key.Addr)
	if err != nil {
		return nil, err
	}
	ifi, err := InterfaceOf(key.Addr)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &Slot{kernel: k, key: key, ifindex: ifi.Index}
	copy(s.hardware[:], ifi.HardwareAddr)
	if err := s.take(); err != nil {
		return nil, err
	}
	err = k.objects.Slots.Update(kernelSlotKey{Addr: addr, Port: port, Group: uint32(key.Group)}, s.index, ebpf.UpdateNoExist)
	if errors.Is(err, ebpf.ErrKeyExist) {
		err = fmt.Errorf("%w: %v", ErrTaken, key)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bpf: open a slot for %v: %w", key, err), s.free())
	}
	return s, nil
}

// take finds a free place and prepares it, before any packet can be directed to it.
func (s *Slot) take() error {
	k := s.kernel
	for int(s.index) < len(k.taken) && (k.taken[s.index] || k.worn(s.index)) {
		s.index++
	}
	if int(s.index) == len(k.taken) {
		return fmt.Errorf("%w: all %d slots of this kernel are in use, or have no generation left", ErrTaken, len(k.taken))
	}
	s.control = &k.controls.of[s.index]
	s.clear()
	if err := s.openLog(); err != nil {
		return fmt.Errorf("bpf: open the log of %v: %w", s.key, err)
	}
	k.taken[s.index] = true
	return nil
}

// worn reports whether a place has no generation left, for a follower or for a leader. Generations are never used
// twice, so nobody is given it any more.
func (k *Kernel) worn(index uint32) bool {
	c := &k.controls.of[index]
	return loadWord(&c.Word).generation() >= genMax || loadWord(&c.Lead).generation() >= genMax
}

// clear fences the place and forgets whose it was. The generations go on: a program that was stalled since then
// must not take the new owner's word for the old one's.
func (s *Slot) clear() {
	c := s.control
	storeWord(&c.Word, fencedFlag|pack(loadWord(&c.Word).generation(), 0))
	storeWord(&c.Lead, fencedFlag|pack(loadWord(&c.Lead).generation(), 0))
	storeWord(&c.Chosen, fencedFlag)
	for i := range c.Cells {
		storeWord(&c.Cells[i], fencedFlag)
		storeWord(&c.Neighbours[i], 0)
	}
	storeWord(&c.AckedAt, 0)
	s.Wake(WakeOnChosen)
}

func (s *Slot) openLog() (err error) {
	if s.log, err = ebpf.NewMap(s.kernel.log); err != nil {
		return err
	}
	if s.records, err = share[kernelRecord](s.log); err != nil {
		return errors.Join(err, s.log.Close())
	}
	row := make([]kernelCounters, ebpf.MustPossibleCPU())
	err = errors.Join(s.kernel.objects.Counts.Put(s.index, row), s.kernel.objects.Logs.Put(s.index, s.log))
	if err != nil {
		s.records.unmap()
		return errors.Join(err, s.log.Close())
	}
	return nil
}

// Close fences the slot and removes it. What was claimed and not drained is lost to this process: a replica that
// is to go on drains first.
func (s *Slot) Close() error {
	k := s.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Fence()
	s.Retire()
	addr, port, err := endpoint(s.key.Addr)
	if err != nil {
		panic(err) // it was opened with this key
	}
	err = k.objects.Slots.Delete(kernelSlotKey{Addr: addr, Port: port, Group: uint32(s.key.Group)})
	if err = errors.Join(err, s.free()); err != nil {
		return fmt.Errorf("bpf: close the slot of %v: %w", s.key, err)
	}
	return nil
}

func (s *Slot) free() error {
	err := s.kernel.objects.Logs.Delete(s.index)
	s.records.unmap()
	s.kernel.taken[s.index] = false
	return errors.Join(err, s.log.Close())
}

// config is the record of a generation; half tells a follower's from a leader's.
func (s *Slot) config(half int, g generation) *kernelConfig {
	return &s.kernel.configs.of[int(s.index)*configsPerSlot+half+int(g&1)]
}

// As in src/maps.h; a test holds the layout against the programs' behaviour.
const (
	configsPerSlot = 4
	configFollow   = 0
	configLead     = 2
)
