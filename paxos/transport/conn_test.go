package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/anodekv/anode/paxos/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One test, five networks. Each sentence about a Conn is checked on all:
//
//	     alice                         bob
//	owner ─── Send ──► [ network ] ──► [ queue ] ──► Recv ─── owner
//	                                       ▲  full: dropped, counted
//	                                       │
//	                    other goroutines ──┴── Wake, Stats, Close
//
// The network is a socket on 127.0.0.1 or on ::1, with streams beside it or without, or a Network in memory.
func TestConn(t *testing.T) {
	for _, network := range []struct {
		name    string
		listen  func(*testing.T, ...uint16) (Conn, error)
		largest int
	}{
		{"udp4", onSocket("127.0.0.1", ListenUDP), MaxDatagram},
		{"udp6", onSocket("::1", ListenUDP), MaxDatagram},
		{"streams4", onSocket("127.0.0.1", Listen), MaxStreamed},
		{"streams6", onSocket("::1", Listen), MaxStreamed},
		{"memory", listenMemory(), MaxStreamed},
	} {
		t.Run(network.name, func(t *testing.T) {
			for _, c := range conformance {
				t.Run(c.name, func(t *testing.T) { c.test(t, world{t, network.listen, network.largest}) })
			}
		})
	}
}

var conformance = []struct {
	name string
	test func(*testing.T, world)
}{
	{"a datagram arrives as it was sent, with its sender's address", testArrives},
	{"sizes from none to the largest", testSizes},
	{"large ones, both ways", testLargeBothWays},
	{"a large one to several", testLargeToSeveral},
	{"a datagram too large is the caller's mistake, and the others are sent", testTooLarge},
	{"an unusable address is the caller's mistake, and the others are sent", testBadAddress},
	{"an address is taken once", testAddressInUse},
	{"one sender's datagrams keep their order", testOrder},
	{"recv takes no more than it is given room for", testRoom},
	{"data stays until the next recv", testDataStays},
	{"a full queue drops, and counts", testFullQueue},
	{"nobody listening is no error", testNobody},
	{"recv times out", testTimeout},
	{"recv without a wait looks once", testNoWait},
	{"recv takes what is there, however late it looks", testLate},
	{"recv waits for the first", testWaits},
	{"wake ends the current recv", testWakeCurrent},
	{"wake ends the next recv", testWakeNext},
	{"wakes are not kept", testWakesMerge},
	{"many wakers, no wake lost", testManyWakers},
	{"close ends the current recv", testCloseCurrent},
	{"everything fails after close", testAfterClose},
	{"close and wake at once", testCloseAndWake},
	{"a closed address is free again", testReuse},
	{"counters", testCounters},
	{"a steady state does not allocate", testSteadyState},
}

type world struct {
	t       *testing.T
	open    func(*testing.T, ...uint16) (Conn, error)
	largest int // bytes of a datagram
}

// listen opens a Conn on the port, or on a free one, until the test ends.
func (w world) listen(port ...uint16) Conn {
	w.t.Helper()
	c, err := w.open(w.t, port...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func onSocket(ip string, listen func(wire.Addr, Options) (Conn, error)) func(*testing.T, ...uint16) (Conn, error) {
	return func(t *testing.T, port ...uint16) (Conn, error) {
		if _, err := os.Stat("/proc/net/if_inet6"); ip == "::1" && errors.Is(err, os.ErrNotExist) {
			t.Skip("this kernel has no IPv6")
		}
		return listen(address(ip, port), Options{})
	}
}

func listenMemory() func(*testing.T, ...uint16) (Conn, error) {
	n := NewNetwork()
	return func(_ *testing.T, port ...uint16) (Conn, error) { return n.Listen(address("10.0.0.1", port)) }
}

func address(ip string, port []uint16) wire.Addr {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), append(port, 0)[0])
}

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// collect receives until it has n datagrams, and copies them.
func collect(t *testing.T, c Conn, n int) []Datagram {
	t.Helper()
	var got []Datagram
	into := make([]Datagram, 8)
	for deadline := time.Now().Add(patience); len(got) < n; {
		k, err := c.Recv(into, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range into[:k] {
			got = append(got, Datagram{d.Addr, bytes.Clone(d.Data)})
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d datagrams of %d have arrived", len(got), n)
		}
	}
	return got
}

func send(t *testing.T, from Conn, batch ...Datagram) {
	t.Helper()
	if err := from.Send(batch); err != nil {
		t.Fatal(err)
	}
}

func testArrives(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	send(t, alice, Datagram{bob.Local(), []byte("hello")})
	got := collect(t, bob, 1)[0]
	if got.Addr != alice.Local() || string(got.Data) != "hello" {
		t.Fatalf("got %q from %v, sent by %v", got.Data, got.Addr, alice.Local())
	}
	send(t, bob, Datagram{got.Addr, []byte("and back")})
	if got := collect(t, alice, 1)[0]; string(got.Data) != "and back" {
		t.Fatalf("got %q", got.Data)
	}
}

func testSizes(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	for _, size := range []int{0, 1, 1400, 1500, 9000, 16384, 16385, 40000, MaxDatagram, MaxDatagram + 1, 1 << 20, MaxStreamed} {
		if size > w.largest {
			break
		}
		data := bytes.Repeat([]byte{byte(size)}, size)
		send(t, alice, Datagram{bob.Local(), data})
		if got := collect(t, bob, 1)[0]; !bytes.Equal(got.Data, data) {
			t.Errorf("%d bytes sent, %d received", size, len(got.Data))
		}
	}
	one, two := bytes.Repeat([]byte("1"), w.largest), bytes.Repeat([]byte("2"), w.largest)
	send(t, alice, Datagram{bob.Local(), one}, Datagram{bob.Local(), nil}, Datagram{bob.Local(), two})
	got := collect(t, bob, 3)
	// What travels over a stream keeps no order with the others.
	slices.SortStableFunc(got, func(a, b Datagram) int { return bytes.Compare(a.Data, b.Data) })
	if len(got[0].Data) != 0 || !bytes.Equal(got[1].Data, one) || !bytes.Equal(got[2].Data, two) {
		t.Error("a batch of different sizes came differently")
	}
}

// A large one is the sender's own again when Send has returned, and the receiver's until the next Recv.
func testLargeBothWays(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	data := bytes.Repeat([]byte("a"), w.largest)
	send(t, alice, Datagram{bob.Local(), data})
	copy(data, "xxx")
	got := collect(t, bob, 1)[0]
	if got.Addr != alice.Local() || !bytes.Equal(got.Data, bytes.Repeat([]byte("a"), w.largest)) {
		t.Fatalf("%d bytes from %v, sent by %v", len(got.Data), got.Addr, alice.Local())
	}
	send(t, bob, Datagram{got.Addr, got.Data[:len(got.Data)-1]}, Datagram{got.Addr, []byte("small")})
	for _, back := range collect(t, alice, 2) {
		if back.Addr != bob.Local() || len(back.Data) != w.largest-1 && string(back.Data) != "small" {
			t.Errorf("%d bytes from %v", len(back.Data), back.Addr)
		}
	}
}

// To several, as the Outbox does it: the same bytes in one batch.
func testLargeToSeveral(t *testing.T, w world) {
	alice, bobs := w.listen(), []Conn{w.listen(), w.listen(), w.listen()}
	for round := range byte(3) {
		data := bytes.Repeat([]byte{round}, w.largest/2)
		var batch []Datagram
		for _, bob := range bobs {
			batch = append(batch, Datagram{bob.Local(), data})
		}
		send(t, alice, batch...)
		clear(data)
		for _, bob := range bobs {
			if got := collect(t, bob, 1)[0]; !bytes.Equal(got.Data, bytes.Repeat([]byte{round}, w.largest/2)) {
				t.Errorf("round %d: %d bytes", round, len(got.Data))
			}
		}
	}
}

func testTooLarge(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	err := alice.Send([]Datagram{
		{bob.Local(), []byte("first")}, {bob.Local(), make([]byte, w.largest+1)}, {bob.Local(), []byte("third")},
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	expectOthers(t, alice, bob)
}

func testBadAddress(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	other := netip.MustParseAddrPort("[2001:db8::1]:9")
	if alice.Local().Addr().Is6() {
		other = netip.MustParseAddrPort("192.0.2.1:9")
	}
	for _, bad := range []wire.Addr{{}, other, netip.AddrPortFrom(bob.Local().Addr(), 0)} {
		for _, data := range [][]byte{nil, make([]byte, w.largest)} {
			err := alice.Send([]Datagram{{bob.Local(), []byte("first")}, {bad, data}, {bob.Local(), []byte("third")}})
			if !errors.Is(err, ErrAddress) {
				t.Errorf("%v: %v", bad, err)
			}
			expectOthers(t, alice, bob)
		}
	}
}

// expectOthers checks that of three datagrams the first and the third were sent.
func expectOthers(t *testing.T, alice, bob Conn) {
	t.Helper()
	got := collect(t, bob, 2)
	if string(got[0].Data) != "first" || string(got[1].Data) != "third" {
		t.Errorf("got %q and %q", got[0].Data, got[1].Data)
	}
	if alice.Stats().SendDrops == 0 {
		t.Error("the other one is not counted")
	}
}

func testAddressInUse(t *testing.T, w world) {
	alice := w.listen()
	c, err := w.open(t, alice.Local().Port())
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v, %v", c, err)
	}
}

func testOrder(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	const rounds, per = 40, 50
	next := uint32(0)
	for range rounds {
		var batch []Datagram
		for i := range uint32(per) {
			batch = append(batch, Datagram{bob.Local(), binary.BigEndian.AppendUint32(nil, next+i)})
		}
		send(t, alice, batch[:1]...)
		send(t, alice, batch[1:]...)
		for _, d := range collect(t, bob, per) {
			if got := binary.BigEndian.Uint32(d.Data); got != next {
				t.Fatalf("number %d came when %d was due", got, next)
			}
			next++
		}
	}
}

func testRoom(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	to := Datagram{bob.Local(), []byte("x")}
	send(t, alice, to, to, to, to, to)
	for got := 0; got < 5; {
		into := make([]Datagram, 3)
		n, err := bob.Recv(into[:2], patience)
		if n < 1 || n > 2 || err != nil || into[2].Data != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		got += n
	}
	if n, err := bob.Recv(nil, 0); n != 0 || err != nil {
		t.Errorf("without room: %d, %v", n, err)
	}
}

func testDataStays(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	into := make([]Datagram, 1)
	send(t, alice, Datagram{bob.Local(), []byte("one")})
	if n, err := bob.Recv(into, patience); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	two := []byte("two")
	send(t, alice, Datagram{bob.Local(), two})
	copy(two, "xxx") // the sender's buffer is its own again
	if string(into[0].Data) != "one" {
		t.Errorf("changed to %q", into[0].Data)
	}
	copy(into[0].Data, "mine")
	_ = append(into[0].Data, "and more"...)
	if got := collect(t, bob, 1)[0]; string(got.Data) != "two" {
		t.Errorf("got %q", got.Data)
	}
}

func testFullQueue(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	const sent = 6000
	for range sent {
		send(t, alice, Datagram{bob.Local(), make([]byte, 4000)})
	}
	got := 0
	for into := make([]Datagram, 64); ; {
		n, err := bob.Recv(into, 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		got += n
	}
	dropped := bob.Stats().RecvDrops
	if got == 0 || dropped == 0 || uint64(got)+dropped+alice.Stats().SendDrops != sent {
		t.Errorf("%d received, %d dropped, %d sent", got, dropped, sent)
	}
	send(t, alice, Datagram{bob.Local(), []byte("room again")})
	collect(t, bob, 1)
}

func testNobody(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	gone := bob.Local()
	bob.Close()
	for range 3 {
		send(t, alice, Datagram{gone, []byte("anybody?")}, Datagram{gone, make([]byte, w.largest)})
		if n, err := alice.Recv(make([]Datagram, 1), time.Millisecond); n != 0 || err != nil {
			t.Fatal(n, err)
		}
	}
}

func testTimeout(t *testing.T, w world) {
	alice := w.listen()
	for _, wait := range []time.Duration{time.Microsecond, time.Millisecond, 30 * time.Millisecond} {
		begin := time.Now()
		n, err := alice.Recv(make([]Datagram, 1), wait)
		took := time.Since(begin)
		if n != 0 || err != nil || took < wait || took > wait+patience {
			t.Errorf("%d, %v after %v, to wait was %v", n, err, took, wait)
		}
	}
}

// A process that was stopped has missed its deadline, and must hear first what has arrived meanwhile.
func testLate(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	into := make([]Datagram, 8)
	for range 20 {
		send(t, alice, Datagram{bob.Local(), []byte("x")})
		time.Sleep(time.Millisecond) // it is there, and nobody waits
		if n, err := bob.Recv(into, time.Nanosecond); n != 1 || err != nil {
			t.Fatalf("%d datagrams, %v", n, err)
		}
	}
}

func testNoWait(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	if n, err := bob.Recv(make([]Datagram, 1), 0); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	send(t, alice, Datagram{bob.Local(), []byte("x")})
	for begin := time.Now(); ; {
		n, err := bob.Recv(make([]Datagram, 1), -1)
		if err != nil || time.Since(begin) > patience {
			t.Fatal(n, err)
		}
		if n == 1 {
			break
		}
	}
	if n := bob.Stats().WaitCalls; n != 0 {
		t.Errorf("it waited %d times", n)
	}
}

func testWaits(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	_, _ = bob.Recv(make([]Datagram, 1), 0)
	done := inRecv(t, bob)
	send(t, alice, Datagram{bob.Local(), []byte("x")})
	if r := <-done; r.n != 1 || r.err != nil {
		t.Errorf("%d, %v", r.n, r.err)
	}
}

type result struct {
	n   int
	err error
}

// inRecv starts a Recv and returns when it is waiting.
func inRecv(t *testing.T, c Conn) <-chan result {
	t.Helper()
	before := c.Stats().WaitCalls
	done := make(chan result, 1)
	go func() {
		n, err := c.Recv(make([]Datagram, 1), patience)
		done <- result{n, err}
	}()
	for deadline := time.Now().Add(patience); c.Stats().WaitCalls == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not wait")
		}
	}
	return done
}

// expectQuick fails the test if f takes as long as a Recv that nobody ends.
func expectQuick(t *testing.T, what string, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("%s took %v", what, took)
	}
}

func testWakeCurrent(t *testing.T, w world) {
	alice := w.listen()
	for range 20 {
		done := inRecv(t, alice)
		expectQuick(t, "a wake", func() {
			alice.Wake()
			if r := <-done; r.n != 0 || r.err != nil {
				t.Errorf("%d, %v", r.n, r.err)
			}
		})
	}
}

func testWakeNext(t *testing.T, w world) {
	alice := w.listen()
	alice.Wake()
	expectQuick(t, "a wake before", func() {
		if n, err := alice.Recv(make([]Datagram, 1), patience); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func testWakesMerge(t *testing.T, w world) {
	alice := w.listen()
	for range 5 {
		alice.Wake()
	}
	_, _ = alice.Recv(make([]Datagram, 1), patience)
	begin := time.Now()
	_, _ = alice.Recv(make([]Datagram, 1), 30*time.Millisecond)
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("the second recv was woken after %v by a wake that had been answered", took)
	}
}

// Every waker waits for the owner's answer to its own wake. A lost wake would leave it waiting.
func testManyWakers(t *testing.T, w world) {
	alice := w.listen()
	const wakers, wakes = 4, 500
	asked := make(chan chan struct{}, wakers)
	var wg sync.WaitGroup
	for range wakers {
		wg.Go(func() {
			answer := make(chan struct{}, 1)
			for range wakes {
				asked <- answer
				alice.Wake()
				<-answer
			}
		})
	}
	for answered := 0; answered < wakers*wakes; {
		begin := time.Now()
		if _, err := alice.Recv(make([]Datagram, 1), patience); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took >= patience {
			t.Fatalf("a wake was lost after %d", answered)
		}
		for more := true; more; {
			select {
			case answer := <-asked:
				answer <- struct{}{}
				answered++
			default:
				more = false
			}
		}
	}
	wg.Wait()
}

func testReuse(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	port := alice.Local().Port()
	alice.Close()
	again := w.listen(port)
	send(t, bob, Datagram{again.Local(), []byte("you too")})
	collect(t, again, 1)
}

func testCounters(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	send(t, alice, Datagram{bob.Local(), []byte("abc")}, Datagram{bob.Local(), []byte("de")})
	send(t, alice, Datagram{bob.Local(), []byte("f")})
	collect(t, bob, 3)
	a, b := alice.Stats(), bob.Stats()
	if a.Sent != 3 || a.SentBytes != 6 || a.SendCalls != 2 || a.SendDrops != 0 || a.Received != 0 {
		t.Errorf("sender: %+v", a)
	}
	if b.Received != 3 || b.ReceivedBytes != 6 || b.RecvCalls == 0 || b.RecvDrops != 0 || b.Sent != 0 {
		t.Errorf("receiver: %+v", b)
	}
	if b.RecvBufferBytes < 64<<10 {
		t.Errorf("a receive buffer of %d bytes", b.RecvBufferBytes)
	}
}

func testSteadyState(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	data := make([]byte, 300)
	batch := []Datagram{{bob.Local(), data}, {bob.Local(), data}, {bob.Local(), data}}
	into := make([]Datagram, len(batch))
	round := func(n int) {
		if err := alice.Send(batch[:n]); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < n; {
			k, err := bob.Recv(into, patience)
			if k == 0 || err != nil {
				t.Fatal("received", k, err)
			}
			got += k
		}
		_, _ = bob.Recv(into, time.Microsecond)
	}
	if n := testing.AllocsPerRun(200, func() { round(1); round(3) }); n != 0 {
		t.Errorf("%v allocations per round", n)
	}
}
