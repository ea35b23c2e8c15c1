package twopc

import (
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// finish forgets a call: it is answered, or nobody wants the answer any more.
func (c *Coordinator) finish(k *call) {
	c.end(k)
	if k.nonce != 0 {
		delete(c.calls, k.nonce)
	}
	c.dropped(k)
}

// onRefusal finds the refused call and does what the reason asks for. Refusals are never votes.
func (c *Coordinator) onRefusal(now wire.Time, from Target, body []byte) {
	var r txn.Refusal
	if txn.RefusalBody.Decode(body, &r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	k := c.refusedCall(from, &r)
	if k == nil || k.kind != r.Kind || k.route.group != from.Group {
		c.ignore(IgnoredStale)
		return
	}
	k.loose--
	k.learn(Cause{Group: from.Group, Reason: r.Reason, Detail: r.Detail})
	if !c.refused(now, k, from.Replica, r.Reason, r.View) {
		c.turnedDown(now, k)
	}
}

// learn keeps the last real obstacle: on the way to the leader one asks others too, which says nothing about what stands
// in the way there.
func (k *call) learn(why Cause) {
	if why.Reason == txn.ReasonNotLeader && why.Detail == "" && k.cause.Reason != 0 {
		return
	}
	k.cause = why
}

// refusedCall returns the open call that a refusal is about.
func (c *Coordinator) refusedCall(from Target, r *txn.Refusal) *call {
	switch r.Kind {
	case wire.KindRead, wire.KindValidate, wire.KindScan:
		return c.calls[r.Nonce]
	case wire.KindOpenSession:
		if l := c.links[from.Group]; l != nil {
			return l.opening
		}
	case wire.KindEndSession:
		if l := c.links[from.Group]; l != nil {
			return l.ending
		}
	default:
		if r.ID.Client != c.cfg.Client {
			return c.probeCall(r.ID, from)
		}
		if d := c.deals[r.ID.Seq]; d != nil {
			if p := d.party(from.Group); p != nil {
				return p.call
			}
		}
	}
	return nil
}

// turnedDown is a refusal that asking again will not change.
func (c *Coordinator) turnedDown(now wire.Time, k *call) {
	switch {
	case k.gather != nil:
		c.endGather(k.gather, Completion{Result: ResultRejected, Group: k.route.group, Cause: k.cause})
	case k.party != nil && (k.kind == wire.KindSubmit || k.kind == wire.KindPrepare):
		c.rejectDeal(now, k.party, k.cause)
	default:
		// Sessions and outcomes must get through in the end: the operator may mend what is wrong.
		c.pushBack(now, k)
	}
}
