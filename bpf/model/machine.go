package model

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// MaxBody is the largest body that the programs carry.
const MaxBody = 1400

// Hardware is a hardware address.
type Hardware [6]byte

// Key says which packets are a slot's.
type Key struct {
	Addr  wire.Addr
	Group wire.GroupID
}

// Member is one replica of a group.
type Member struct {
	Addr        wire.Addr
	Incarnation wire.Incarnation
}

// Config is what holds for one generation of a slot.
type Config struct {
	Cluster  wire.ClusterID
	View     wire.View
	Self     wire.ReplicaID
	Leader   wire.ReplicaID
	Members  []Member
	Key      wire.Key
	Hardware Hardware // our own
}

func (c *Config) quorum() int { return len(c.Members) / 2 }

// Record is one place of a follower's log.
type Record struct {
	Tag Word
	// Frame is the frame as it came.
	Frame []byte
}

// Slot is one replica's share of a kernel.
type Slot struct {
	machine *Machine
	key     Key

	Word     Word
	AckedAt  wire.Time
	Released Word
	Log      []Record
	follow   [2]Config // by the parity of the generation

	LeadWord   Word
	LeadLast   Word
	Wake       Wake
	ChosenMark Word
	Cell       [wire.MaxReplicas]Word
	lead       [2]Config
	// Neighbours are the members' hardware addresses where they are known.
	Neighbours [wire.MaxReplicas]*Hardware

	// Counts are packets by reason.
	Counts [Reasons]uint64

	// What user space keeps for itself, see user.go.
	cursor  Offset
	claimed []Offset
}

// Machine is one kernel.
type Machine struct {
	logSlots int
	slots    []*Slot
	// Elsewhere counts what belongs to no slot.
	Elsewhere [Reasons]uint64
	// Now is the boot-time clock.
	Now wire.Time
	// OpMax is the largest op that a word is taken to hold; it may be set to less than the constant.
	OpMax Offset
	// Between, if it is set, is called where another CPU could act: after all checks and before the claim. Behind is
	// called between the publication of a record and the answer.
	Between, Behind func()
	// scratchOp is the cell that must not exist, see the mistake global-scratch.
	scratchOp wire.Op
}

// NewMachine returns a kernel whose followers' logs have so many places, a power of two.
func NewMachine(logSlots int) *Machine { return &Machine{logSlots: logSlots, OpMax: OpMax} }

// Open gives a replica a slot, fenced. A key that has one already is a bug.
func (m *Machine) Open(key Key) *Slot {
	if m.find(key) != nil {
		panic("model: slot taken")
	}
	s := &Slot{machine: m, key: key, Word: Fenced, LeadWord: Fenced, ChosenMark: Fenced, Log: make([]Record, m.logSlots)}
	for i := range s.Cell {
		s.Cell[i] = Fenced
	}
	m.slots = append(m.slots, s)
	return s
}

// Close removes the slot.
func (s *Slot) Close() {
	s.Fence()
	s.Retire()
	s.machine.slots = slices.DeleteFunc(s.machine.slots, func(o *Slot) bool { return o == s })
}

// find returns the slot of a key, or nil. A machine has few: no map is needed.
func (m *Machine) find(key Key) *Slot {
	for _, s := range m.slots {
		if s.key == key {
			return s
		}
	}
	return nil
}

func (m *Machine) between() {
	if m.Between != nil {
		m.Between()
	}
}

func (m *Machine) behind() {
	if m.Behind != nil {
		m.Behind()
	}
}
