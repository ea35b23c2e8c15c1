package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The log is bounded. What has been applied is in the state, and is kept only for those that lag a little:
// sending them entries is cheaper than sending the state. What has not been applied is never dropped.

const (
	// pinFactor is how much longer the log may become, than it is kept otherwise, for the sake of a receiver
	// of an image; in bytes it may always become as long as pinBytes. A receiver that is slower than that
	// begins anew.
	pinFactor = 8
	pinBytes  = 64 << 20
	// pinElections is how many election timeouts a receiver may be silent before nothing is kept for it.
	pinElections = 20
	// entryOverhead is about what an entry takes beside its bytes.
	entryOverhead = 48
)

// pins holds, for each receiver of an image, from which op on the log is kept for it: an image is worth
// nothing without the entries above it.
type pins [wire.MaxReplicas]struct {
	op    Op
	until Time
}

// pin keeps the log above op for a replica, for a while.
func (c *Core) pin(r ReplicaID, op Op) {
	if mutant.On("unpinned") {
		return
	}
	p := &c.pins[r]
	p.op, p.until = op, c.now.Add(pinElections*c.cfg.Timing.Election)
}

// repin goes on keeping it.
func (c *Core) repin(r ReplicaID) {
	if p := &c.pins[r]; p.until > c.now {
		c.pin(r, p.op)
	}
}

// pinned is the op above which the log is kept for somebody.
func (c *Core) pinned() Op {
	op := c.delivered
	for r := range c.cfg.Replicas {
		p := &c.pins[r]
		if p.until <= c.now {
			continue
		}
		if f := &c.lead.followers[r]; c.leads() && f.known {
			p.op = max(p.op, f.acked) // it has come as far as that
		}
		op = min(op, p.op)
	}
	return op
}

// trim drops entries that were applied, the oldest first, down to what is kept.
func (c *Core) trim() {
	l, limit := &c.log, c.delivered
	if mutant.On("trim-undelivered") {
		limit = l.last()
	}
	if !c.long(1, 0) {
		return
	}
	pinned := c.pinned()
	n := 0
	for base := l.base; base < limit && c.long(1, 0) && (base < pinned || c.long(pinFactor, pinBytes)); base++ {
		c.kept -= len(l.bodies[n]) + entryOverhead
		l.bodies[n] = nil
		n++
		l.base++
	}
	l.bodies = l.bodies[n:]
	l.pages.drop(l.base)
}

// long reports whether the log that was applied is longer than it may be, times a factor. It may always take
// so many bytes.
func (c *Core) long(factor, bytes int) bool {
	l, applied := &c.cfg.Limits, c.delivered
	if mutant.On("trim-undelivered") {
		applied = c.log.last()
	}
	return c.kept > max(factor*l.KeepBytes, bytes) || int(applied-c.log.base) > factor*l.KeepEntries
}

// KeptBytes is what the applied entries take that the log still holds.
func (c *Core) KeptBytes() int { return c.kept }
