package sim

import (
	"math/rand"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// Faults that only swarms know; see [RunSwarm].
var swarmFaults = []fault{
	{"stall", (*nemesis).stall},
	{"boot clock leap", (*nemesis).leap},
}

// swarmSource keeps what a swarm draws apart from what the run itself draws.
const swarmSource = 0x5eed5

// RunSwarm plays one seed with sizes and a mix of faults of its own: some of all there are, and sometimes one alone. What a
// mixture of everything hides, because one fault undoes the work of another, shows in a run that has few.
func RunSwarm(seed int64) (Report, error) { return RunCut(seed, true, Cut{}) }

// drawSizes draws how large a swarm's cluster is, how many use it, how much they get into each other's way, and how far
// user space is behind the kernel.
func (p *Plan) drawSizes(seed int64) {
	r := rand.New(rand.NewSource(seed ^ 0x73697a65))
	p.Replicas = []int{3, 3, 3, 5, 5, 7}[r.Intn(6)]
	p.Hosts = p.Replicas + []int{0, 0, 1, 3}[r.Intn(4)]
	p.Groups = []int{1, 2, 3, 4, 6}[r.Intn(5)]
	p.Clients = 2 + r.Intn(9)
	p.Registers = []int{2, 8, 32}[r.Intn(3)]
	p.Lists = []int{2, 4, 8}[r.Intn(3)]
	p.Accounts = []int{2, 6, 12}[r.Intn(3)]
	if k := &p.Kernel; k.Offloads != replica.NoOffloads {
		k.Log = []int{4, 32, 1024}[r.Intn(3)]
		k.Lag, k.Rivals = []float64{0, calmLag, 0.9}[r.Intn(3)], []float64{0, calmRivals, 0.5}[r.Intn(3)]
	}
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
