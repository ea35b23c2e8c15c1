package twopc

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// gather is a question to several groups that is answered when all have: a read, a scan, or the validation of
// a read-only transaction.
type gather struct {
	token  uint64
	values []txn.Value     // of a read
	pages  []txn.ScanReply // of a scan
	calls  []*call         // unanswered, in the order in which they were asked
}

// Read asks for keys at the leaders of their shards. A read that is part of a transaction need not be
// linearizable: the commit validates it.
func (c *Coordinator) Read(now wire.Time, token uint64, keys [][]byte, linearizable bool) {
	c.question = txn.ReadRequest{Linearizable: linearizable}
	c.read(now, token, keys)
}

// ReadAt asks for keys as they were at a time. What it tells is the state after every transaction that
// committed up to that time, and before all later ones; a transaction that was acknowledged before the call may
// be later, for clocks differ.
func (c *Coordinator) ReadAt(now wire.Time, token uint64, keys [][]byte, time txn.Timestamp) {
	c.question = txn.ReadRequest{Time: time}
	c.read(now, token, keys)
}

func (c *Coordinator) read(now wire.Time, token uint64, keys [][]byte) {
	defer c.check()
	if !c.admit(token, 0) {
		return
	}
	g := c.newGather(token, len(keys))
	parts := c.splitKeys(keys)
	for i := range parts {
		part, k := &parts[i], c.gathers(g, wire.KindRead, parts[i].group)
		c.question.Nonce, c.question.Keys = k.nonce, part.keys
		k.body = txn.ReadRequestBody.Append(k.body, &c.question)
		k.slots = append(k.slots, part.slots...)
		clear(part.keys)
	}
	c.question.Keys = nil
	c.startGather(now, g, ResultValues)
}

// validate asks each shard whether what a read-only transaction saw still holds.
func (c *Coordinator) validate(now wire.Time, token uint64, parts []Part) {
	g := c.newGather(token, 0)
	for i := range parts {
		k := c.gathers(g, wire.KindValidate, parts[i].Group)
		request := txn.ValidateRequest{Nonce: k.nonce, Work: parts[i].Work}
		k.body = txn.ValidateRequestBody.Append(k.body, &request)
	}
	c.startGather(now, g, ResultCommitted)
}

// gathers adds a call to a gather, whose body is still to be written.
func (c *Coordinator) gathers(g *gather, kind wire.Kind, to wire.GroupID) *call {
	c.nonce++
	k := c.newCall()
	k.kind, k.route, k.nonce, k.gather = kind, &c.link(to).route, c.nonce, g
	g.calls = append(g.calls, k)
	return k
}

// startGather sends the calls, unless one is too large to travel or there is nothing to ask.
func (c *Coordinator) startGather(now wire.Time, g *gather, empty Result) {
	for _, k := range g.calls {
		if len(k.body) > c.cfg.MaxBody {
			c.complete(Completion{Token: g.token, Result: ResultRejected, Cause: c.tooLarge(k.route.group, len(k.body))})
			return
		}
	}
	if len(g.calls) == 0 {
		c.completeGather(g, Completion{Result: empty, Values: g.values, Pages: g.pages})
		return
	}
	c.asks[g.token] = ask{gather: g}
	for _, k := range g.calls {
		c.calls[k.nonce] = k
		c.start(now, k)
	}
}

// endGather answers the caller and drops what is still unanswered.
func (c *Coordinator) endGather(g *gather, done Completion) {
	for _, k := range g.calls {
		c.finish(k)
	}
	clear(g.calls)
	g.calls = g.calls[:0]
	c.completeGather(g, done)
}

// completeGather answers the caller of a gather that has no call any more.
func (c *Coordinator) completeGather(g *gather, done Completion) {
	done.Token = g.token
	c.complete(done)
	if cap(g.values) > keptValues {
		g.values = nil
	}
	c.spare.gathers.put(g)
}

func (c *Coordinator) cancelGather(g *gather) {
	cause := obstacle(g.calls)
	c.endGather(g, Completion{Result: ResultCancelled, Group: cause.Group, Cause: cause})
}

// answer takes one call out of its gather, which is over when it was the last.
func (c *Coordinator) answer(now wire.Time, k *call, from Target, whole Result) {
	k.route.answered(now, k, from.Replica)
	c.finish(k)
	g := k.gather
	for i := range g.calls {
		if g.calls[i] == k {
			g.calls = slices.Delete(g.calls, i, i+1)
			break
		}
	}
	if len(g.calls) == 0 {
		c.completeGather(g, Completion{Result: whole, Values: g.values, Pages: g.pages, Cause: k.cause})
	}
}

// pending returns the call of a nonce if it is of that kind and was asked of that group.
func (c *Coordinator) pending(kind wire.Kind, nonce uint64, from Target) *call {
	k := c.calls[nonce]
	if k == nil || k.kind != kind || k.route.group != from.Group {
		c.ignore(IgnoredLate)
		return nil
	}
	return k
}

func (c *Coordinator) onValues(now wire.Time, from Target, body []byte) {
	r := &c.values
	*r = txn.ReadReply{Values: r.Values[:0]}
	if txn.ReadReplyBody.DecodeShared(body, r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	k := c.pending(wire.KindRead, r.Nonce, from)
	if k == nil {
		return
	}
	if len(r.Values) != len(k.slots) {
		c.ignore(IgnoredMalformed)
		return
	}
	for i, slot := range k.slots {
		v := &k.gather.values[slot]
		*v = r.Values[i]
		if v.Value != nil { // it lives in the datagram
			v.Value = append(make([]byte, 0, len(v.Value)), v.Value...)
		}
	}
	c.answer(now, k, from, ResultValues)
}

func (c *Coordinator) onValidity(now wire.Time, from Target, body []byte) {
	var r txn.ValidateReply
	if txn.ValidateReplyBody.Decode(body, &r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	k := c.pending(wire.KindValidate, r.Nonce, from)
	if k == nil {
		return
	}
	if !r.Valid {
		k.route.answered(now, k, from.Replica)
		c.endGather(k.gather, Completion{Result: ResultConflict, Key: r.Key, Group: from.Group})
		return
	}
	c.answer(now, k, from, ResultCommitted)
}
