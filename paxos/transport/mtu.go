package transport

import (
	"net"
	"net/netip"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	// headroomBytes of the MTU are left to the headers of IP and UDP and to tunnels on the way.
	headroomBytes = 100
	// maxPackedBytes bounds what is packed where the MTU would allow more, as on loopback: beyond it a
	// larger datagram saves nothing, and one that is lost costs more.
	maxPackedBytes = 16 << 10
)

// BytesAt is what one datagram may carry on the interface that has the address: it leaves the machine
// in one piece, because fragments are lost together and the fast path refuses them.
func BytesAt(local netip.Addr) int {
	interfaces, err := net.Interfaces()
	if err != nil {
		return LimitBytes
	}
	for _, i := range interfaces {
		if has(&i, local) {
			return min(max(i.MTU-headroomBytes, LimitBytes), maxPackedBytes)
		}
	}
	return LimitBytes
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

// BytesTo is what one datagram may carry to any of the addresses: what the interfaces carry that have them, where all are this
// machine's own, and [LimitBytes] else. What lies between two machines may carry less than the interface here and never tell,
// and then each large datagram would be lost.
func BytesTo(remote []wire.Addr) int {
	if len(remote) == 0 {
		return LimitBytes
	}
	least, known := maxPackedBytes, map[netip.Addr]bool{}
	for _, to := range remote {
		if addr := to.Addr().Unmap(); !known[addr] {
			known[addr] = true
			least = min(least, BytesAt(addr))
		}
	}
	return least
}
