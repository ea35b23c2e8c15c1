package transport

import (
	"net"
	"net/netip"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

func TestDatagramsFitTheInterface(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		want := min(max(i.MTU-headroomBytes, LimitBytes), maxPackedBytes)
		for _, addr := range []string{"127.0.0.1", "127.8.8.8"} {
			if got := BytesAt(netip.MustParseAddr(addr)); got != want {
				t.Errorf("%s: %d bytes, want %d of an MTU of %d", addr, got, want, i.MTU)
			}
			to := netip.AddrPortFrom(netip.MustParseAddr(addr), 9)
			if got := BytesTo([]wire.Addr{to}); got != want {
				t.Errorf("to %v: %d bytes, want %d", to, got, want)
			}
		}
	}
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} { // which nobody has
		if got := BytesAt(netip.MustParseAddr(addr)); got != LimitBytes {
			t.Errorf("%s: %d bytes", addr, got)
		}
	}
	if got := BytesTo(nil); got != LimitBytes {
		t.Errorf("to nobody: %d bytes", got)
	}
}

// What leaves by an interface that carries much may meet one that carries less: where one server is on another machine, or nowhere, all
// are sent an Ethernet frame.
func TestOtherMachinesAreSentAnEthernetFrame(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:9")
	if got := BytesTo([]wire.Addr{loopback, loopback}); got <= LimitBytes {
		t.Fatalf("%d bytes to this machine", got)
	}
	for _, other := range []wire.Addr{netip.MustParseAddrPort("192.0.2.1:9"), {}} {
		for _, servers := range [][]wire.Addr{{loopback, other}, {other, loopback}} {
			if got := BytesTo(servers); got != LimitBytes {
				t.Errorf("%d bytes to %v", got, servers)
			}
		}
	}
}
