package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
)

// The return of a replica whose disk was lost. It must recover as one that restarted, but does not know
// under which incarnation: what it said in former lives may still be under way, and counts unless the new
// one is higher. Those who remember know: every incarnation that ever bound the replica was known to f+1
// others before (a recovery needs their answers, and founders learn each other's when they form). So it
// asks for the vectors of f+1 that have not lost their memory, and takes one more than the highest.

// startReturning begins to ask. What it has learned so far is not written down: should the replica start
// again before it has its incarnation, it is as new as before.
func (c *Core) startReturning() {
	c.stranger = true
	c.become(Recovering)
	c.emptyLog()
	if mutant.On("wiped-keeps-incarnation") {
		c.returnAs(c.incarnation, c.promised)
		return
	}
	c.recover = recovering{highest: c.promised}
	c.startCensus()
	c.inquire()
}

// tryReturn takes the incarnation once f+1 replicas with memory have told theirs.
func (c *Core) tryReturn() {
	n, highest, view := 0, c.incarnation, c.promised
	for _, a := range c.forming.answers {
		if a == nil || !c.remembers(a) {
			continue
		}
		n++
		highest = max(highest, a.Vector[c.cfg.Self])
		view = max(view, a.view)
	}
	if n < c.f+1 {
		return
	}
	for _, a := range c.forming.answers {
		if a != nil && c.remembers(a) {
			c.learnVector(a.Vector)
		}
	}
	c.returnAs(highest+1, view)
}

// remembers reports whether an answer comes from a member of this group that has its memory.
func (c *Core) remembers(a *answer) bool {
	return (a.Status == Normal || a.Status == Changing) && c.charter.sameGroup(&a.Charter)
}

// returnAs begins the recovery under an incarnation, which is on disk before anyone hears of it, with the
// highest view that was heard of: the lost disk may have held a promise of it.
func (c *Core) returnAs(i Incarnation, v View) {
	c.stranger = false
	c.forming = forming{}
	c.incarnation, c.vector[c.cfg.Self] = i, i
	c.promised = max(c.promised, v)
	c.save()
	c.startRecovery()
}
