//go:build !linux

package bpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/anodekv/anode/paxos/wire"
)

// MaxBody is the largest body that the programs carry.
const MaxBody = 1400

// Rung is a way to receive packets before the network stack does; there is none here.
type Rung uint8

// The rungs of Linux.
const (
	RungXDPNative Rung = iota
	RungTCX
	RungXDPGeneric
)

func (r Rung) String() string { return [...]string{"native XDP", "tcx", "generic XDP"}[r] }

var (
	// ErrPermission says that this process may not do it.
	ErrPermission = errors.New("bpf: not permitted")
	// ErrUnsupported says that this system cannot do it.
	ErrUnsupported = errors.New("bpf: not supported here")
	// ErrUnproven says that a program is attached and that no packet was seen to pass it.
	ErrUnproven = errors.New("bpf: not proven by a packet")
	// ErrConfig says that the fast path cannot serve such a group.
	ErrConfig = errors.New("bpf: not for the fast path")
)

var errSystem = fmt.Errorf("%w: the programs are for Linux, and this is %s", ErrUnsupported, runtime.GOOS)

// Probe fails with [ErrUnsupported].
func Probe() error { return errSystem }

// Prove fails with [ErrUnsupported].
func Prove(string, Rung, ...netip.Addr) error { return errSystem }

// InterfaceOf fails with [ErrUnsupported].
func InterfaceOf(wire.Addr) (*net.Interface, error) { return nil, errSystem }
