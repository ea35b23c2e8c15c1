package paxos

import "github.com/anodekv/anode/internal/mutant"

// The end of a follower's log. While the fast path is armed the end is the fast path's: it takes the next op in this
// replica's name whenever an Accept arrives, and user space hears of it later. What user space appends meanwhile,
// because it was too large, came early, or found the fast path in doubt, it first takes by the same step. So no op
// has two owners, and the fast path goes on behind it.

// SetClaim says who is asked for the next op before it is appended to a follower's log. claim reports whether the op
// is user space's now. It is not if the fast path has taken it: then it comes as an Accept with Acked set. Without
// a claim there is no fast path.
func (c *Core) SetClaim(claim func(Op) bool) { c.owned = claim }

// take appends an Accept's body to a follower's log, unless the fast path has taken the op. The body is copied.
func (c *Core) take(op Op, body []byte) bool {
	if c.owned != nil && !mutant.On("unclaimed") && !c.owned(op) {
		return false
	}
	c.tail = op
	c.log.append(body)
	return true
}

// arm hands the end of the log to the fast path.
func (c *Core) arm() {
	c.fast, c.rearm, c.tail = true, true, c.log.last()
}

// Armament is what the fast path is to be armed with now, if it may act at all.
func (c *Core) Armament() (a Arm, may bool) {
	if !c.fast || c.status != Normal || c.fencing || c.over {
		return a, false
	}
	return Arm{View: c.lastNormal, Leader: c.leader(c.lastNormal), Last: c.log.last(), Vector: c.vectorCopy()}, true
}

// armDue demands what the fast path is to be armed with, or armed with anew: it judges by the incarnations that were
// known when it was armed, a follower's by its leader's, a leader's by all.
func (c *Core) armDue() {
	if !c.rearm {
		return
	}
	c.rearm = false
	if a, may := c.Armament(); may {
		c.out.Arm = &a
	}
}

// reborn notes that the fast path judges by an incarnation which is no longer the latest.
func (c *Core) reborn(r ReplicaID) {
	if mutant.On("arm-outdated") {
		return
	}
	if c.leads() || c.follows() && r == c.leader(c.lastNormal) {
		c.rearm = true
	}
}

// Acks returns the last op of a leader's log, and appends what each replica has acknowledged in this view, 0 for this
// one. One who does not lead appends nothing.
func (c *Core) Acks(to []Op) (last Op, acks []Op) {
	if c.leads() {
		for r := range c.cfg.Replicas {
			to = append(to, c.lead.followers[r].acked)
		}
	}
	return c.log.last(), to
}

// checkTail asserts that nobody has appended to a follower's log beside the fast path and those who asked it.
func (c *Core) checkTail() {
	if c.fast && c.status == Normal && c.leader(c.lastNormal) != c.cfg.Self && c.tail != c.log.last() {
		violated("the log ends at op %d, and the end that was handed over or claimed is op %d", c.log.last(), c.tail)
	}
}
