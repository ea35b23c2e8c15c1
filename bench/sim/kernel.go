package sim

import (
	"bytes"
	"math/rand"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// KernelPlan is the part of a plan that concerns the kernel path.
type KernelPlan struct {
	// Offloads are those that hosts have; with none there is no kernel path in the run.
	Offloads replica.Offloads
	// Log is the number of entries for which a follower's kernel has room.
	Log int
	// Words is the largest op of an epoch that a word of the kernel holds; 0 stands for what it is, which no run reaches.
	Words model.Offset
	// Switched: offloads are switched, and programs attached and detached, while the cluster runs.
	Switched bool
	// Lag is the share of drains that find the next entry still being stored; Rivals that of the packets beside which
	// another CPU acts, between a program's checks and what it does, or before it answers.
	Lag, Rivals float64
}

// drawKernel gives the hosts of two seeds in three a kernel path. It draws from a source of its own, so that nothing
// changes in the runs that have none.
func (p *Plan) drawKernel(seed int64) {
	r := rand.New(rand.NewSource(seed ^ 0x6b65726e))
	if r.Intn(3) == 0 {
		return
	}
	k := &p.Kernel
	k.Offloads = replica.AllOffloads
	if r.Intn(2) == 0 {
		k.Offloads = replica.Offloads(1 + r.Intn(int(replica.AllOffloads)))
	}
	k.Log = []int{4, 32, 1024}[r.Intn(3)]
	k.Switched = r.Intn(2) == 0
	k.Lag, k.Rivals = calmLag*r.Float64(), calmRivals*r.Float64()
	if r.Intn(8) == 0 {
		k.Words = model.Offset(50 + r.Intn(500))
	}
}

// kernel is a host's: the model of the programs, and what else happens on a machine with several CPUs. It goes on while
// the host's processes are stopped.
type kernel struct {
	c       *cluster
	host    *host
	rand    *rand.Rand
	machine *model.Machine
	// attached: packets come by the programs.
	attached bool
	// rivalry: another CPU acts at the moment.
	rivalry bool
}

// giveKernels gives the hosts what the plan says.
func (c *cluster) giveKernels(seed int64) {
	if c.plan.Kernel.Offloads == replica.NoOffloads {
		return
	}
	r := rand.New(rand.NewSource(seed ^ 0x637075))
	for _, h := range c.hosts {
		h.kernel = &kernel{c: c, host: h, rand: r, machine: model.NewMachine(c.plan.Kernel.Log), attached: true}
		if c.plan.Kernel.Words != 0 {
			h.kernel.machine.OpMax = c.plan.Kernel.Words
		}
	}
	if c.plan.Kernel.Switched {
		c.meddle(r)
	}
}

// openFastPath gives a replica that starts its share of the host's kernel.
func (s *seat) openFastPath() replica.FastPath {
	k := s.host.kernel
	if k == nil {
		return replica.NoFastPath{}
	}
	s.fast = &fastPath{s: s, k: k, slot: k.machine.Open(model.Key{Addr: s.port.addr, Group: s.group})}
	return s.fast
}

func (s *seat) closeFastPath() {
	if s.fast != nil {
		s.tallyKernel()
		s.fast.slot.Close()
		s.fast = nil
	}
}

// ingress lets a datagram that arrives come by the programs, and reports whether it ends there.
func (s *seat) ingress(d transport.Datagram) bool {
	k := s.host.kernel
	if k == nil || s.fast == nil || !k.attached {
		return false
	}
	s.fast.remember(d)
	return k.run(s, d) != model.Pass
}

func (k *kernel) run(s *seat, d transport.Datagram) model.Verdict {
	k.machine.Now = k.host.clock.read(k.c.w.now).Now
	k.machine.Between, k.machine.Behind = nil, nil
	if rival := func() { k.rival(s, d) }; !k.rivalry && k.rand.Float64() < k.c.plan.Kernel.Rivals {
		if k.rand.Intn(4) == 0 {
			k.machine.Behind = rival
		} else {
			k.machine.Between = rival
		}
	}
	v, answer := k.machine.Datagram(d.Addr, s.port.addr, bytes.Clone(d.Data))
	k.machine.Between, k.machine.Behind = nil, nil
	if v == model.Answer {
		k.c.net.send(s.port, d.Addr, answer)
	}
	if v != model.Pass && k.host.paused {
		k.c.situations[kernelAlone]++
	}
	return v
}

// rival is what another CPU does while a program is at work on a packet: it handles a copy, or runs the replica.
func (k *kernel) rival(s *seat, d transport.Datagram) {
	k.machine.Between, k.machine.Behind = nil, nil
	k.rivalry = true
	if k.rand.Intn(2) == 0 {
		if other := s.fast.recent[k.rand.Intn(len(s.fast.recent))]; other.Data != nil && k.rand.Intn(2) == 0 {
			d = other
		}
		k.run(s, d)
	} else if !s.turning {
		fenced := s.fast.fences
		if k.c.plan.Kernel.Switched && !k.c.calm && k.rand.Intn(20) == 0 {
			s.wish(replica.NoOffloads)
		}
		s.turn()
		if s.fast.fences > fenced {
			k.c.situations[kernelFencedBetween]++
		}
	}
	k.rivalry = false
}

// egress lets a datagram that leaves come by the programs: it returns what is sent in its place, and to whom, or
// nobody if it is sent as it is.
func (s *seat) egress(data []byte) (to []wire.Addr, frame []byte) {
	if k := s.host.kernel; k != nil && k.attached && s.fast != nil {
		return k.machine.Broadcast(s.port.addr, data)
	}
	return nil, nil
}

// meddle switches something now and then.
func (c *cluster) meddle(r *rand.Rand) {
	c.w.after(30*wire.Millisecond+wire.Duration(r.Int63n(int64(600*wire.Millisecond))), func() {
		if c.calm {
			return
		}
		h := c.hosts[r.Intn(len(c.hosts))]
		if r.Intn(3) == 0 {
			h.kernel.attached = !h.kernel.attached
			c.situations[kernelDetached]++
		} else if len(h.seats) > 0 {
			s := h.seats[r.Intn(len(h.seats))]
			s.wish(c.plan.Kernel.Offloads & replica.Offloads(r.Intn(int(replica.AllOffloads)+1)))
		}
		c.meddle(r)
	})
}

// wish switches the offloads of a replica that runs.
func (s *seat) wish(o replica.Offloads) {
	if s.replica != nil && !s.host.paused {
		s.replica.SetOffloads(o)
		s.c.situations[kernelSwitched]++
	}
}

// How far user space may be behind the kernel once all faults are over.
const (
	calmLag    = 0.2
	calmRivals = 0.1
)

// calmKernels ends the meddling: everything that the plan offers is on, and user space keeps up.
func (c *cluster) calmKernels() {
	c.calm = true
	c.plan.Kernel.Lag, c.plan.Kernel.Rivals = min(c.plan.Kernel.Lag, calmLag), min(c.plan.Kernel.Rivals, calmRivals)
	for _, h := range c.hosts {
		if h.kernel == nil {
			continue
		}
		h.kernel.attached = true
		for _, s := range h.seats {
			s.wish(c.plan.Kernel.Offloads)
		}
	}
}
