package paxos

import (
	"errors"
	"math/rand"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// However many replicas a group has, and in whatever order they start, it forms in a few round trips of the
// last one's start: no clock is looked at.
func TestFormsWithoutWaiting(t *testing.T) {
	for n := 1; n <= wire.MaxReplicas; n += 2 {
		for seed := range int64(20) {
			rng := rand.New(rand.NewSource(seed))
			g := newGroup(n, seed, DefaultTiming(), DefaultLimits())
			var queue []packet
			g.carry = func(p packet) { queue = append(queue, p) }
			deliver := func(all bool) {
				for len(queue) > 0 && (all || rng.Intn(8) > 0) {
					i := rng.Intn(len(queue))
					p := queue[i]
					queue = append(queue[:i], queue[i+1:]...)
					g.deliver(p)
				}
			}
			for _, id := range rng.Perm(n) {
				g.start(g.hosts[id])
				deliver(false)
			}
			deliver(true)
			for _, h := range g.hosts {
				if s := h.core.State(); s.Status != Normal || s.Promised != 0 || s.Stage != Served || h.disk.Charter.Stage != Served {
					t.Fatalf("%d replicas, seed %d: %s", n, seed, h.standing())
				}
			}
			if g.auditor.err != nil {
				t.Fatal(g.auditor.err)
			}
		}
	}
}

// Nothing is served before it is on disk that the group has served.
func TestServedIsSyncedFirst(t *testing.T) {
	g := newGroup(3, 1, DefaultTiming(), DefaultLimits())
	g.carry = func(packet) {}
	g.startAll()
	c := g.hosts[0].core
	for range 2 { // both rounds
		for r := ReplicaID(1); r < 3; r++ {
			other := g.hosts[r].core.charter
			other.Stage, other.Members = c.charter.Stage, c.charter.Members
			reply := FormReply{Nonce: c.forming.nonce, Charter: other, Status: Forming, Vector: make([]Incarnation, 3)}
			f := frame(wire.KindFormReply, 0, 0, 0, formReplyBody.Append(nil, &reply))
			f.Sender, f.Incarnation = r, 1
			c.Step(0, Message{Frame: f})
		}
	}
	r := c.Ready()
	if c.State().Status != Normal || r.Persist == nil || r.Persist.Charter.Stage != Served || r.Arm == nil {
		t.Fatalf("%v, persists %+v", c.State().Status, r.Persist)
	}
}

// A group of one has nobody to ask: when its replica starts again all is lost.
func TestOneReplicaLosesAll(t *testing.T) {
	g := quietGroup(t, 1, DefaultLimits())
	h := g.hosts[0]
	g.crash(h)
	g.start(h)
	if err := g.acceptLoss(h); !errors.Is(err, ErrNotLost) {
		t.Fatalf("%v before it can know", err)
	}
	for range 2 {
		g.now = g.now.Add(150 * wire.Millisecond)
		g.tick(h)
	}
	if s := h.core.State(); !s.Lost || !s.Role.Lost || s.Role.Serving {
		t.Fatalf("%+v", s)
	}
	if err := g.acceptLoss(h); err != nil {
		t.Fatal(err)
	}
	if s := h.core.State(); s.Status != Normal || s.Epoch != 1 || s.Last != s.Epoch.Base() || s.Lost {
		t.Fatalf("%+v", s)
	}
}

// The number of replicas is part of what was formed.
func TestNewRefusesAnotherSize(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	p := g.hosts[0].disk
	cfg := Config{Cluster: 1, Group: 1, Self: 0, Replicas: 5, Timing: DefaultTiming(), Limits: DefaultLimits(), Rand: rand.New(rand.NewSource(1))}
	if _, err := New(cfg, p, 0); err == nil {
		t.Fatal("a replica of three has become one of five")
	}
	cfg.Replicas = 3
	if _, err := New(cfg, p, 0); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Promise){
		"stage":  func(p *Promise) { p.Charter.Stage = 9 },
		"birth":  func(p *Promise) { p.Charter.Birth = 0 },
		"view":   func(p *Promise) { p.View = Epoch(3).First() },
		"loss":   func(p *Promise) { p.Charter.Loss = 4 },
		"people": func(p *Promise) { p.Charter.Members = nil },
	} {
		bad := p
		spoil(&bad)
		if _, err := New(cfg, bad, 0); err == nil {
			t.Errorf("%s: accepted %+v", name, bad)
		}
	}
}

// What belongs to another epoch changes nothing, whatever it is: only a charter ends a life.
func TestOtherEpochsAreIgnored(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	c := g.hosts[1].core
	c.charter.Epoch, c.promised, c.lastNormal = 1, Epoch(1).First(), Epoch(1).First()
	before := c.State()
	for i, f := range strangeFrames() {
		if f.Kind == wire.KindForm || f.Kind == wire.KindFormReply || !f.Kind.Known() {
			continue
		}
		f.View += Epoch(2 * (i % 2)).First()
		was := c.Ignored()
		c.Step(g.now, Message{Frame: f})
		is := c.Ignored()
		if f.Sender != 1 && f.Sender < 3 && is[IgnoredOldEpoch]+is[IgnoredFutureEpoch] != was[IgnoredOldEpoch]+was[IgnoredFutureEpoch]+1 {
			t.Fatalf("%v of epoch %d was not ignored for it", f.Kind, f.View.Epoch())
		}
	}
	if after := c.State(); after != before {
		t.Fatalf("%+v has become %+v", before, after)
	}
}

// A replica that is told that the loss was accepted gives up what it holds, and its fast path with it.
func TestToldOfALoss(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	h := g.hosts[0]
	if err := g.propose(h, "a"); err != nil {
		t.Fatal(err)
	}
	g.carryOut(h)
	f := frame(wire.KindForm, Epoch(4).First(), 0, 0, formBody.Append(nil, &Form{1, Charter{Birth: 9, Epoch: 4, Loss: 4}}))
	f.Sender, f.Incarnation = 2, 1
	h.core.Step(g.now, Message{Frame: f})
	if err := h.core.Propose(g.now, 1, []byte("b")); !errors.Is(err, ErrNotServing) {
		t.Fatalf("it takes commands yet: %v", err)
	}
	h.core.Tick(g.now)
	h.core.Drained(g.now, 0)
	r := h.core.Ready()
	if !r.Over || r.Persist == nil || len(r.Send) > 0 || r.Arm != nil {
		t.Fatalf("%+v", r)
	}
	p := r.Persist
	if p.Charter.Stage != Unformed || p.Charter.Epoch != 4 || p.Charter.Loss != 4 || p.Charter.Birth == h.disk.Charter.Birth ||
		p.Incarnation <= h.disk.Incarnation || p.View != Epoch(4).First() {
		t.Fatalf("%+v", p)
	}
	if again := h.core.Ready(); !again.Empty() {
		t.Fatalf("a core that is over wants %+v", again)
	}
}

// strangeForms are questions and answers of the forming that nobody sends in this situation.
func strangeForms() (all []wire.Frame) {
	for _, ch := range []Charter{{Birth: 1}, {Birth: 1, Stage: Formed}, {Birth: 1, Epoch: 9, Loss: 9}, {Birth: 1, Loss: 9},
		{Birth: 1, Stage: Served, Members: []uint64{1, 2, 3}}, {Birth: 1, Stage: Served, Members: []uint64{1}}, {Birth: 1, Stage: 9}} {
		for _, status := range []Status{0, Normal, Recovering, Forming, 9} {
			reply := FormReply{Nonce: 0, Charter: ch, Status: status, Vector: []Incarnation{7, 7, 7}}
			for sender := range ReplicaID(4) {
				f := frame(wire.KindForm, 1<<40, 0, 0, formBody.Append(nil, &Form{1, ch}))
				r := frame(wire.KindFormReply, 1<<40, 0, 0, formReplyBody.Append(nil, &reply))
				f.Sender, r.Sender = sender, sender
				all = append(all, f, r)
			}
		}
	}
	return all
}
