package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// OffloadMode says whether a node uses the kernel path.
type OffloadMode uint8

const (
	// OffloadOff attaches nothing. It is the zero value: what is put into a kernel is asked for.
	OffloadOff OffloadMode = iota
	// OffloadAuto uses it where that is possible, and tells why where it is not.
	OffloadAuto
	// OffloadOn fails to start where it is not possible.
	OffloadOn
)

var offloadModes = []string{OffloadOff: "off", OffloadAuto: "auto", OffloadOn: "on"}

func (m OffloadMode) String() string {
	if int(m) < len(offloadModes) {
		return offloadModes[m]
	}
	return fmt.Sprintf("OffloadMode(%d)", uint8(m))
}

// ParseOffloadMode reads auto, on or off.
func ParseOffloadMode(s string) (OffloadMode, error) {
	for m, name := range offloadModes {
		if s == name {
			return OffloadMode(m), nil
		}
	}
	return OffloadOff, fmt.Errorf("offload is %q: choose auto, on or off", s)
}

var (
	// ErrOffload says that a node was to use the kernel path and cannot.
	ErrOffload = errors.New("the kernel path cannot be used")
	// ErrOffloadOff says that a node was started without the kernel path, so that it cannot be switched on.
	ErrOffloadOff = errors.New("this node was started with offload: off, and has nothing to switch on")
)

// StepDown is a way into the kernel that could not be used, and why.
type StepDown struct {
	Rung string `json:"rung"`
	Why  string `json:"why"`
}

// OffloadState is how far a node has come into the kernel.
type OffloadState struct {
	Mode OffloadMode
	// Device is the interface of the node's address.
	Device string
	// Rung is the way that is used, or nothing: then Why tells what keeps the node in user space.
	Rung string
	Why  string
	// NoBroadcast is why copies are made by user space all the same, if so.
	NoBroadcast string
	// Failed are the better ways that were tried before.
	Failed []StepDown
	// Settled: nothing is being tried any more, or for the first time.
	Settled bool
	// Elsewhere counts, by what the programs did with them, packets of no replica here; what is no whole frame of a group has
	// none. All nodes of a process share the programs, and this.
	Elsewhere map[string]uint64
}

// rung is the label of the way that is used.
func (s *OffloadState) rung() string {
	if s.Rung == "" {
		return "user_space"
	}
	return label(s.Rung)
}

func (s *OffloadState) String() string {
	var tried strings.Builder
	for _, f := range s.Failed {
		fmt.Fprintf(&tried, "; %s: %s", f.Rung, f.Why)
	}
	switch {
	case s.Rung != "":
		return fmt.Sprintf("%s on %s%s", s.Rung, s.Device, tried.String())
	case !s.Settled:
		return "still being tried on " + s.Device
	}
	return "user space, because " + s.Why + tried.String()
}

// LaneStatus is what the kernel does for one replica.
type LaneStatus struct {
	replica.FastStats
	// Why is why the replica has no part of the kernel, if it has none and should.
	Why string
	// Pending is how many ops the programs have stored that the replica has not taken over, of Room.
	Pending, Room int
	// Reasons counts packets by what the programs did with them.
	Reasons map[string]uint64
}

// offloaded is the set that a node begins with.
func (m OffloadMode) offloaded() replica.Offloads {
	if m == OffloadOff {
		return replica.NoOffloads
	}
	return replica.AllOffloads
}

// unsafeWithoutKey refuses what a node would take from anybody: the programs run before the checksum of UDP was looked
// at, and without a key nothing else tells a damaged entry from a sound one. On a loopback nothing is damaged.
func unsafeWithoutKey(keys wire.Keys, addr wire.Addr) error {
	if keys.Replica.Zero() && !addr.Addr().IsLoopback() {
		return fmt.Errorf("%w: there are no keys, and without one the programs cannot tell a damaged packet: give the cluster a key file", bpf.ErrConfig)
	}
	return nil
}
