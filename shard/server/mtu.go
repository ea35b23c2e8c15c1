package server

import (
	"net"
	"net/netip"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	// headroomBytes of the MTU are left to the headers of IP and UDP and to tunnels on the way.
	headroomBytes = 100
	// maxDatagramBytes bounds what is packed where the MTU would allow more, as on loopback: beyond it a
	// larger datagram saves nothing, and one that is lost costs more.
	maxDatagramBytes = 16 << 10
)

// datagramBytes is what one datagram may carry on the interface that has the address: it leaves the machine
// in one piece, because fragments are lost together and the fast path refuses them.
func datagramBytes(addr netip.Addr) int {
	interfaces, err := net.Interfaces()
	if err != nil {
		return transport.LimitBytes
	}
	for _, i := range interfaces {
		if has(&i, addr) {
			return min(max(i.MTU-headroomBytes, transport.LimitBytes), maxDatagramBytes)
		}
	}
	return transport.LimitBytes
}

func has(i *net.Interface, addr netip.Addr) bool {
	addrs, err := i.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		// All of 127.0.0.0/8 is the loopback interface's.
		if err == nil && (prefix.Addr() == addr || addr.IsLoopback() && prefix.Addr().IsLoopback()) {
			return true
		}
	}
	return false
}

// sizes fills in what depends on the interface: the largest datagram, and a batch that fits one.
func (c *Config) sizes(addr wire.Addr) {
	if c.DatagramBytes == 0 {
		c.DatagramBytes = datagramBytes(addr.Addr())
	}
	if c.Limits.BatchBytes == 0 {
		c.Limits.BatchBytes = c.DatagramBytes - wire.HeaderSize
	}
}
