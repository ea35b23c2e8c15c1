//go:build linux

package bpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	// echoPatience bounds a proof: a card may be down for a second after a program was attached to its driver.
	echoPatience = 3 * time.Second
	// echoEvery is between two attempts; a few may get lost in the attachment.
	echoEvery = 50 * time.Millisecond
	// discardPort is where a proof addresses what it sends to other machines: nothing listens there, and
	// somebody who does throws it away (RFC 863).
	discardPort = 9
)

// ErrUnproven says that a program is attached and that no packet was seen to pass it. The error tells why.
var ErrUnproven = errors.New("bpf: not proven by a packet")

// Prove loads the programs, attaches them to an interface by a rung, has a packet pass them, and takes all away
// again. Peers are addresses of other machines on that interface; without any, the system's neighbours there are
// asked. It returns within four seconds, and fails with [ErrUnproven], [ErrPermission] or [ErrUnsupported].
func Prove(device string, r Rung, peers ...netip.Addr) (err error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("bpf: prove %v on %s: %w", r, device, err)
	}
	if err := unfit(ifi, r); err != nil {
		return err // before anything is done to the interface
	}
	k, err := Load(Options{LogSlots: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if _, err := k.Attach(ifi.Index, r); err != nil {
		return err
	}
	return k.Prove(ifi.Index, r, peers...)
}

// Prove shows that packets pass the programs that were attached to an interface by a rung. An attachment that the
// system accepts proves nothing: there are devices and virtual machines where no packet ever comes by.
//
// On a loopback it is the whole way: an entry is sent to a slot, stored and answered. Everywhere else only another
// machine can send what comes in, and its system does so for a datagram or the question for its hardware address,
// whether or not a node runs there. What is proven then is the way in, not that answers leave. Because answers of
// native XDP vanish on a veth whose other end has no program, that rung is refused on a veth.
func (k *Kernel) Prove(ifindex int, r Rung, peers ...netip.Addr) error {
	ifi, err := net.InterfaceByIndex(ifindex)
	if err != nil {
		return fmt.Errorf("bpf: prove %v: %w", r, err)
	}
	if err := unfit(ifi, r); err != nil {
		return err
	}
	if ifi.Flags&net.FlagLoopback != 0 {
		err = k.proveLoopback()
	} else {
		err = k.proveIngress(ifi, peers)
	}
	if err != nil {
		return fmt.Errorf("%v on %s: %w", r, ifi.Name, err)
	}
	return nil
}

// Unfit tells without a packet, and before anything is attached, why a rung is of no use on an interface, if that is
// known. It fails with [ErrUnproven] or [ErrUnsupported].
func Unfit(ifindex int, r Rung) error {
	ifi, err := net.InterfaceByIndex(ifindex)
	if err != nil {
		return fmt.Errorf("bpf: look at the interface for %v: %w", r, err)
	}
	return unfit(ifi, r)
}

func unfit(ifi *net.Interface, r Rung) error {
	switch {
	case ifi.Flags&net.FlagUp == 0:
		return fmt.Errorf("%v on %s: %w: the interface is down", r, ifi.Name, ErrUnproven)
	case r == RungXDPNative && ifi.Flags&net.FlagLoopback != 0:
		return fmt.Errorf("%v on %s: %w: a loopback has no driver to run it", r, ifi.Name, ErrUnsupported)
	case r == RungXDPNative && driver(ifi.Name) == "veth":
		return fmt.Errorf("%v on %s: %w: answers of native XDP leave a veth only where the other end has a program too, "+
			"which cannot be seen from here: take tcx", r, ifi.Name, ErrUnproven)
	}
	return nil
}

// driver names the driver of an interface. A veth stands in no bus of the system's tree and is asked.
func driver(device string) string {
	at, err := os.Readlink(filepath.Join("/sys/class/net", device, "device", "driver"))
	if err == nil {
		return filepath.Base(at)
	}
	if name, err := driverByIoctl(device); err == nil {
		return name
	}
	return ""
}

// proveIngress has other machines send something and waits until a packet is counted.
func (k *Kernel) proveIngress(ifi *net.Interface, peers []netip.Addr) error {
	if len(peers) == 0 {
		table, err := neighbours(ifi.Name)
		if err != nil {
			return fmt.Errorf("bpf: the neighbours of %s: %w", ifi.Name, err)
		}
		for addr := range table {
			peers = append(peers, addr)
		}
	}
	if len(peers) == 0 {
		return fmt.Errorf("%w: no other machine is known there that could send a packet: start another member's machine, or ping it", ErrUnproven)
	}
	before, err := k.seen()
	if err != nil {
		return err
	}
	for until := time.Now().Add(echoPatience); time.Now().Before(until); {
		for _, p := range peers {
			poke(p)
		}
		time.Sleep(echoEvery)
		if now, err := k.seen(); err != nil || now > before {
			return err
		}
	}
	return fmt.Errorf("%w: in %v no packet came by, though %v was sent to: it does not answer, or the driver goes past the programs",
		ErrUnproven, echoPatience, peers)
}

// poke makes a machine send something: its hardware address, or that nobody listens. What fails is tried again.
func poke(peer netip.Addr) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, discardPort)))
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte("anode"))
	_ = conn.Close()
}

// seen is how many packets have passed the programs, whoever they were for.
func (k *Kernel) seen() (n uint64, err error) {
	rows := []uint32{uint32(kernelLimitLIMIT_SLOTS)}
	k.mu.Lock()
	for i, taken := range k.taken {
		if taken {
			rows = append(rows, uint32(i))
		}
	}
	k.mu.Unlock()
	for _, row := range rows {
		counts, err := k.row(row)
		if err != nil {
			return 0, err
		}
		for r, c := range counts {
			if r < int(kernelReasonREASON_BROADCAST) { // those from there on are of the way out
				n += c
			}
		}
	}
	return n, nil
}

// proveLoopback sends an entry to a follower's slot and reads the answer.
func (k *Kernel) proveLoopback() error {
	leader, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("bpf: a socket for the proof: %w", err)
	}
	defer leader.Close()
	// The follower's socket is never read: it holds the port, and keeps the system from answering for it.
	follower, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("bpf: a socket for the proof: %w", err)
	}
	defer follower.Close()
	return k.echo(leader, follower)
}

// echo is one entry from socket to socket, with a slot at the second one that is gone when it returns.
func (k *Kernel) echo(leader, follower *net.UDPConn) (err error) {
	at := func(c *net.UDPConn) wire.Addr { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
	// A group of three needs a third address; nothing is ever sent there.
	c := Config{Cluster: 1, View: 1, Self: 1, Leader: 0, Members: []Member{
		{Addr: at(leader), Incarnation: 1}, {Addr: at(follower), Incarnation: 1},
		{Addr: netip.AddrPortFrom(at(leader).Addr(), discardPort), Incarnation: 1}}}
	s, err := k.Open(Key{Addr: at(follower)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Arm(c, 0); err != nil {
		return err
	}
	f := wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Cluster: c.Cluster, View: c.View, Op: 1, Incarnation: 1}}
	entry, err := f.Append(nil)
	if err != nil {
		return fmt.Errorf("bpf: a frame for the proof: %w", err)
	}
	buffer := make([]byte, 2*wire.HeaderSize)
	for until := time.Now().Add(echoPatience); time.Now().Before(until); {
		if _, err := leader.WriteToUDPAddrPort(entry, at(follower)); err != nil {
			return fmt.Errorf("bpf: send for the proof: %w", err)
		}
		_ = leader.SetReadDeadline(time.Now().Add(echoEvery))
		n, from, err := leader.ReadFromUDPAddrPort(buffer)
		if err != nil || from != at(follower) {
			continue
		}
		if f, _, _, err := wire.Parse(buffer[:n]); err == nil && f.Kind == wire.KindAccepted && f.Op == 1 {
			return nil
		}
	}
	if last, _ := s.Armed(); last == 1 {
		return fmt.Errorf("%w: an entry was stored and its answer did not come in %v: a filter drops it", ErrUnproven, echoPatience)
	}
	return fmt.Errorf("%w: an entry was sent and in %v did not come by", ErrUnproven, echoPatience)
}
