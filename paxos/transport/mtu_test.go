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
	if got := BytesTo([]wire.Addr{netip.MustParseAddrPort("192.0.2.1:9")}); got != LimitBytes { // another machine, whatever leads to it
		t.Errorf("to another machine: %d bytes", got)
	}
	if got := BytesTo(nil); got != LimitBytes {
		t.Errorf("to nobody: %d bytes", got)
	}
}

// A cluster on several interfaces is sent what the smallest of them takes.
func TestTheSmallestInterfaceDecides(t *testing.T) {
	loopback, nowhere := netip.MustParseAddrPort("127.0.0.1:9"), netip.AddrPort{}
	if got := BytesTo([]wire.Addr{loopback, nowhere, loopback}); got != LimitBytes {
		t.Errorf("%d bytes where one address leads nowhere", got)
	}
}
