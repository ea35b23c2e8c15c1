package transport

import (
	"net/netip"
	"testing"
	"time"
)

// A Conn begins with room for a few datagrams, because most wait for one at a time. A burst makes room for as many as one call
// takes at most.
func TestABurstMakesRoom(t *testing.T) {
	open := func() Conn {
		c, err := ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	alice, bob := open(), open()
	const burst = 2 + 4 + 8 + 16 + 32
	for i := range burst {
		send(t, alice, Datagram{Addr: bob.Local(), Data: []byte{byte(i)}})
	}
	into := make([]Datagram, 2*recvBatch)
	most := 0
	for got := 0; got < burst; {
		n, err := bob.Recv(into, 5*time.Second)
		if err != nil || n == 0 {
			t.Fatalf("%d of %d have arrived: %v", got, burst, err)
		}
		for i, d := range into[:n] {
			if len(d.Data) != 1 || d.Data[0] != byte(got+i) {
				t.Fatalf("datagram %d is %x", got+i, d.Data)
			}
		}
		got, most = got+n, max(most, n)
	}
	if most != recvBatch {
		t.Errorf("no more than %d came at once, of %d that waited", most, burst)
	}
	if r := &bob.(*udpConn).recv; len(r.buffers) != recvBatch {
		t.Errorf("room for %d", len(r.buffers))
	}
	if r := &alice.(*udpConn).recv; len(r.buffers) != firstBuffers {
		t.Errorf("room for %d where nothing arrived", len(r.buffers))
	}
}
