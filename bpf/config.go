//go:build linux

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/anodekv/anode/paxos/wire"
)

// MaxBody is the largest body that the programs carry. A larger entry is passed up, and user space takes it after
// [Slot.Claim].
const MaxBody = int(kernelLimitLIMIT_BODY)

// Member is one replica of the group, as the programs must find it in packets.
type Member struct {
	Addr        wire.Addr
	Incarnation wire.Incarnation
}

// Config is what holds for one generation of a slot. The replica's own address is that of Members[Self].
type Config struct {
	Cluster wire.ClusterID
	View    wire.View
	Self    wire.ReplicaID
	Leader  wire.ReplicaID
	Members []Member
	// Key is the replicas' key as [wire.NewKey] takes it; zeros for none. Without a key nothing but the link's own
	// checksum protects an entry that the kernel acknowledges, because the programs run before UDP's is looked at.
	Key [wire.KeySize]byte
}

// ErrConfig says that the fast path cannot serve such a group. User space can.
var ErrConfig = errors.New("bpf: not for the fast path")

// record lays the configuration out for the programs.
func (s *Slot) record(c *Config) (kernelConfig, error) {
	n := len(c.Members)
	switch {
	case n < 1 || n > int(kernelLimitLIMIT_MEMBERS) || n%2 == 0:
		return kernelConfig{}, fmt.Errorf("%w: a group of %d", ErrConfig, n)
	case int(c.Self) >= n || int(c.Leader) >= n:
		return kernelConfig{}, fmt.Errorf("%w: %v led by %v in a group of %d", ErrConfig, c.Self, c.Leader, n)
	case c.Members[c.Self].Addr != s.key.Addr:
		return kernelConfig{}, fmt.Errorf("%w: %v at %v in the slot of %v", ErrConfig, c.Self, c.Members[c.Self].Addr, s.key.Addr)
	}
	r := kernelConfig{
		Cluster: uint64(c.Cluster), View: uint64(c.View), Base: uint64(c.View.Epoch().Base()),
		Key:   [2]uint64{binary.LittleEndian.Uint64(c.Key[:8]), binary.LittleEndian.Uint64(c.Key[8:])},
		Group: uint32(s.key.Group), Incarnation: uint32(c.Members[c.Self].Incarnation),
		Self: uint16(c.Self), Leader: uint16(c.Leader), Members: uint16(n), Quorum: uint16(n / 2),
		Hardware: s.hardware,
	}
	for i, m := range c.Members {
		addr, port, err := endpoint(m.Addr)
		if err != nil {
			return kernelConfig{}, err
		}
		r.Member[i] = kernelMember{Addr: addr, Port: port, Incarnation: uint32(m.Incarnation)}
	}
	return r, nil
}

// endpoint is an address as its bytes stand in a packet.
func endpoint(a wire.Addr) (addr uint32, port uint16, err error) {
	ip := a.Addr().Unmap()
	if !ip.Is4() || a.Port() == 0 {
		return 0, 0, fmt.Errorf("%w: %v is no IPv4 endpoint", ErrConfig, a)
	}
	b := ip.As4()
	return binary.NativeEndian.Uint32(b[:]), binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, a.Port())), nil
}

// InterfaceOf finds the interface that has an address. Every address of a loopback's network is the loopback's.
func InterfaceOf(a wire.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("bpf: list the interfaces: %w", err)
	}
	ip := net.IP(a.Addr().Unmap().AsSlice())
	for i := range all {
		addrs, err := all[i].Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		for _, have := range addrs {
			n, ok := have.(*net.IPNet)
			if ok && (n.IP.Equal(ip) || all[i].Flags&net.FlagLoopback != 0 && n.Contains(ip)) {
				return &all[i], nil
			}
		}
	}
	return nil, fmt.Errorf("%w: no interface has the address %v", ErrConfig, a.Addr())
}
