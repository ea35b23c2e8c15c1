package transport

import (
	"net/netip"
	"sync"
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

// A deadline that an earlier wait has left behind ends no later one, neither one that came to pass nor one by which a sleeper was
// woken.
func TestWaitsLastAsLongAsTheyShould(t *testing.T) {
	listen := func() *udpConn {
		c, err := ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.(*udpConn)
	}
	c, peer := listen(), listen()
	into := make([]Datagram, 4)
	receive := func(wait time.Duration, want int) (took time.Duration) {
		t.Helper()
		began := time.Now()
		if n, err := c.Recv(into, wait); n != want || err != nil {
			t.Fatalf("received %d, %v; want %d", n, err, want)
		}
		return time.Since(began)
	}
	var one sync.Mutex
	arrive := func() {
		one.Lock()
		defer one.Unlock()
		send(t, peer, Datagram{Addr: c.Local(), Data: []byte{1}})
	}
	const short, long = 30 * time.Millisecond, 150 * time.Millisecond
	for what, leave := range map[string]func(){
		"a short wait that ends early": func() { arrive(); receive(short, 1) },
		"a short wait":                 func() { receive(short, 0) },
		"a late bell":                  func() { arrive(); receive(time.Hour, 1); c.ring() },
		"a wake":                       func() { c.Wake(); receive(time.Hour, 0) },
		"a long wait that ends early":  func() { arrive(); receive(time.Hour, 1) },
	} {
		leave()
		if took := receive(long, 0); took < long {
			t.Errorf("after %s a wait of %v ended after %v", what, long, took)
		}
		leave()
		time.AfterFunc(long, arrive)
		receive(time.Minute, 1)
		leave()
		time.AfterFunc(long, c.Wake)
		if took := receive(time.Minute, 0); took < long || took > 20*time.Second {
			t.Errorf("after %s a sleeper was woken after %v", what, took)
		}
	}
}

// While one datagram after another arrives the deadline is left alone.
func TestBusyWaitsKeepTheirDeadline(t *testing.T) {
	c, err := ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	into := make([]Datagram, 4)
	var armed time.Time
	var one sync.Mutex
	arrive := func() {
		one.Lock()
		defer one.Unlock()
		_ = c.Send([]Datagram{{Addr: c.Local(), Data: []byte{1}}})
	}
	for i := range 100 {
		time.AfterFunc(100*time.Microsecond, arrive)
		if n, err := c.Recv(into, time.Hour); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if now := c.(*udpConn).recv.armed; i > 0 && now != armed {
			t.Fatal("the deadline was set anew")
		} else {
			armed = now
		}
	}
}
