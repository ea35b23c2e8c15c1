package paxos

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// leaseAudit is what the auditor knows about leases.
type leaseAudit struct {
	// opened is the highest view whose leader has become normal in it.
	opened View
	// byLease holds the reads that were confirmed by lease and have not been answered yet.
	byLease map[uint64]bool
	// leased counts them all.
	leased int
}

// readBy takes note of a read that a lease has confirmed. As long as a lease holds, no other leader opens a
// view; that nothing is chosen in one follows, and is checked when the read is answered.
func (a *auditor) readBy(h *host, ticket uint64, lease bool) {
	if !lease {
		return
	}
	a.leases.leased++
	a.leases.byLease[ticket] = true
	own := h.core.State().LastNormal
	a.demand(a.leases.opened <= own, "replica %d: reads by its lease of view %d, and view %d is open", h.id, own, a.leases.opened)
}

// answered checks that a read by lease sees all that is chosen anywhere.
func (a *auditor) answered(h *host, ticket uint64) {
	if a.leases.byLease[ticket] {
		a.demand(h.applied >= a.top(), "replica %d: read %d by its lease is answered at op %d, and op %d is chosen", h.id, ticket, h.applied, a.top())
		delete(a.leases.byLease, ticket)
	}
}

// drawLeases switches leases on in half of the runs, and in some of them has every life of a replica begin with
// leases of another length, as when a cluster's configuration is changed. The clocks of the group differ by
// up to a tenth from true time, either way. It draws from a source of its own: what else happens in a run
// does not depend on it.
func (e *explorer) drawLeases(seed int64) {
	rng := rand.New(rand.NewSource(^seed))
	if rng.Intn(2) == 0 {
		return
	}
	e.rebels.rng = rng
	t := &e.timing
	longest := t.Election - wire.Millisecond
	t.Lease = 2*t.Heartbeat + Duration(rng.Int63n(int64(longest-2*t.Heartbeat+1)))
	t.DriftPPM = 1_100_000*1000/900 - 1_000_000
	if rng.Intn(3) > 0 {
		return
	}
	e.leaseOf = func(*host) Duration {
		if rng.Intn(3) == 0 {
			return 0
		}
		return 2*t.Heartbeat + Duration(rng.Int63n(int64(longest-2*t.Heartbeat+1)))
	}
}

// rebels try to have a view opened while its leader before still holds a lease, and that leader to read.
type rebels struct {
	rng    *rand.Rand // nil without leases
	victim *host
	til    Time
}

// coup lets a replica suspect its leader for no reason: whenever views change, leases must be right. The
// leader hears nothing of it, and is read from until its lease must have ended on any clock.
func (e *explorer) coup() {
	r := &e.rebels
	switch {
	case r.rng == nil:
	case r.victim == nil && r.rng.Intn(100) == 0:
		if s := e.serving(); s != nil {
			r.victim, r.til = s, e.now.Add(2*e.timing.Election)
			e.isolate(s.id, r.rng.Intn(2)*2)
			e.suspectAtOnce(e.hosts[(int(s.id)+1+r.rng.Intn(e.n-1))%e.n])
		}
	case r.victim != nil && e.now >= r.til:
		for x := range e.n {
			e.cuts[x][r.victim.id], e.cuts[r.victim.id][x] = false, false
		}
		r.victim = nil
	case r.victim != nil && r.victim.core != nil && e.paused[r.victim.id] <= e.now:
		e.counter++
		_ = e.read(r.victim, uint64(e.counter))
		e.carryOut(r.victim)
	}
}

func (e *explorer) suspectAtOnce(h *host) {
	c := h.core
	if c == nil || e.paused[h.id] > e.now || c.status != Normal || c.fencing {
		return
	}
	c.now = h.clock(e.now)
	c.leave(c.promised + 1)
	e.auditor.stepped(h)
	e.carryOut(h)
}

// setLease is `lease R ms`: the leases of R have this length from its next start on.
func (s *story) setLease(a *arguments) {
	id, length := a.replica(), Duration(a.replica())*wire.Millisecond
	before := s.leaseOf
	s.leaseOf = func(h *host) Duration {
		switch {
		case h.id == id:
			return length
		case before != nil:
			return before(h)
		}
		return s.timing.Lease
	}
}

// setClock is `clock R n`: from now on the clock of R counts n thousandths of a second too many in each.
func (s *story) setClock(a *arguments) {
	h, drift := s.host(a), Duration(a.number("too-fast", 0)-a.number("too-slow", 0))
	h.skew += Duration(s.now) * (h.drift - drift) / 1000
	h.drift = drift
}

func TestLeasesThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Timing)
		want   string
	}{
		"negative":      {func(t *Timing) { t.Lease = -1 }, "before it is renewed"},
		"short":         {func(t *Timing) { t.Lease = 2*t.Heartbeat - 1 }, "choose at least twice the heartbeat interval"},
		"long":          {func(t *Timing) { t.Lease = t.Election }, "choose less than the election timeout"},
		"perfect clock": {func(t *Timing) { t.DriftPPM = 0 }, "between 1 and 250000 parts in a million, not 0"},
		"any clock":     {func(t *Timing) { t.DriftPPM = maxDriftPPM + 1 }, "not 250001"},
	} {
		timing := DefaultTiming()
		timing.Lease = timing.Election / 2
		if err := timing.validateLease(); err != nil {
			t.Fatal(err)
		}
		c.change(&timing)
		if err := timing.validateLease(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a leader uses of a lease has passed on no clock within the bound when the voter's lease ends on its own.
func TestUsableLease(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 100_000 {
		timing := Timing{DriftPPM: 1 + rng.Intn(maxDriftPPM)}
		lease := wire.Millisecond + Duration(rng.Int63n(int64(60*wire.Second)))
		usable := timing.usable(lease)
		// The leader's clock is the slower one: while it counts the usable part, the voter's counts more.
		if counted := float64(usable) * (1 + float64(timing.DriftPPM)/1e6); counted >= float64(lease) {
			t.Fatalf("of %d ns %d are used, which a clock that drifts by %d ppm counts as %.0f", lease, usable, timing.DriftPPM, counted)
		}
		if lost := lease - usable; float64(lost) > float64(lease)*float64(timing.DriftPPM)/1e6+float64(2*clockGrain) {
			t.Fatalf("of %d ns %d are lost to a drift of %d ppm", lease, lost, timing.DriftPPM)
		}
	}
}

func TestSendings(t *testing.T) {
	var off sendings
	off.note(1, 5)
	if off.when(0) != 0 || off.when(1) != 0 {
		t.Error("it remembers, and nobody wants to know")
	}
	s := newSendings(4)
	if s.when(0) != 0 || s.when(1) != 0 {
		t.Error("it remembers what has not been")
	}
	for n := uint64(10); n <= 16; n++ {
		s.note(n, Time(100+n))
	}
	for n, want := range map[uint64]Time{0: 0, 9: 0, 10: 0, 12: 0, 13: 113, 16: 116, 17: 0, 1 << 63: 0} {
		if got := s.when(n); got != want {
			t.Errorf("%d was sent at %d, it says %d", n, want, got)
		}
	}
}

// A replica that has just started may have granted a lease just before it died.
func TestNoVoteAfterAStart(t *testing.T) {
	timing := DefaultTiming()
	timing.Lease = 80 * wire.Millisecond
	g := newGroup(3, 1, timing, DefaultLimits())
	g.carry = func(packet) {}
	g.startFormed()
	h := g.hosts[1]
	g.now = g.now.Add(wire.Second)
	g.crash(h)
	g.start(h)
	for _, step := range []struct {
		wait Duration
		may  bool
	}{{0, false}, {80*wire.Millisecond - 1, false}, {1, true}} {
		g.now = g.now.Add(step.wait)
		g.tick(h)
		if h.core.mayVote() != step.may {
			t.Errorf("%d ns later it may vote: %v", step.wait, !step.may)
		}
	}
	g.leaseOf = func(*host) Duration { return 0 }
	g.crash(h)
	if g.start(h); !h.core.mayVote() {
		t.Error("without leases there is nothing to wait for")
	}
}

// A voter whose leader has died has heard nothing for longer than any lease lasts: leases cost no time then.
func TestLeasesDoNotHoldUpAFailover(t *testing.T) {
	outage := func(lease Duration) Duration {
		timing := DefaultTiming()
		timing.Lease = lease
		s := &story{group: newGroup(3, 1, timing, DefaultLimits())}
		s.carry = func(p packet) { s.pool = append(s.pool, p) }
		s.startFormed()
		s.runFor(50 * wire.Millisecond)
		s.group.crash(s.hosts[0])
		from := s.now
		for s.serving() == nil && s.now.Sub(from) < wire.Second {
			s.runFor(wire.Millisecond)
		}
		return s.now.Sub(from)
	}
	without, with := outage(0), outage(DefaultTiming().Election-1)
	if without != with || without >= wire.Second {
		t.Errorf("a new leader serves after %d ms, and with leases after %d ms", without/wire.Millisecond, with/wire.Millisecond)
	}
}
