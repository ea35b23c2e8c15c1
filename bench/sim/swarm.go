package sim

import (
	"math/rand"

	"github.com/anodekv/anode/paxos/wire"
)

// Faults that only swarms know; see [RunSwarm].
var swarmFaults = []fault{
	{"stall", (*nemesis).stall},
	{"boot clock leap", (*nemesis).leap},
}

// swarmSource keeps what a swarm draws apart from what the run itself draws.
const swarmSource = 0x5eed5

// RunSwarm plays one seed with a mix of faults of its own: some of all there are, and sometimes one alone. What a
// mixture of everything hides, because one fault undoes the work of another, shows in a run that has few.
func RunSwarm(seed int64) (Report, error) {
	return guarded(seed, func() (Report, error) {
		s := newSimulation(seed)
		s.nemesis.draw(rand.New(rand.NewSource(seed ^ swarmSource)))
		return s.run()
	})
}

// draw chooses the faults of a run.
func (n *nemesis) draw(r *rand.Rand) {
	all := append(append([]fault{}, faults...), swarmFaults...)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	n.mix = all[:1+r.Intn(len(all))]
	if !n.strikes() {
		n.mix = append(n.mix, fault{"pause", (*nemesis).pause})
	}
}

// strikes reports whether the mix has something beside jumps of clocks, which alone disturb nobody.
func (n *nemesis) strikes() bool {
	for _, f := range n.mix {
		if f.name != "clock jump" && f.name != "boot clock leap" {
			return true
		}
	}
	return false
}

// stall stops a host, as pause does, while the other servers lose sight of it and the clients do not: what they asked
// of it is what it finds when it goes on, and nothing that would tell it how long it was away.
func (n *nemesis) stall() func() {
	h := n.c.hosts[n.c.w.rand.Intn(len(n.c.hosts))]
	if h.down || h.paused {
		return nil
	}
	h.paused = true
	n.c.net.isolate(map[int]bool{h.id: true}, len(n.c.hosts), true, true)
	return func() {
		n.resume(h)
		n.c.w.after(n.c.w.between(wire.Millisecond, 30*wire.Millisecond), n.c.net.heal)
	}
}

// leap sets the clock forward by which a host measures time, as a hypervisor may that lets a machine go on elsewhere.
// Nothing may depend on it but leases, which promise to hold while any two clocks drift apart no faster than
// the bound: with leases all clocks leap together.
func (n *nemesis) leap() func() {
	d := n.c.w.between(wire.Millisecond, 2*wire.Second)
	if n.c.plan.Lease == 0 {
		n.c.hosts[n.c.w.rand.Intn(len(n.c.hosts))].clock.offset += d
		return func() {}
	}
	for _, h := range n.c.hosts {
		h.clock.offset += d
	}
	return func() {}
}
