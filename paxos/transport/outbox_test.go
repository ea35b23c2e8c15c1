package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/anodekv/anode/paxos/wire"
)

// tape is a Conn that keeps copies of what is sent.
type tape struct {
	Conn
	sent  []Datagram
	calls int
	err   error
}

func (c *tape) Send(batch []Datagram) error {
	c.calls++
	for _, d := range batch {
		c.sent = append(c.sent, Datagram{d.Addr, bytes.Clone(d.Data)})
	}
	return c.err
}

var (
	red   = netip.MustParseAddrPort("10.0.0.1:7000")
	green = netip.MustParseAddrPort("10.0.0.2:7000")
	blue  = netip.MustParseAddrPort("10.0.0.3:7000")

	replicaKey = wire.NewKey([wire.KeySize]byte{1})
	clientKey  = wire.NewKey([wire.KeySize]byte{2})
	bothKeys   = wire.Keys{Replica: replicaKey, Client: clientKey}
)

// frame is a frame of that kind and size, told apart by op.
func frame(kind wire.Kind, op wire.Op, size int) *wire.Frame {
	return &wire.Frame{
		Header: wire.Header{Kind: kind, Op: op},
		Body:   bytes.Repeat([]byte{byte(op)}, size-wire.HeaderSize),
	}
}

func put(t *testing.T, o *Outbox, to wire.Addr, f *wire.Frame) {
	t.Helper()
	if err := o.Put(to, f, bothKeys.For(f.Kind)); err != nil {
		t.Fatal(err)
	}
}

// ops are the frames of a datagram, as kind and op.
func ops(t interface{ Fatalf(string, ...any) }, d Datagram) (got []string) {
	_, bad := Each(d.Data, bothKeys, func(f wire.Frame) { got = append(got, fmt.Sprint(f.Kind, " ", uint64(f.Op))) })
	if bad != RejectNone {
		t.Fatalf("a datagram to %v: %v after %v", d.Addr, bad, got)
	}
	return got
}

func TestFramesToOneDestinationShareADatagram(t *testing.T) {
	o, c := NewOutbox(0), new(tape)
	put(t, o, red, frame(wire.KindHeartbeat, 1, 100))
	put(t, o, green, frame(wire.KindAccepted, 2, 64))
	put(t, o, red, frame(wire.KindTxnReply, 3, 200))
	put(t, o, red, frame(wire.KindGap, 4, 64))
	if err := o.Flush(c); err != nil {
		t.Fatal(err)
	}
	expectDatagrams(t, c, []string{
		"10.0.0.1:7000 [Heartbeat 1 TxnReply 3 Gap 4]",
		"10.0.0.2:7000 [Accepted 2]",
	})
	if c.calls != 1 || o.Len() != 0 {
		t.Errorf("%d calls, %d datagrams left", c.calls, o.Len())
	}
}

func expectDatagrams(t *testing.T, c *tape, want []string) {
	t.Helper()
	var got []string
	for _, d := range c.sent {
		got = append(got, fmt.Sprint(d.Addr, " ", ops(t, d)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestAnAcceptTravelsAloneAndNobodyOvertakesIt(t *testing.T) {
	o, c := NewOutbox(0), new(tape)
	put(t, o, red, frame(wire.KindHeartbeat, 1, 100))
	put(t, o, red, frame(wire.KindAccept, 2, 100))
	put(t, o, red, frame(wire.KindHeartbeat, 3, 100))
	put(t, o, red, frame(wire.KindEcho, 4, 100))
	put(t, o, red, frame(wire.KindAccept, 5, 100))
	put(t, o, red, frame(wire.KindAccept, 6, 100))
	if err := o.Flush(c); err != nil {
		t.Fatal(err)
	}
	expectDatagrams(t, c, []string{
		"10.0.0.1:7000 [Heartbeat 1]", "10.0.0.1:7000 [Accept 2]", "10.0.0.1:7000 [Heartbeat 3 Echo 4]",
		"10.0.0.1:7000 [Accept 5]", "10.0.0.1:7000 [Accept 6]",
	})
}

func TestADatagramIsFilledToTheLimitAndNotBeyond(t *testing.T) {
	o, c := NewOutbox(1000), new(tape)
	put(t, o, red, frame(wire.KindHeartbeat, 1, 500))
	put(t, o, red, frame(wire.KindHeartbeat, 2, 500)) // full to the byte
	put(t, o, red, frame(wire.KindHeartbeat, 3, 500))
	put(t, o, red, frame(wire.KindHeartbeat, 4, 501)) // one byte too many
	put(t, o, red, frame(wire.KindEntries, 5, 1001))  // above the limit: alone
	put(t, o, red, frame(wire.KindHeartbeat, 6, 64))
	put(t, o, red, frame(wire.KindEntries, 7, MaxStreamed))
	put(t, o, red, frame(wire.KindHeartbeat, 8, 64))
	if err := o.Flush(c); err != nil {
		t.Fatal(err)
	}
	expectDatagrams(t, c, []string{
		"10.0.0.1:7000 [Heartbeat 1 Heartbeat 2]", "10.0.0.1:7000 [Heartbeat 3]", "10.0.0.1:7000 [Heartbeat 4]",
		"10.0.0.1:7000 [Entries 5]", "10.0.0.1:7000 [Heartbeat 6]", "10.0.0.1:7000 [Entries 7]",
		"10.0.0.1:7000 [Heartbeat 8]",
	})
}

func TestPutAllSendsTheSameBytesToEach(t *testing.T) {
	o, c := NewOutbox(0), new(tape)
	all := []wire.Addr{red, green, blue}
	put(t, o, green, frame(wire.KindEcho, 1, 100))
	for op, kind := range []wire.Kind{wire.KindAccept, wire.KindHeartbeat, wire.KindHeartbeat} {
		if err := o.PutAll(all, frame(kind, wire.Op(op+2), 300), replicaKey); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.PutAll(nil, frame(wire.KindAccept, 9, 300), replicaKey); err != nil {
		t.Fatal(err)
	}
	if err := o.Flush(c); err != nil {
		t.Fatal(err)
	}
	expectDatagrams(t, c, []string{
		"10.0.0.2:7000 [Echo 1]",
		"10.0.0.1:7000 [Accept 2]", "10.0.0.2:7000 [Accept 2]", "10.0.0.3:7000 [Accept 2]",
		"10.0.0.1:7000 [Heartbeat 3 Heartbeat 4]", "10.0.0.2:7000 [Heartbeat 3 Heartbeat 4]",
		"10.0.0.3:7000 [Heartbeat 3 Heartbeat 4]",
	})
}

func TestRefusedFramesLeaveNothingBehind(t *testing.T) {
	o, c := NewOutbox(0), new(tape)
	huge := &wire.Frame{Header: wire.Header{Kind: wire.KindEntries}, Body: make([]byte, wire.MaxStreamBody+1)}
	small := frame(wire.KindHeartbeat, 1, 100)
	noPort := netip.AddrPortFrom(red.Addr(), 0)
	for name, c := range map[string]struct{ got, want error }{
		"too large":            {o.Put(red, huge, replicaKey), wire.ErrTooLarge},
		"too large, to all":    {o.PutAll([]wire.Addr{red, blue}, huge, replicaKey), wire.ErrTooLarge},
		"no address":           {o.Put(wire.Addr{}, small, replicaKey), ErrAddress},
		"no port":              {o.Put(noPort, small, replicaKey), ErrAddress},
		"one address of three": {o.PutAll([]wire.Addr{red, {}, blue}, small, replicaKey), ErrAddress},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v", name, c.got)
		}
	}
	if err := o.Flush(c); err != nil || c.calls != 0 {
		t.Errorf("an empty outbox: %v, %d calls", err, c.calls)
	}
}

func TestAFullOutboxRefusesUntilItIsFlushed(t *testing.T) {
	o, c := NewOutbox(0), new(tape)
	f := frame(wire.KindEntries, 1, 60000)
	taken := 0
	for ; taken < 1000; taken++ {
		if err := o.Put(red, f, replicaKey); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if got := taken * f.Size(); got > maxOutboxBytes || got < maxOutboxBytes/2 {
		t.Errorf("%d bytes were taken", got)
	}
	if err := o.PutAll([]wire.Addr{red, green}, f, replicaKey); !errors.Is(err, ErrFull) {
		t.Errorf("to several: %v", err)
	}
	if err := o.PutAll([]wire.Addr{red, green}, frame(wire.KindAccept, 2, 60000), replicaKey); !errors.Is(err, ErrFull) {
		t.Errorf("an Accept to several: %v", err)
	}
	c.err = errors.New("the network is down")
	if err := o.Flush(c); err != c.err || len(c.sent) != taken {
		t.Errorf("%v, %d sent", err, len(c.sent))
	}
	put(t, o, red, f)
}

// The largest frame goes to all replicas of the largest group in one flush: its bytes are there once.
func TestTheLargestFrameToAll(t *testing.T) {
	o, c := NewOutbox(0), new(tape)
	all := []wire.Addr{red, green, blue, red, green, blue, red, green}
	if err := o.PutAll(all, frame(wire.KindAccept, 1, MaxStreamed), replicaKey); err != nil {
		t.Fatal(err)
	}
	if err := o.Flush(c); err != nil || len(c.sent) != len(all) {
		t.Fatalf("%v, %d sent", err, len(c.sent))
	}
}

// Whatever is put in, in whatever order: each destination gets its frames in order and unchanged, every
// datagram keeps the limit, an Accept is alone.
func TestOutboxKeepsItsPromises(t *testing.T) {
	kinds := []wire.Kind{wire.KindAccept, wire.KindAccepted, wire.KindHeartbeat, wire.KindTxnReply}
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(wire.HeaderSize, 3000).Draw(t, "limit")
		o, c := NewOutbox(limit), new(tape)
		for range rapid.IntRange(1, 3).Draw(t, "flushes") {
			want := map[wire.Addr][]string{}
			c.sent = nil
			for op := range rapid.IntRange(0, 30).Draw(t, "frames") {
				f := frame(rapid.SampledFrom(kinds).Draw(t, "kind"), wire.Op(op), rapid.IntRange(64, 4000).Draw(t, "size"))
				tos := rapid.SliceOfNDistinct(rapid.SampledFrom([]wire.Addr{red, green, blue}), 1, 3, rapid.ID).Draw(t, "to")
				if err := o.PutAll(tos, f, bothKeys.For(f.Kind)); err != nil {
					t.Fatal(err)
				}
				for _, to := range tos {
					want[to] = append(want[to], fmt.Sprint(f.Kind, " ", op))
				}
			}
			if err := o.Flush(c); err != nil {
				t.Fatal(err)
			}
			checkPromises(t, c, limit, want)
		}
	})
}

func checkPromises(t *rapid.T, c *tape, limit int, want map[wire.Addr][]string) {
	got := map[wire.Addr][]string{}
	for _, d := range c.sent {
		frames := ops(t, d)
		got[d.Addr] = append(got[d.Addr], frames...)
		if len(frames) == 0 || len(frames) > 1 && len(d.Data) > limit {
			t.Fatalf("%v share %d bytes, the limit is %d", frames, len(d.Data), limit)
		}
		for _, f := range frames {
			if len(frames) > 1 && f[:7] == "Accept " {
				t.Fatalf("an Accept among %v", frames)
			}
		}
	}
	for _, to := range []wire.Addr{red, green, blue} {
		if !slices.Equal(got[to], want[to]) {
			t.Fatalf("%v got %v, want %v", to, got[to], want[to])
		}
	}
}

func TestOutboxDoesNotAllocateInASteadyState(t *testing.T) {
	o, c := NewOutbox(0), new(sink)
	tos := []wire.Addr{red, green, blue}
	accept, large := frame(wire.KindAccept, 1, 900), frame(wire.KindEntries, 2, 30000)
	reply := frame(wire.KindTxnReply, 3, 120)
	n := testing.AllocsPerRun(500, func() {
		for range 10 {
			_ = o.PutAll(tos, accept, replicaKey)
			_ = o.Put(red, reply, clientKey)
			_ = o.Put(green, reply, clientKey)
		}
		_ = o.PutAll(tos, large, replicaKey)
		_ = o.PutAll(tos, reply, clientKey)
		_ = o.Flush(c)
	})
	if n != 0 {
		t.Errorf("%v allocations per round", n)
	}
}

type sink struct{ Conn }

func (sink) Send([]Datagram) error { return nil }

// From an outbox over a socket to Each, with as few system calls as there are batches.
func TestFramesOverASocket(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	var conns [2]Conn
	for i := range conns {
		c, err := ListenUDP(loopback, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	o, to := NewOutbox(0), conns[1].Local()
	for op := range wire.Op(40) {
		put(t, o, to, frame(wire.KindAccept, op, 100))
	}
	if err := o.Flush(conns[0]); err != nil {
		t.Fatal(err)
	}
	if calls := conns[0].Stats().SendCalls; calls != 1 {
		t.Errorf("%d system calls for 40 datagrams", calls)
	}
	next, into := wire.Op(0), make([]Datagram, 16)
	for deadline := time.Now().Add(patience); next < 40 && time.Now().Before(deadline); {
		n, err := conns[1].Recv(into, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range into[:n] {
			good, bad := Each(d.Data, bothKeys, func(f wire.Frame) {
				if f.Op != next {
					t.Errorf("op %d came when %d was due", f.Op, next)
				}
				next++
			})
			if good != 1 || bad != RejectNone {
				t.Errorf("%d frames, %v", good, bad)
			}
		}
	}
	if next != 40 {
		t.Errorf("%d of 40 arrived", next)
	}
}
