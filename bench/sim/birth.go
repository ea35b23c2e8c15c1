package sim

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// The birth of groups, and what becomes of replicas that lost their memory or their disk.
const (
	founded      = "replica that founded its group"
	foundedLate  = "founder that came when entries were chosen"
	formedAgain  = "founding in another epoch than the first"
	recovered    = "recovery"
	returned     = "return after a wiped disk"
	sawLoss      = "replica that said its group is lost"
	forgotten    = "replica that began anew after an accepted loss"
	recoveryView = "recovery into a later view than its disk promised"
	recoveryMet  = "view change during a recovery"
)

// powerUp starts the hosts for the first time, one after the other, into whatever the network is like. In
// some runs a disk breaks just then, while the groups are being formed.
func (c *cluster) powerUp() {
	last := wire.Duration(0)
	for _, h := range c.hosts {
		h.down = true
		at := c.w.between(0, 50*wire.Millisecond)
		last = max(last, at)
		c.w.after(at, func() { c.start(h) })
	}
	if c.w.chance(0.4) {
		c.w.after(last+c.w.between(0, 6*wire.Millisecond), c.breakDisk)
	}
}

func (c *cluster) breakDisk() {
	h := c.hosts[c.w.rand.Intn(len(c.hosts))]
	if h.down || c.away() >= c.plan.Replicas/2 {
		return
	}
	c.kill(h)
	h.wipe()
	c.w.after(c.w.between(0, 30*wire.Millisecond), func() { c.start(h) })
}

func (c *cluster) kill(h *host) {
	h.down = true
	for _, s := range h.seats {
		s.forget()
		s.kill()
	}
}

func (c *cluster) start(h *host) {
	if !h.down {
		return
	}
	h.down, h.paused = false, false
	for _, s := range h.seats {
		s.boot()
	}
}

// wipe takes a host's disks. It is down.
func (h *host) wipe() {
	for _, s := range h.seats {
		s.disk = replica.MemoryDisk{}
		s.lost, s.wiped = true, true
	}
}

// forget notes that a replica goes down with something that it will have to recover.
func (s *seat) forget() {
	if promise, _, _ := s.disk.Load(); promise.Charter.Stage == paxos.Served {
		s.lost = true
	}
}

// live follows a replica through the beginnings and ends of its group.
func (c *cluster) live(s *seat, now *replica.State) {
	was := &s.seen
	if now.Lost && !was.Lost {
		c.situations[sawLoss]++
	}
	if now.Status != paxos.Normal || was.Status == paxos.Normal || was.Status == paxos.Changing {
		return
	}
	if was.Status == paxos.Recovering && now.LastNormal > s.served {
		c.situations[recoveryMet]++
	}
	switch {
	case was.Status == paxos.Recovering && s.wiped:
		c.situations[returned]++
	case was.Status == paxos.Recovering:
		c.situations[recovered]++
		if now.LastNormal > s.promised {
			c.situations[recoveryView]++
		}
	default:
		c.found(s, now)
	}
	s.lost, s.wiped = false, false
	c.begin(s, now.Epoch)
}

// found counts a replica that began with an empty log.
func (c *cluster) found(s *seat, now *replica.State) {
	c.situations[founded]++
	if len(c.chosen[s.group]) > 0 && now.Epoch == c.epochs[s.group] {
		c.situations[foundedLate]++
	}
	switch {
	case now.Epoch > c.decided[s.group]:
		c.situations[formedAgain]++
	case now.Epoch > 0:
		c.situations[forgotten]++
	}
}

// begin checks that a group begins a new epoch only when nothing is lost by it, or the loss was accepted, and
// that nobody goes on in an earlier one.
func (c *cluster) begin(s *seat, e wire.Epoch) {
	g := s.group
	if e > c.epochs[g] {
		if len(c.chosen[g]) > 0 && e > c.decided[g] {
			c.w.fail("%v: begins epoch %d with %d entries chosen in epoch %d", s, e, len(c.chosen[g]), c.epochs[g])
		}
		c.epochs[g], c.views[g] = e, e.First()
		clear(c.chosen[g])
		clear(c.hashes[g])
	}
	if e < c.epochs[g] {
		c.w.fail("%v: goes on in epoch %d, and epoch %d has begun", s, e, c.epochs[g])
	}
}
