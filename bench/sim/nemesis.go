package sim

import (
	"github.com/anodekv/anode/paxos/wire"
)

// nemesis does one harmful thing after another, and undoes it after a while.
type nemesis struct {
	c     *cluster
	hosts int // servers and clients
	count map[string]int
	over  bool
	mix   []fault // the faults of the run
	cut   Cut
}

type fault struct {
	name string
	// strike does it and returns how it is undone, or nil if it cannot be done now.
	strike func(*nemesis) func()
}

var faults = []fault{
	{"crash", (*nemesis).crash},
	{"wipe", (*nemesis).wipe},
	{"pause", (*nemesis).pause},
	{"isolate", func(n *nemesis) func() { return n.partition(true, true) }},
	{"deafen", func(n *nemesis) func() { return n.partition(true, false) }},
	{"mute", func(n *nemesis) func() { return n.partition(false, true) }},
	{"split", (*nemesis).split},
	{"loss burst", (*nemesis).lossBurst},
	{"clock jump", (*nemesis).clockJump},
}

func (n *nemesis) start() {
	n.c.w.after(n.c.w.between(20*wire.Millisecond, 500*wire.Millisecond), n.strike)
}

func (n *nemesis) strike() {
	if n.over {
		return
	}
	f := n.mix[n.c.w.rand.Intn(len(n.mix))]
	if n.cut.spares(f.name, n.total()) {
		n.start()
		return
	}
	if undo := f.strike(n); undo != nil {
		n.count[f.name]++
		n.c.w.after(n.c.w.between(20*wire.Millisecond, 1200*wire.Millisecond), undo)
	}
	n.start()
}

func (n *nemesis) total() (sum int) {
	for _, c := range n.count {
		sum += c
	}
	return sum
}

// crash kills a host. No more than f are without memory at a time: a group that has lost a majority is
// closed, and that is another test.
func (n *nemesis) crash() func() {
	h := n.c.hosts[n.c.w.rand.Intn(len(n.c.hosts))]
	if h.down || n.c.away() >= n.c.plan.Replicas/2 {
		return nil
	}
	n.kill(h)
	return func() { n.restart(h) }
}

func (n *nemesis) kill(h *host) { n.c.kill(h) }

func (n *nemesis) restart(h *host) { n.c.start(h) }

// wipe kills a host and destroys its disks. It counts as a crash until its replicas take part again.
func (n *nemesis) wipe() func() {
	h := n.c.hosts[n.c.w.rand.Intn(len(n.c.hosts))]
	if h.down || n.c.away() >= n.c.plan.Replicas/2 {
		return nil
	}
	n.kill(h)
	h.wipe()
	return func() { n.restart(h) }
}

// pause stops a host as SIGSTOP does: its sockets fill, and then it goes on as if nothing had happened.
func (n *nemesis) pause() func() {
	h := n.c.hosts[n.c.w.rand.Intn(len(n.c.hosts))]
	if h.down || h.paused {
		return nil
	}
	h.paused = true
	return func() { n.resume(h) }
}

func (n *nemesis) resume(h *host) {
	h.paused = false
	for _, s := range h.seats {
		if s.replica != nil {
			s.plan(0)
		}
	}
}

func (n *nemesis) partition(in, out bool) func() {
	n.c.net.isolate(map[int]bool{n.c.w.rand.Intn(n.hosts): true}, n.hosts, in, out)
	return n.c.net.heal
}

// split cuts the hosts into two random parts.
func (n *nemesis) split() func() {
	inside := map[int]bool{}
	for h := range n.hosts {
		inside[h] = n.c.w.chance(0.5)
	}
	n.c.net.isolate(inside, n.hosts, true, true)
	return n.c.net.heal
}

func (n *nemesis) lossBurst() func() {
	before := n.c.net.loss
	n.c.net.loss = 0.1 + 0.4*n.c.w.rand.Float64()
	return func() { n.c.net.loss = min(before, 0.03) }
}

// clockJump sets a host's wall clock forward or back, as an operator or a time daemon would.
func (n *nemesis) clockJump() func() {
	h := n.c.hosts[n.c.w.rand.Intn(len(n.c.hosts))]
	h.clock.skew += int64(n.c.w.between(-2*wire.Second, 2*wire.Second))
	return func() {}
}

// heal ends all faults for good.
func (n *nemesis) heal() {
	n.over = true
	n.c.net.heal()
	n.c.net.loss, n.c.net.duplicate, n.c.net.late = 0, 0, 0
	for _, h := range n.c.hosts {
		n.restart(h)
		n.resume(h)
	}
}
