package twopc

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// decideCommit is the commit point, or hearing of it. The caller is answered here, before any shard is
// told: no vote can be withdrawn.
func (c *Coordinator) decideCommit(now wire.Time, d *deal) {
	d.become(stageCommitting)
	c.settle(d, Completion{Result: ResultCommitted, Time: d.time})
	c.spread(now, d, wire.KindCommit)
}

// decideAbort acts on what stands against the commit in a member's log.
func (c *Coordinator) decideAbort(now wire.Time, p *party, key []byte) {
	d := p.deal
	p.state = partyAborted
	c.dropCall(p)
	d.because = p.link.group
	d.become(stageAborting)
	done := Completion{Result: ResultConflict, Key: key, Group: d.because}
	if d.rejected != (Cause{}) {
		done.Result, done.Group = ResultRejected, d.rejected.Group
		d.cause = d.rejected
	}
	c.settle(d, done)
	c.spread(now, d, wire.KindAbort)
}

// doubt begins when a member has no record. A single shard leaves nobody to ask.
func (c *Coordinator) doubt(now wire.Time, p *party, status txn.Status) {
	d := p.deal
	p.state = partyGone
	c.dropCall(p)
	d.because = p.link.group
	d.cause = Cause{Group: p.link.group, Status: status}
	d.become(stageDoubt)
	c.spread(now, d, wire.KindResolve)
}

// spread asks or tells every member that has not given its last answer.
func (c *Coordinator) spread(now wire.Time, d *deal, kind wire.Kind) {
	for i := range d.parties {
		if p := &d.parties[i]; !p.state.final() {
			c.request(now, p, kind)
		}
	}
	c.wrapUp(d)
}

// close takes a member's last answer.
func (c *Coordinator) close(p *party, state partyState) {
	p.state = state
	c.dropCall(p)
	c.wrapUp(p.deal)
}

// wrapUp finishes a transaction all of whose members have given their last answer.
func (c *Coordinator) wrapUp(d *deal) {
	for i := range d.parties {
		if !d.parties[i].state.final() {
			return
		}
	}
	if d.outcome.Result == 0 { // nobody has a record
		c.settle(d, Completion{Result: ResultUnknown, Group: d.cause.Group})
	}
	c.retire(d)
}

// retire forgets a finished transaction and lets the mark pass.
func (c *Coordinator) retire(d *deal) {
	d.become(stageFinished)
	delete(c.deals, d.seq)
	for i := range d.parties {
		l := d.parties[i].link
		l.open--
	}
	for c.launch.len() > 0 && c.launch.first().stage == stageFinished {
		c.passes(c.launch.pop())
	}
}

// passes lets the mark pass a finished transaction, which nobody refers to any more.
func (c *Coordinator) passes(d *deal) {
	for i := range d.parties {
		d.parties[i].link.held--
		if d.parties[i].call != nil {
			panic("twopc: a finished transaction asks a member")
		}
	}
	c.spare.deals.put(d)
}

// settle records the outcome and answers everybody who waits for it. The caller of Commit may have been
// told "unknown" before; then the outcome is kept for a while, in case it is asked for.
func (c *Coordinator) settle(d *deal, done Completion) {
	done.ID, done.Cause = c.id(d), d.cause
	d.outcome = done
	if c.asks[d.token].deal == d {
		done.Token = d.token
		c.complete(done)
	} else if done.Result != ResultUnknown {
		c.outcomes.put(d.seq, done.Result)
	}
	for _, token := range d.askers {
		done.Token = token
		c.complete(done)
	}
	d.askers = nil
}

// rejectDeal handles a refusal that asking again will not change. Nothing was logged by the refused copy,
// but another copy may have fared better: the caller is told only when a refusal is chosen.
func (c *Coordinator) rejectDeal(now wire.Time, p *party, cause Cause) {
	p.deal.rejected = cause
	c.request(now, p, wire.KindResolve)
}

// cancelDeal answers the caller at once. What was sent is followed to its end.
func (c *Coordinator) cancelDeal(now wire.Time, d *deal) {
	if d.stage == stageSessions {
		c.abandon(d, ResultCancelled, d.lastCause())
		return
	}
	cause := d.lastCause()
	told := ResultUnknown
	if mutant.On("silence-is-abort") {
		told = ResultConflict
	}
	c.complete(Completion{Token: d.token, ID: c.id(d), Result: told, Group: cause.Group, Cause: cause})
	if d.stage != stageVoting {
		return // in doubt: its members are being asked already
	}
	d.cancelled = true
	for i := range d.parties {
		c.dropCall(&d.parties[i])
	}
	c.resolveNext(now, d)
}

// resolveNext asks a member that has not voted to refuse, one at a time: the first refusal suffices, and
// if all turn out to have voted yes the transaction is committed.
func (c *Coordinator) resolveNext(now wire.Time, d *deal) {
	if slices.ContainsFunc(d.parties, func(p party) bool { return p.call != nil }) {
		return
	}
	for i := range d.parties {
		if p := &d.parties[i]; p.state == partyAsked {
			c.request(now, p, wire.KindResolve)
			return
		}
	}
}

// Outcome asks what became of a transaction. It is answered when the outcome is known; "unknown" means that
// it is not, and that waiting would not change that. Asking about a transaction of another client settles
// it: what has not been prepared everywhere by then is refused.
func (c *Coordinator) Outcome(now wire.Time, token uint64, id txn.ID) {
	defer c.check()
	if !c.admit(token, 0) {
		return
	}
	d := c.deals[id.Seq]
	switch {
	case id.Client == 0:
		c.complete(Completion{Token: token, ID: id, Result: ResultUnknown, Cause: Cause{Detail: "client 0 is nobody"}})
	case id.Client != c.cfg.Client:
		c.startProbe(now, token, id)
	case d != nil && d.outcome.Result == 0:
		c.asks[token] = ask{about: d}
		d.askers = append(d.askers, token)
	case d != nil:
		done := d.outcome
		done.Token = token
		c.complete(done)
	default:
		c.recall(token, id)
	}
}

// recall answers from memory.
func (c *Coordinator) recall(token uint64, id txn.ID) {
	done := Completion{Token: token, ID: id, Result: ResultUnknown, Cause: Cause{Detail: "this client no longer remembers it"}}
	if result, ok := c.outcomes.of[id.Seq]; ok {
		done.Result, done.Cause = result, Cause{}
	}
	c.complete(done)
}

func (c *Coordinator) cancelAsker(token uint64, d *deal) {
	if i := slices.Index(d.askers, token); i >= 0 {
		d.askers = slices.Delete(d.askers, i, i+1)
	}
	cause := d.lastCause()
	c.complete(Completion{Token: token, ID: c.id(d), Result: ResultUnknown, Group: cause.Group, Cause: cause})
}
