package replica

import (
	"errors"
	"fmt"
	"strings"
)

// Offloads is a set of the things that a fast path does in place of user space.
type Offloads uint8

const (
	// OffloadAck stores and acknowledges entries for a follower.
	OffloadAck Offloads = 1 << iota
	// OffloadBroadcast makes one packet to each follower of the one that the leader sends.
	OffloadBroadcast
	// OffloadQuorum counts acknowledgements for a leader, and wakes it only for those that matter.
	OffloadQuorum

	// NoOffloads leaves everything to user space.
	NoOffloads Offloads = 0
	// AllOffloads is all there is.
	AllOffloads = OffloadAck | OffloadBroadcast | OffloadQuorum
)

var (
	// ErrNoFastPath says that a machine, or a replica's configuration, has no fast path.
	ErrNoFastPath = errors.New("replica: no fast path here")
	// ErrOffload is returned for the name of an offload that does not exist.
	ErrOffload = errors.New("no such offload")
)

var offloadNames = []struct {
	name string
	set  Offloads
}{
	{"ack", OffloadAck}, {"broadcast", OffloadBroadcast}, {"quorum", OffloadQuorum},
}

// Has reports whether all of these are in the set.
func (o Offloads) Has(these Offloads) bool { return o&these == these }

// String lists the set as [ParseOffloads] reads it: "all", "none", or names with commas between them.
func (o Offloads) String() string {
	var names []string
	for _, n := range offloadNames {
		if o.Has(n.set) {
			names = append(names, n.name)
		}
	}
	switch {
	case len(names) == 0:
		return "none"
	case o.Has(AllOffloads):
		return "all"
	}
	return strings.Join(names, ",")
}

// ParseOffloads reads a set: "all", "none", or names with commas between them. It fails with [ErrOffload].
func ParseOffloads(s string) (Offloads, error) {
	switch s {
	case "all":
		return AllOffloads, nil
	case "none":
		return NoOffloads, nil
	}
	var set Offloads
words:
	for _, word := range strings.Split(s, ",") {
		for _, n := range offloadNames {
			if strings.TrimSpace(word) == n.name {
				set |= n.set
				continue words
			}
		}
		return NoOffloads, fmt.Errorf("%w: %q; choose all, none, or from ack, broadcast and quorum, with commas between them", ErrOffload, word)
	}
	return set, nil
}
