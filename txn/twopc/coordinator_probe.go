package twopc

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// probe is the question what became of a transaction of another client, who may be dead. The ID does not tell
// where it took part, so that every shard is asked.
//
// Asking settles it. A shard that has no record logs a refusal, and so what has not reached all its shards
// yet never will. What is prepared is waited for: its participants settle it among themselves. A refusal
// alone proves nothing, because the shard may never have been meant to take part; that of all does.
type probe struct {
	token uint64
	id    txn.ID
	calls []*call
	// refused counts the shards that logged a refusal, or had, of those that have answered.
	refused, answered int
}

// probePause is how long a transaction that is found prepared is left to its participants.
const probePause = 100 * wire.Millisecond

func (c *Coordinator) startProbe(now wire.Time, token uint64, id txn.ID) {
	p := &probe{token: token, id: id}
	c.asks[token] = ask{probe: p}
	c.probes[id] = append(c.probes[id], p)
	body := ResolveBody.Append(nil, &Resolve{ID: id})
	for g := range wire.GroupID(c.cfg.Map.Shards) {
		k := &call{kind: wire.KindResolve, route: &c.link(g).route, body: body, probe: p}
		p.calls = append(p.calls, k)
		c.start(now, k)
	}
}

// endProbe answers the caller and drops what is still unanswered.
func (c *Coordinator) endProbe(p *probe, done Completion) {
	for _, k := range p.calls {
		c.end(k)
	}
	p.calls = nil
	if rest := slices.DeleteFunc(c.probes[p.id], func(o *probe) bool { return o == p }); len(rest) > 0 {
		c.probes[p.id] = rest
	} else {
		delete(c.probes, p.id)
	}
	done.Token, done.ID = p.token, p.id
	c.complete(done)
}

func (c *Coordinator) cancelProbe(p *probe) {
	cause := obstacle(p.calls)
	c.endProbe(p, Completion{Result: ResultUnknown, Group: cause.Group, Cause: cause})
}

// onProbe takes in what a shard's log says about another client's transaction.
func (c *Coordinator) onProbe(now wire.Time, from Target, r *txn.TxnReply) {
	probes := slices.Clone(c.probes[r.ID]) // those that end here leave the list
	if len(probes) == 0 {
		c.ignore(IgnoredStranger)
	}
	for _, p := range probes {
		c.found(now, p, from, r)
	}
}

func (c *Coordinator) found(now wire.Time, p *probe, from Target, r *txn.TxnReply) {
	k := p.call(from.Group)
	if k == nil {
		c.ignore(IgnoredLate)
		return
	}
	k.route.answered(now, k, from.Replica)
	switch r.Status {
	case txn.StatusCommitted:
		c.endProbe(p, Completion{Result: ResultCommitted, Time: r.Time, Group: from.Group})
	case txn.StatusNo, txn.StatusAborted:
		c.endProbe(p, Completion{Result: ResultConflict, Key: r.Key, Group: from.Group})
	case txn.StatusYes:
		k.tries, k.cause = 0, Cause{Group: from.Group, Status: r.Status, Detail: "its participants are about to settle it"}
		c.pause(now, k, probePause)
	case txn.StatusRefused, txn.StatusNone:
		c.noRecord(p, k, r.Status)
	default:
		c.ignore(IgnoredMalformed)
	}
}

// noRecord is a shard that had nothing to tell.
func (c *Coordinator) noRecord(p *probe, k *call, status txn.Status) {
	c.end(k)
	p.calls = slices.DeleteFunc(p.calls, func(o *call) bool { return o == k })
	p.answered++
	if status == txn.StatusRefused {
		p.refused++
	}
	switch {
	case len(p.calls) > 0:
	case p.refused == p.answered:
		c.endProbe(p, Completion{Result: ResultConflict})
	default:
		c.endProbe(p, Completion{Result: ResultUnknown, Cause: Cause{Detail: "no shard remembers it: it was never prepared, or its client has been silent for so long that it is forgotten"}})
	}
}

func (p *probe) call(g wire.GroupID) *call {
	for _, k := range p.calls {
		if k.route.group == g {
			return k
		}
	}
	return nil
}

// probeCall returns the open call that a refusal is about; copies of one question share their answers.
func (c *Coordinator) probeCall(id txn.ID, from Target) *call {
	for _, p := range c.probes[id] {
		if k := p.call(from.Group); k != nil && k.to == from.Replica {
			return k
		}
	}
	return nil
}
