package transport

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
)

// Reject is why [Each] stopped before the end of a datagram. It is the sender's or the network's fault:
// count it, per reason, and go on.
type Reject uint8

const (
	// RejectNone: the whole datagram was good.
	RejectNone Reject = iota
	// RejectShort: the datagram is empty, or ends inside a frame.
	RejectShort
	// RejectMagic: not one of our frames.
	RejectMagic
	// RejectVersion: a frame of another version of the layout.
	RejectVersion
	// RejectKind: a kind that this version does not know.
	RejectKind
	// RejectReserved: bits are set that this version keeps clear.
	RejectReserved
	// RejectTooLarge: a body above the limit.
	RejectTooLarge
	// RejectMAC: the code is wrong, or the process has no key for the kind.
	RejectMAC

	// Rejects is the number of reasons, for arrays of counters.
	Rejects
)

var rejectNames = [Rejects]string{
	"none", "short", "magic", "version", "kind", "reserved", "too large", "mac",
}

func (r Reject) String() string {
	if r < Rejects {
		return rejectNames[r]
	}
	return fmt.Sprintf("Reject(%d)", uint8(r))
}

// Each calls fn with the frames of a datagram, in order, and reports how many were good. It stops at the first
// bad one and says why; what stood before it has been handed out by then, what stands behind it is not
// looked at, because nothing says where it would begin. The bodies live in the datagram.
func Each(datagram []byte, keys wire.Keys, fn func(wire.Frame)) (good int, bad Reject) {
	if len(datagram) == 0 {
		return 0, RejectShort
	}
	for len(datagram) > 0 {
		f, raw, rest, err := wire.Parse(datagram)
		if err != nil {
			return good, rejectOf(err)
		}
		if !keys.Verify(f.Kind, raw) {
			return good, RejectMAC
		}
		fn(f)
		good++
		datagram = rest
	}
	return good, RejectNone
}

// rejectOf is the reason that an error of [wire.Parse] stands for.
func rejectOf(err error) Reject {
	for r, target := range parseErrors {
		if target != nil && errors.Is(err, target) {
			return Reject(r)
		}
	}
	panic(err) // Parse has learned to fail in a way that is not counted here
}

var parseErrors = [Rejects]error{
	RejectShort:    wire.ErrShort,
	RejectMagic:    wire.ErrMagic,
	RejectVersion:  wire.ErrVersion,
	RejectKind:     wire.ErrKind,
	RejectReserved: wire.ErrReserved,
	RejectTooLarge: wire.ErrTooLarge,
}
