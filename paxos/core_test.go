package paxos

import (
	"errors"
	"math/rand"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// quietGroup is a group of n whose messages all arrive at once.
func quietGroup(t *testing.T, n int, limits Limits) *group {
	t.Helper()
	g := newGroup(n, 1, DefaultTiming(), limits)
	g.carry = func(packet) {}
	g.startFormed()
	var queue []packet
	g.carry = func(p packet) { queue = append(queue, p) }
	for range 4 {
		g.now = g.now.Add(5 * wire.Millisecond)
		for _, h := range g.hosts {
			g.tick(h)
		}
		for ; len(queue) > 0; queue = queue[1:] {
			g.deliver(queue[0])
		}
	}
	if g.serving() != g.hosts[0] {
		t.Fatal("replica 0 does not serve")
	}
	return g
}

func TestConfigValidate(t *testing.T) {
	good := Config{Cluster: 1, Group: 1, Self: 2, Replicas: 3, Timing: DefaultTiming(), Limits: DefaultLimits(), Rand: rand.New(rand.NewSource(1))}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"even":       func(c *Config) { c.Replicas = 4 },
		"none":       func(c *Config) { c.Replicas = 0 },
		"many":       func(c *Config) { c.Replicas = 11 },
		"outside":    func(c *Config) { c.Self = 3 },
		"no dice":    func(c *Config) { c.Rand = nil },
		"impatience": func(c *Config) { c.Timing.Election = c.Timing.Heartbeat },
		"no batch":   func(c *Config) { c.Limits.BatchBytes = 0 },
		"commands":   func(c *Config) { c.Limits.BatchCommands = -1 },
		"no window":  func(c *Config) { c.Limits.Window = 0 },
		"no burst":   func(c *Config) { c.Limits.Burst = 0 },
		"no resend":  func(c *Config) { c.Timing.Retransmit = 0 },
	} {
		bad := good
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNewRefusesAnothersPromise(t *testing.T) {
	cfg := Config{Cluster: 1, Group: 2, Self: 0, Replicas: 3, Timing: DefaultTiming(), Limits: DefaultLimits(), Rand: rand.New(rand.NewSource(1))}
	good := Promise{Cluster: 1, Group: 2, Replica: 0, Incarnation: 1}
	if _, err := New(cfg, good, 0); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Promise{
		{Cluster: 2, Group: 2, Replica: 0, Incarnation: 1},
		{Cluster: 1, Group: 1, Replica: 0, Incarnation: 1},
		{Cluster: 1, Group: 2, Replica: 1, Incarnation: 1},
		{Cluster: 1, Group: 2, Replica: 0, Incarnation: 0},
	} {
		if _, err := New(cfg, bad, 0); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

func TestOneReplicaAlone(t *testing.T) {
	g := quietGroup(t, 1, DefaultLimits())
	h := g.hosts[0]
	if err := g.propose(h, "a"); err != nil {
		t.Fatal(err)
	}
	if err := g.read(h, 1); err != nil {
		t.Fatal(err)
	}
	g.carryOut(h)
	if h.applied != 1 || g.auditor.confirmations != 1 || g.auditor.err != nil {
		t.Fatalf("applied %d, confirmed %d, %v", h.applied, g.auditor.confirmations, g.auditor.err)
	}
}

func TestLimits(t *testing.T) {
	limits := DefaultLimits()
	limits.Window, limits.QueueCommands, limits.QueueBytes, limits.Reads = 1, 3, 100, 2
	g := quietGroup(t, 3, limits)
	leader := g.hosts[0]
	want := func(err, target error) {
		t.Helper()
		if !errors.Is(err, target) {
			t.Errorf("got %v, want %v", err, target)
		}
	}
	want(g.propose(leader, strings.Repeat("x", MaxCommand+1)), ErrTooLarge)
	want(g.propose(leader, strings.Repeat("x", 101)), ErrFull)
	want(g.propose(leader, "a"), nil)
	g.carryOut(leader) // the window is full now
	for _, c := range []string{"b", "c", "d"} {
		want(g.propose(leader, c), nil)
	}
	want(g.propose(leader, "e"), ErrFull)
	want(g.read(leader, 1), nil)
	want(g.read(leader, 2), nil)
	want(g.read(leader, 3), ErrFull)
	want(g.propose(g.hosts[1], "a"), ErrNotServing)
	want(g.read(g.hosts[1], 4), ErrNotServing)
}

// The largest command fills a frame, alone and copied with the log, and no more.
func TestLargestCommand(t *testing.T) {
	g := quietGroup(t, 3, func() Limits { l := DefaultLimits(); l.QueueBytes = 1 << 24; return l }())
	var sent int
	g.carry = func(p packet) { sent = max(sent, p.frame.Size()) }
	if err := g.propose(g.hosts[0], strings.Repeat("x", MaxCommand)); err != nil {
		t.Fatal(err)
	}
	g.carryOut(g.hosts[0])
	if g.auditor.err != nil || sent > wire.HeaderSize+wire.MaxStreamBody || sent < wire.MaxStreamBody {
		t.Fatalf("a frame of %d bytes, %v", sent, g.auditor.err)
	}
	leader := g.hosts[0].core
	bodies, _ := leader.chunk(leader.log.last() - 1)
	if n := len(entriesBody.Append(nil, &Entries{Purpose: Install, Bodies: bodies, Left: 1 << 20})); n > wire.MaxStreamBody {
		t.Errorf("copied it takes %d bytes", n)
	}
}

// A recovering replica waits for the leader of the highest view that it heard of. Those who promised it may
// be gone, so it tells the others: they join that view or a later one.
func TestRecoverTellsTheViewHeardOf(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	h := g.hosts[2]
	g.crash(h)
	g.start(h)
	heard := View(0)
	g.carry = func(p packet) {
		if p.frame.Kind == wire.KindRecover {
			heard = p.frame.View
		}
	}
	f := frame(wire.KindSuspect, 7, 0, 0, suspectBody.Append(nil, &Suspect{make([]Incarnation, 3)}))
	f.Sender, f.Incarnation = 1, 1
	g.deliver(packet{1, 2, f})
	g.now = g.now.Add(wire.Second)
	g.tick(h)
	if heard != 7 {
		t.Fatalf("asks in view %d, heard of view 7", heard)
	}
}

// An owner may step several messages before it takes Ready. If one makes the replica normal and the next makes
// it leave, it must not arm what it was told to fence.
func TestFenceVoidsAnArmNotCarriedOut(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	c := g.hosts[1].core
	c.enterView()
	c.notice(4)
	if r := c.Ready(); !r.Fence || r.Arm != nil {
		t.Fatalf("fence %v, arm %v", r.Fence, r.Arm)
	}
}

// Nothing that arrives makes a core fail: every kind with every kind's body, whole and cut short, from
// anybody, in any view, at a replica of each status.
func TestStrangeMessages(t *testing.T) {
	frames := append(strangeFrames(), strangeForms()...)
	for s, status := range []Status{Normal, Changing, Recovering, Forming} {
		for id := range 3 {
			for i := (3*s + id) % strangeStride; i < len(frames); i += strangeStride {
				f := frames[i]
				g := quietGroup(t, 3, DefaultLimits())
				h := g.hosts[id]
				bring(g, h, status)
				h.core.Step(h.clock(g.now), Message{Frame: f})
				g.carryOut(h)
			}
		}
	}
}

// bring puts a replica into a status.
func bring(g *group, h *host, s Status) {
	g.carry = func(packet) {}
	switch s {
	case Recovering:
		g.crash(h)
		g.start(h)
	case Forming:
		g.wipe(h)
		g.start(h)
	case Changing:
		h.core.notice(1)
		g.carryOut(h)
	}
}

func strangeFrames() (all []wire.Frame) {
	bodies := [][]byte{nil, {0xC0}, {0x90}, {0xFF}, {0x93, 1, 2, 3}, suspectBody.Append(nil, &Suspect{[]Incarnation{9, 9, 9, 9}}),
		suspectBody.Append(nil, &Suspect{[]Incarnation{1, 1, 1}}), viewChangeBody.Append(nil, &ViewChange{0, []Incarnation{1, 1, 1}}),
		heartbeatBody.Append(nil, &Heartbeat{9, 9, []Incarnation{1, 1, 1}}), recoverBody.Append(nil, &Recover{1, []Incarnation{1, 1, 1}}),
		fetchBody.Append(nil, &Fetch{Purpose: Install}), fetchBody.Append(nil, &Fetch{Purpose: 9}), fetchBody.Append(nil, &Fetch{Purpose: Extend, At: 7, Skip: -1}),
		entriesBody.Append(nil, &Entries{Install, [][]byte{{1}}, 0}), imageBody.Append(nil, &Image{Purpose: Extend, Data: []byte{1}}), imageBody.Append(nil, &Image{Purpose: Install, Offset: 9, Last: true})}
	for kind := wire.Kind(0); kind <= wire.KindImage+1; kind++ {
		for _, body := range bodies {
			for _, view := range []View{0, 1, 1 << 30} {
				for sender := range ReplicaID(4) {
					f := frame(kind, view, 1<<30, 1<<29, body)
					f.Sender, f.Incarnation = sender, 1
					all = append(all, f)
				}
			}
		}
	}
	return all
}
