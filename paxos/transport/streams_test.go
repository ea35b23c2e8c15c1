package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// What strangers do at the port of the streams, and what friends do to each other:
//
//	 stranger ── TCP ──┐
//	                   ├──►  bob (streams)
//	 alice ── streams ─┘
//
// Whatever a stranger does, alice's datagrams come through, and in the end nothing of him is left.

// hasty is a patience that tests can wait for.
var hasty = streamPatience{
	dial: patience, greet: 100 * time.Millisecond, step: 100 * time.Millisecond, frame: time.Second, idle: 100 * time.Millisecond,
}

func listenHasty(t *testing.T, p streamPatience) *dualConn {
	t.Helper()
	c, err := listen(netip.MustParseAddrPort("127.0.0.1:0"), Options{}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*dualConn)
}

// stranger connects to the port of a Conn, and says what he has to say.
func stranger(t *testing.T, to Conn, says ...[]byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to.Local().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, b := range says {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// greeting is what opens a connection from that address.
func greeting(addr string) []byte {
	a := netip.MustParseAddrPort(addr)
	b := make([]byte, greetingBytes)
	copy(b, greetingMagic[:])
	b[4] = greetingVersion
	ip := a.Addr().As16()
	copy(b[8:], ip[:])
	binary.LittleEndian.PutUint16(b[24:], a.Port())
	return b
}

func length(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// expectHangUp waits until the other side closes the connection.
func expectHangUp(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it was not closed: %d bytes, %v", n, err)
	}
}

// expectLarge sends a large datagram, again and again as the protocols do, until it is there.
func expectLarge(t *testing.T, from, to Conn, mark byte) {
	t.Helper()
	data := bytes.Repeat([]byte{mark}, 300_000)
	into := make([]Datagram, 4)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		send(t, from, Datagram{to.Local(), data})
		n, err := to.Recv(into, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range into[:n] {
			if d.Addr == from.Local() && bytes.Equal(d.Data, data) {
				return
			}
		}
	}
	t.Fatalf("a large datagram does not come through: %+v, %+v", from.Stats().Stream, to.Stats().Stream)
}

func TestHalfOpenConnectionsVanish(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, hasty)
	var silent []net.Conn
	for range 100 {
		silent = append(silent, stranger(t, bob))
	}
	expectLarge(t, alice, bob, 'x')
	for _, c := range silent {
		expectHangUp(t, c)
	}
	s := bob.Stats().Stream
	if s.Accepted < 101 || s.Expired+s.Evicted < 100 || s.Evicted < 100-maxStreamsPerHost {
		t.Errorf("%+v", s)
	}
	expectLarge(t, alice, bob, 'y')
}

func TestGarbageIsRefused(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, defaultPatience)
	expectLarge(t, alice, bob, 'x')
	for name, says := range map[string][]byte{
		"noise":             bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 4),
		"another version":   append(append([]byte("anst\x09"), greeting("127.0.0.1:7")[5:]...), length(3)...),
		"another machine":   greeting("127.0.0.2:7"),
		"another family":    greeting("[2001:db8::1]:7"),
		"no port":           greeting("127.0.0.1:0"),
		"an empty frame":    append(greeting("127.0.0.1:7"), length(0)...),
		"too long a frame":  append(greeting("127.0.0.1:7"), length(MaxStreamed+1)...),
		"the longest frame": append(greeting("127.0.0.1:7"), length(1<<32-1)...),
	} {
		before := bob.Stats().Stream.Refused
		expectHangUp(t, stranger(t, bob, says))
		eventually(t, name+" is not counted", func() bool { return bob.Stats().Stream.Refused == before+1 })
	}
	eventually(t, "a stranger is still there", func() bool { return bob.Stats().Stream.Open == 1 })
	expectLarge(t, alice, bob, 'y')
}

// Who sends a byte now and then is cut off, and takes no more memory than his bytes.
func TestTrickledBytesAreCutOff(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, hasty)
	for _, opening := range [][]byte{nil, greeting("127.0.0.1:7"), append(greeting("127.0.0.1:7"), length(MaxStreamed)...)} {
		c := stranger(t, bob, opening)
		expired := bob.Stats().Stream.Expired
		for begin := time.Now(); bob.Stats().Stream.Expired == expired; time.Sleep(hasty.step) {
			_, _ = c.Write([]byte{1}) // in the end it fails
			if time.Since(begin) > patience {
				t.Fatalf("after %d bytes of opening he goes on and on", len(opening))
			}
		}
		expectHangUp(t, c)
	}
	expectLarge(t, alice, bob, 'x')
}

// Announcing the largest frame takes its room, so that frames that do come are never cut short for lack of it;
// but not its memory, and for one host not all of the room.
func TestAnnouncedFramesTakeNoMemory(t *testing.T) {
	bob := listenHasty(t, hasty)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 50 {
		stranger(t, bob, greeting("127.0.0.1:7"), length(MaxStreamed), []byte("that was all"))
	}
	eventually(t, "they are not there", func() bool { return bob.Stats().Stream.Accepted == 50 })
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 50*stepBytes+(8<<20) {
		t.Errorf("%d bytes of memory", grown)
	}
	eventually(t, "they are still there", func() bool { return bob.Stats().Stream.Open == 0 })
	bob.streams.inbox.mu.Lock()
	defer bob.streams.inbox.mu.Unlock()
	if b := bob.streams.inbox; b.taken != 0 || len(b.hosts) != 0 {
		t.Errorf("%d bytes of room are lost", b.taken)
	}
}

// An owner that takes nothing holds up those who send, and nothing grows.
func TestAnInboxIsBounded(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, defaultPatience)
	const each = 4 << 20
	sent := 0
	for ; alice.Stats().SendDrops == 0; time.Sleep(time.Millisecond) {
		data := make([]byte, each)
		binary.LittleEndian.PutUint32(data, uint32(sent))
		send(t, alice, Datagram{bob.Local(), data})
		if sent++; sent > 1000 {
			t.Fatal("4 GB have gone nowhere")
		}
	}
	bob.streams.inbox.mu.Lock()
	taken := bob.streams.inbox.taken
	bob.streams.inbox.mu.Unlock()
	if queued := alice.Stats().Stream.QueuedBytes; taken > maxInboxBytes/2 || queued > maxPeerBytes {
		t.Errorf("%d bytes received, %d queued", taken, queued)
	}
	for i, d := range collect(t, bob, sent-1) { // what waited comes in order, and whole
		if len(d.Data) != each || binary.LittleEndian.Uint32(d.Data) != uint32(i) {
			t.Fatalf("number %d of %d bytes came when %d was due", binary.LittleEndian.Uint32(d.Data), len(d.Data), i)
		}
	}
}

func TestWhatWaitsAlreadyIsNotQueuedTwice(t *testing.T) {
	alice := listenHasty(t, defaultPatience)
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // takes the connection and reads nothing
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	to := netip.MustParseAddrPort(deaf.Addr().String())
	data := make([]byte, MaxStreamed)
	for range 5 {
		send(t, alice, Datagram{to, data})
	}
	if s := alice.Stats().Stream; s.QueuedBytes != MaxStreamed || s.SendDrops != 4 {
		t.Errorf("%+v", s)
	}
}

func TestAConnectionServesBothDirections(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, defaultPatience)
	for i := range byte(5) {
		expectLarge(t, alice, bob, i)
		expectLarge(t, bob, alice, i)
	}
	a, b := alice.Stats().Stream, bob.Stats().Stream
	if a.Dialed != 1 || b.Dialed != 0 || a.Open != 1 || b.Open != 1 {
		t.Errorf("alice %+v, bob %+v", a, b)
	}
}

func TestConnectionsThatRestAreClosed(t *testing.T) {
	alice, bob := listenHasty(t, hasty), listenHasty(t, hasty)
	expectLarge(t, alice, bob, 'x')
	eventually(t, "they are still there", func() bool { return alice.Stats().Stream.Open+bob.Stats().Stream.Open == 0 })
	alice.streams.mu.Lock()
	if n := len(alice.streams.peers) + len(alice.streams.hosts); n != 0 {
		t.Errorf("%d things are remembered", n)
	}
	alice.streams.mu.Unlock()
	expectLarge(t, bob, alice, 'y')
}

// One direction alone keeps a connection open, for the side that only sends, too.
func TestConnectionsInUseAreNotClosed(t *testing.T) {
	p := hasty
	p.idle = 300 * time.Millisecond
	alice, bob := listenHasty(t, p), listenHasty(t, p)
	for begin := time.Now(); time.Since(begin) < 4*p.idle; time.Sleep(p.idle / 10) {
		expectLarge(t, alice, bob, 'x')
	}
	if s := alice.Stats().Stream; s.Dialed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAPeerThatWasStartedAgainIsFound(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, defaultPatience)
	expectLarge(t, alice, bob, 'x')
	at := bob.Local()
	bob.Close()
	for range 3 {
		send(t, alice, Datagram{at, make([]byte, 100_000)}) // into nothing
	}
	again, err := Listen(at, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	expectLarge(t, alice, again, 'y')
	expectLarge(t, again, alice, 'z')
}

// Addresses where nobody is do not hold up the others.
func TestTheDeadDoNotHoldUpTheLiving(t *testing.T) {
	alice, bob := listenHasty(t, defaultPatience), listenHasty(t, defaultPatience)
	for i := range byte(100) {
		send(t, alice, Datagram{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, 9, i}), 9), make([]byte, 100_000)})
	}
	expectLarge(t, alice, bob, 'x')
	eventually(t, "something waits for the dead", func() bool {
		s := alice.Stats().Stream
		return s.QueuedBytes == 0 && s.SendDrops >= 100 && s.DialErrors >= 100
	})
}

// A client listens on all its addresses; the other end sees the one that it sends from.
func TestAnUnspecifiedAddress(t *testing.T) {
	bob := listenHasty(t, defaultPatience)
	client, err := Listen(netip.MustParseAddrPort("0.0.0.0:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send(t, client, Datagram{bob.Local(), make([]byte, 100_000)}, Datagram{bob.Local(), []byte("small")})
	got := collect(t, bob, 2)
	if got[0].Addr != got[1].Addr {
		t.Fatalf("from %v and from %v", got[0].Addr, got[1].Addr)
	}
	send(t, bob, Datagram{got[0].Addr, make([]byte, 200_000)})
	if back := collect(t, client, 1)[0]; back.Addr != bob.Local() || len(back.Data) != 200_000 {
		t.Errorf("%d bytes from %v", len(back.Data), back.Addr)
	}
}

// Closing ends everything that is under way, at once.
func TestCloseInTheMiddleOfEverything(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	for range 3 {
		alice, bob := listenHasty(t, defaultPatience), listenHasty(t, defaultPatience)
		stranger(t, bob, greeting("127.0.0.1:7"), length(MaxStreamed))
		for _, to := range []Conn{alice, bob} {
			send(t, alice, Datagram{to.Local(), make([]byte, MaxStreamed)})
			send(t, bob, Datagram{to.Local(), make([]byte, MaxStreamed)})
		}
		send(t, alice, Datagram{netip.MustParseAddrPort(deaf.Addr().String()), make([]byte, MaxStreamed)})
		expectQuick(t, "closing", func() {
			var wg sync.WaitGroup
			for _, c := range []Conn{alice, bob, alice} {
				wg.Go(func() { c.Close() })
			}
			wg.Wait()
		})
	}
}

// Many at once, in both directions, while a stranger makes noise.
func TestManyStreamsAtOnce(t *testing.T) {
	hub := listenHasty(t, defaultPatience)
	stop := make(chan struct{})
	var noise, wg sync.WaitGroup
	noise.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				if c, err := net.Dial("tcp", hub.Local().String()); err == nil {
					_, _ = io.WriteString(c, "noise, noise, noise, noise, noise, noise, noise")
					c.Close()
				}
			}
		}
	})
	wg.Go(func() { // the hub sends everything back
		into := make([]Datagram, 8)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, err := hub.Recv(into, 10*time.Millisecond)
			if err != nil {
				t.Error(err)
				return
			}
			if err := hub.Send(into[:n]); err != nil {
				t.Error(err)
			}
		}
	})
	var clients sync.WaitGroup
	for i := range byte(8) {
		c := listenHasty(t, defaultPatience)
		clients.Go(func() {
			for round := range 20 {
				data := bytes.Repeat([]byte{i, byte(round)}, 100_000+1000*round)
				echo(t, c, Datagram{hub.Local(), data})
			}
		})
	}
	clients.Wait()
	close(stop)
	wg.Wait()
	noise.Wait()
}

// echo sends a datagram until it comes back.
func echo(t *testing.T, c Conn, d Datagram) {
	into := make([]Datagram, 4)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := c.Send([]Datagram{d}); err != nil {
			t.Error(err)
			return
		}
		n, err := c.Recv(into, 200*time.Millisecond)
		if err != nil {
			t.Error(err)
			return
		}
		for _, back := range into[:n] {
			if back.Addr == d.Addr && bytes.Equal(back.Data, d.Data) {
				return
			}
		}
	}
	t.Error("no echo")
}
