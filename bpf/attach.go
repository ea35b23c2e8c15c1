//go:build linux

package bpf

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Rung is a way to receive packets before the network stack does, the fastest first.
type Rung uint8

const (
	// RungXDPNative runs in the driver. It does not attach to loopback; a veth sends its answers only where the
	// other end has an XDP program too.
	RungXDPNative Rung = iota
	// RungTCX runs behind the driver, before everything else, on any interface, beside other programs. From 6.6.
	RungTCX
	// RungXDPGeneric runs where tcx does. It takes one program per interface, and the system does not show it what
	// another program of the same machine has redirected: on a veth, copies of a broadcast and tcx's answers.
	RungXDPGeneric
)

func (r Rung) String() string {
	switch r {
	case RungXDPNative:
		return "native XDP"
	case RungTCX:
		return "tcx"
	case RungXDPGeneric:
		return "generic XDP"
	}
	return fmt.Sprintf("Rung(%d)", uint8(r))
}

// Attach puts acknowledgement and quorum on an interface. The link belongs to this process and ends with it, or
// when it is closed, or with the Kernel. One Kernel must not be attached to one interface twice.
func (k *Kernel) Attach(ifindex int, r Rung) (io.Closer, error) {
	var l link.Link
	var err error
	switch r {
	case RungXDPNative:
		l, err = link.AttachXDP(link.XDPOptions{Program: k.objects.AnodeXdp, Interface: ifindex, Flags: link.XDPDriverMode})
	case RungXDPGeneric:
		l, err = link.AttachXDP(link.XDPOptions{Program: k.objects.AnodeXdp, Interface: ifindex, Flags: link.XDPGenericMode})
	case RungTCX:
		l, err = link.AttachTCX(link.TCXOptions{Program: k.objects.AnodeIngress, Interface: ifindex, Attach: ebpf.AttachTCXIngress})
	default:
		panic(fmt.Sprintf("bpf: no way to attach as %v", r))
	}
	if err != nil {
		return nil, explain(fmt.Errorf("attach as %v to %s: %w", r, name(ifindex), err))
	}
	return k.keep(l), nil
}

// AttachBroadcast puts the broadcast on an interface's way out, by tcx. It changes only frames with the broadcast
// flag from the address of a slot that leads.
func (k *Kernel) AttachBroadcast(ifindex int) (io.Closer, error) {
	l, err := link.AttachTCX(link.TCXOptions{Program: k.objects.AnodeEgress, Interface: ifindex, Attach: ebpf.AttachTCXEgress})
	if err != nil {
		return nil, explain(fmt.Errorf("attach the broadcast to %s: %w", name(ifindex), err))
	}
	return k.keep(l), nil
}

// attachment is a link that its Kernel closes unless it was closed before.
type attachment struct {
	k    *Kernel
	link io.Closer
	once sync.Once
	err  error
}

func (k *Kernel) keep(l io.Closer) io.Closer {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links = append(k.links, l)
	return &attachment{k: k, link: l}
}

func (a *attachment) Close() error {
	a.once.Do(func() {
		a.k.mu.Lock()
		defer a.k.mu.Unlock()
		if i := slices.Index(a.k.links, a.link); i >= 0 {
			a.k.links = slices.Delete(a.k.links, i, i+1)
			a.err = a.link.Close()
		}
	})
	return a.err
}

// name names an interface in an error.
func name(ifindex int) string {
	if i, err := net.InterfaceByIndex(ifindex); err == nil {
		return i.Name
	}
	return fmt.Sprintf("interface %d", ifindex)
}
