//go:build linux

package bpf

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/paxos/wire"
)

// Two namespaces and a wire between them:
//
//	leader 10.77.0.1 ── anode-l ═══ anode-f ── followers 10.77.0.2, 10.77.0.3
//
// Unlike on a loopback, packets have hardware addresses, leave and enter through a driver, and come with their
// checksum still to be made. Receivers verify it: what the kernel rewrites is read here by ordinary sockets too.

// wired is the group on that wire. Everything of a side is done by the goroutine that lives in its namespace.
type wired struct {
	kernel    *Kernel
	far       chan func() // runs in the followers' namespace
	config    Config
	sockets   []*net.UDPConn
	slots     []*Slot
	near, end int // interfaces
}

func wiredAddr(i int) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(1 + i)}), 7100)
}

func newWired(t *testing.T) *wired {
	if _, err := exec.LookPath("ip"); err != nil {
		unavailable(t, err)
	}
	namespace(t)
	w := &wired{kernel: loadKernelFor(t, Options{LogSlots: 1024}), far: make(chan func()), config: testConfig(3, 0)}
	for i := range w.config.Members {
		w.config.Members[i].Addr = wiredAddr(i)
	}
	thread := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread and its namespace end together
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			panic(err) // the test's own worked
		}
		thread <- unix.Gettid()
		for do := range w.far {
			do()
		}
	}()
	ip(t, "link add anode-l type veth peer name anode-f netns /proc/%d/ns/net", <-thread)
	ip(t, "addr add 10.77.0.1/24 dev anode-l")
	ip(t, "link set anode-l up")
	w.there(func() {
		ip(t, "addr add 10.77.0.2/24 dev anode-f")
		ip(t, "addr add 10.77.0.3/24 dev anode-f")
		ip(t, "link set anode-f up")
		w.end = index(t, "anode-f")
	})
	w.near = index(t, "anode-l")
	t.Cleanup(func() { close(w.far) })
	w.populate(t)
	return w
}

// there runs in the followers' namespace.
func (w *wired) there(do func()) {
	done := make(chan struct{})
	w.far <- func() { defer close(done); do() }
	<-done
}

func ip(t *testing.T, format string, args ...any) {
	t.Helper()
	command := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v: %s", command, err, out)
	}
}

func index(t *testing.T, name string) int {
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return 0
	}
	return i.Index
}

// populate opens sockets and slots, each in its namespace.
func (w *wired) populate(t *testing.T) {
	w.sockets, w.slots = make([]*net.UDPConn, 3), make([]*Slot, 3)
	add := func(i int) {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(wiredAddr(i)))
		if err != nil {
			t.Error(err)
			return
		}
		w.sockets[i] = conn
		if w.slots[i], err = w.kernel.Open(Key{wiredAddr(i), testGroup}); err != nil {
			t.Error(err)
		}
	}
	add(0)
	w.there(func() { add(1); add(2) })
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(func() {
		for i := range w.slots {
			w.sockets[i].Close()
			if err := w.slots[i].Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// attach puts the programs on both ends: a driver of a veth sends XDP's answers only to one that has a program too.
func (w *wired) attach(t *testing.T, r Rung) {
	_, err := w.kernel.Attach(w.near, r)
	if err == nil {
		w.there(func() { _, err = w.kernel.Attach(w.end, r) })
	}
	if err == nil {
		_, err = w.kernel.AttachBroadcast(w.near)
	}
	if err != nil {
		unavailable(t, err)
	}
}

func (w *wired) begin(t *testing.T, last wire.Op) {
	for i := 1; i < 3; i++ {
		c := w.config
		c.Self = wire.ReplicaID(i)
		if err := w.slots[i].Arm(c, last); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.slots[0].Lead(w.config, make([]wire.Op, 3), last); err != nil {
		t.Fatal(err)
	}
}

func (w *wired) send(t *testing.T, to int, op wire.Op, flags wire.Flags) {
	t.Helper()
	f := wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Flags: flags, Cluster: testCluster, Group: testGroup,
		View: testView, Op: op, Incarnation: w.config.Members[0].Incarnation}, Body: bodyOf(op)}
	if _, err := w.sockets[0].WriteToUDPAddrPort(seal(w.config, f), wiredAddr(to)); err != nil {
		t.Fatal(err)
	}
}

// receive reads one frame from an ordinary socket: the system has verified its checksum.
func (w *wired) receive(t *testing.T, i int) wire.Frame {
	t.Helper()
	b := make([]byte, 2048)
	_ = w.sockets[i].SetReadDeadline(time.Now().Add(time.Second))
	n, _, err := w.sockets[i].ReadFromUDPAddrPort(b)
	if err != nil {
		t.Errorf("socket %d: %v", i, err)
		return wire.Frame{}
	}
	f, raw, _, err := wire.Parse(b[:n])
	if err != nil || !wire.NewKey(testKey).Verify(raw) {
		t.Errorf("socket %d: %v of op %d: %v, or not sealed", i, f.Kind, f.Op, err)
	}
	return f
}

func TestVeth(t *testing.T) {
	for _, r := range []Rung{RungXDPNative, RungTCX, RungXDPGeneric} {
		t.Run(r.String(), func(t *testing.T) {
			w := newWired(t)
			w.attach(t, r)
			// Not as tests of their own: those would run on other threads, elsewhere.
			w.testCopies(t)
			w.testAnswers(t)
			w.testQuorum(t, r)
		})
	}
}

// Followers that are not armed read the copies of a broadcast from their sockets.
func (w *wired) testCopies(t *testing.T) {
	if err := w.slots[0].Lead(w.config, make([]wire.Op, 3), 0); err != nil {
		t.Fatal(err)
	}
	w.slots[0].Extend(1)
	for i := 1; i < 3; i++ {
		w.send(t, i, 1, 0) // makes the system ask for the hardware address
		w.receive(t, i)
	}
	missing, err := w.slots[0].RefreshNeighbours(w.config)
	if err != nil || len(missing) > 0 {
		t.Fatalf("missing %v: %v", missing, err)
	}
	for op := wire.Op(2); op <= 40; op++ {
		w.send(t, 1+int(op)%2, op, wire.FlagBroadcast)
		for i := 1; i < 3; i++ {
			if f := w.receive(t, i); f.Op != op || f.Flags != 0 || string(f.Body) != string(bodyOf(op)) {
				t.Errorf("follower %d received op %d, flags %d", i, f.Op, f.Flags)
			}
		}
	}
}

// A leader that does not count reads the followers' answers from its socket.
func (w *wired) testAnswers(t *testing.T) {
	w.begin(t, 40)
	w.slots[0].Retire()
	for op := wire.Op(41); op <= 80; op++ {
		for i := 1; i < 3; i++ {
			w.send(t, i, op, 0)
			if f := w.receive(t, 0); f.Kind != wire.KindAccepted || f.Op != op || f.Sender != wire.ReplicaID(i) {
				t.Fatalf("op %d was answered with %v of op %d by %v", op, f.Kind, f.Op, f.Sender)
			}
		}
	}
	w.fence(t, 40, 80)
}

// All three programs together; two with generic XDP, which sees no copies on a veth.
func (w *wired) testQuorum(t *testing.T, r Rung) {
	const n = 60 // the leader's socket must hold a packet for each
	w.begin(t, 0)
	for op := wire.Op(1); op <= n; op++ {
		w.slots[0].Extend(op)
		if r == RungXDPGeneric {
			w.send(t, 1, op, 0)
			w.send(t, 2, op, 0)
		} else {
			w.send(t, 1, op, wire.FlagBroadcast)
		}
	}
	for until := time.Now().Add(time.Second); w.slots[0].Chosen() < n && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	counts, err := w.slots[0].Counters()
	if err != nil || w.slots[0].Chosen() != n {
		t.Fatalf("chosen %d of %d, cells %v, %v", w.slots[0].Chosen(), n, w.slots[0].Cells(nil), err)
	}
	for range counts[ReasonChosen] {
		w.receive(t, 0)
	}
	if counts[ReasonChosen]+counts[ReasonCounted] != 2*n {
		t.Errorf("%d packets moved the mark, %d did not", counts[ReasonChosen], counts[ReasonCounted])
	}
	w.fence(t, 0, n)
	for i := range w.sockets {
		_ = w.sockets[i].SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if size, err := w.sockets[i].Read(make([]byte, 2048)); err == nil {
			t.Errorf("socket %d was given %d bytes", i, size)
		}
	}
}

// fence takes the followers' slots back with what they hold.
func (w *wired) fence(t *testing.T, from, to wire.Op) {
	t.Helper()
	for i := 1; i < 3; i++ {
		expect := from + 1
		w.slots[i].Fence()
		w.slots[i].Drain(func(f wire.Frame) {
			if f.Op != expect || string(f.Body) != string(bodyOf(f.Op)) {
				t.Errorf("follower %d stored op %d, expected %d", i, f.Op, expect)
			}
			expect++
		})
		if expect != to+1 {
			t.Errorf("follower %d holds up to op %d, not %d", i, expect-1, to)
		}
	}
}
