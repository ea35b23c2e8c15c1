package twopc

import (
	"cmp"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Step takes in an answer. Whatever it is, it does at worst nothing.
func (c *Coordinator) Step(now wire.Time, from Target, kind wire.Kind, body []byte) {
	switch kind {
	case wire.KindReadReply:
		c.onValues(now, from, body)
	case wire.KindScanReply:
		c.onPage(now, from, body)
	case wire.KindValidateReply:
		c.onValidity(now, from, body)
	case wire.KindSessionReply:
		c.onSession(now, from, body)
	case wire.KindTxnReply:
		c.onTxn(now, from, body)
	case wire.KindRefusal:
		c.onRefusal(now, from, body)
	default:
		c.ignore(IgnoredMalformed)
	}
	c.check()
}

// onTxn takes in what a shard's log says about a transaction. It does not matter which request asked.
func (c *Coordinator) onTxn(now wire.Time, from Target, body []byte) {
	r := &c.letter
	*r = txn.TxnReply{}
	if txn.TxnReplyBody.Decode(body, r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	l := c.links[from.Group]
	switch {
	case r.ID.Client != c.cfg.Client:
		c.onProbe(now, from, r)
		return
	case l == nil:
		c.ignore(IgnoredStranger)
		return
	}
	if l.ending != nil && r.ID.Seq == l.first {
		l.answered(now, l.ending, from.Replica)
		c.finish(l.ending)
		l.ending = nil
		return
	}
	if l.opening != nil && r.ID.Seq == l.first {
		l.answered(now, l.opening, from.Replica)
		c.sessionTurnedAway(now, l, r.Status)
		return
	}
	d := c.deals[r.ID.Seq]
	if d == nil {
		c.ignore(IgnoredLate)
		return
	}
	p := d.party(from.Group)
	if p == nil {
		c.ignore(IgnoredStranger)
		return
	}
	if p.call != nil {
		l.answered(now, p.call, from.Replica)
	}
	if p.session == l.session {
		l.usedAt = now // unless the answer is that it has expired, which onGone sees to
	}
	c.report(now, p, r)
}

// report hands a status to the handler of its family.
func (c *Coordinator) report(now wire.Time, p *party, r *txn.TxnReply) {
	if p.state.final() {
		c.repeated(p, r.Status)
		return
	}
	switch r.Status {
	case txn.StatusYes:
		c.onYes(now, p, r)
	case txn.StatusNo, txn.StatusRefused, txn.StatusAborted:
		c.onAgainst(now, p, r)
	case txn.StatusCommitted:
		c.onCommitted(now, p, r)
	case txn.StatusNone, txn.StatusExpired:
		c.onGone(now, p, r.Status)
	case txn.StatusLost:
		c.onLost(now, p)
	case txn.StatusMismatch:
		c.onMismatch(p)
	case txn.StatusFull:
		if p.call != nil {
			p.call.cause = Cause{Group: p.link.group, Status: r.Status}
			c.pushBack(now, p.call)
		}
	default:
		c.ignore(IgnoredMalformed)
	}
}

// repeated is an answer from a member that has given its last one.
func (c *Coordinator) repeated(p *party, status txn.Status) {
	against := status == txn.StatusNo || status == txn.StatusRefused || status == txn.StatusAborted
	if p.state == partyCommitted && against || p.state == partyAborted && status == txn.StatusCommitted {
		c.ignore(IgnoredContradiction)
		return
	}
	c.ignore(IgnoredDuplicate)
}

func (c *Coordinator) onYes(now wire.Time, p *party, r *txn.TxnReply) {
	d := p.deal
	switch {
	case len(d.parties) == 1:
		c.ignore(IgnoredMalformed) // a single shard decides, it does not vote
	case d.stage == stageVoting && (p.state == partyAsked || mutant.On("coordinator-counts-twice")):
		p.state = partyYes
		d.votes++
		d.time = max(d.time, r.Time)
		c.dropCall(p)
		c.voted(now, d)
	case d.stage == stageDoubt && d.lost:
		// Whether it is to abort nobody can tell: those that hold it settle it among themselves.
		p.call.tries, p.call.cause = 0, Cause{Group: p.link.group, Status: r.Status, Detail: "a participant has lost its memory; the others are about to settle it"}
		c.pause(now, p.call, probePause)
	case d.stage == stageDoubt && p.call.kind == wire.KindResolve:
		// Prepared here, never to be prepared where the record is gone: it is to abort, and what the
		// log answers to that is the outcome. This yes alone proves nothing, it may be an old copy.
		c.request(now, p, wire.KindAbort)
	default:
		c.ignore(IgnoredDuplicate)
	}
}

// voted acts on one more yes. The last one is the commit point.
func (c *Coordinator) voted(now wire.Time, d *deal) {
	if d.votes == len(d.parties) {
		c.decideCommit(now, d)
	} else if d.cancelled {
		c.resolveNext(now, d)
	}
}

// onAgainst is a no, a refusal or an abort that is chosen: none of them is ever taken back.
func (c *Coordinator) onAgainst(now wire.Time, p *party, r *txn.TxnReply) {
	switch d := p.deal; d.stage {
	case stageVoting:
		c.decideAbort(now, p, r.Key)
	case stageDoubt:
		if r.Status == txn.StatusRefused && p.call.kind == wire.KindAbort {
			// The refusal may be what that abort logged over a record forgotten: no evidence.
			c.close(p, partyGone)
			return
		}
		c.decideAbort(now, p, r.Key)
	case stageAborting:
		c.close(p, partyAborted)
	default:
		c.ignore(IgnoredContradiction)
	}
}

func (c *Coordinator) onCommitted(now wire.Time, p *party, r *txn.TxnReply) {
	switch d := p.deal; d.stage {
	case stageVoting, stageDoubt:
		// A single shard committed, or the participants settled it among themselves.
		d.time = r.Time
		p.state = partyCommitted
		c.dropCall(p)
		c.decideCommit(now, d)
	case stageCommitting:
		c.close(p, partyCommitted)
	default:
		c.ignore(IgnoredContradiction)
	}
}

// onGone is a member that has no record and never will: the session that the request named has expired.
// Either it never prepared the transaction, or it applied the outcome and forgot it.
func (c *Coordinator) onGone(now wire.Time, p *party, status txn.Status) {
	d := p.deal
	if status == txn.StatusExpired && p.link.session == p.session {
		p.link.session = 0 // the next transaction opens another
	}
	switch d.stage {
	case stageVoting:
		if p.state == partyYes {
			c.ignore(IgnoredDuplicate)
			return
		}
		if status == txn.StatusExpired && c.relaunch(now, p) {
			return
		}
		c.doubt(now, p, status)
	case stageCommitting:
		c.close(p, partyCommitted) // it voted yes, and forgets only what all have applied
	default:
		c.close(p, partyGone)
	}
}

// onLost is a member that has lost its memory. Unlike the absence of a record elsewhere that says nothing of how
// it had voted: the transaction may be committed where its participants settled it before. Those that remember
// are asked until they have settled it.
func (c *Coordinator) onLost(now wire.Time, p *party) {
	d := p.deal
	if p.link.session == p.session {
		p.link.session = 0 // the next transaction opens another
	}
	switch {
	case d.stage == stageVoting && p.state == partyYes:
		c.ignore(IgnoredDuplicate) // a copy of a prepare that it had voted for
	case d.stage == stageVoting:
		d.lost = true
		c.doubt(now, p, txn.StatusLost)
	default:
		c.close(p, partyGone)
	}
}

// onMismatch means that the identity of this client is used twice. No outcome can be told from here on;
// the participants settle it among themselves.
func (c *Coordinator) onMismatch(p *party) {
	d := p.deal
	if d.stage != stageVoting {
		c.ignore(IgnoredContradiction)
		return
	}
	d.cause = Cause{Group: p.link.group, Status: txn.StatusMismatch, Detail: "another client uses the same identity"}
	c.settle(d, Completion{Result: ResultMismatch, Group: p.link.group})
	for i := range d.parties {
		c.dropCall(&d.parties[i])
	}
	c.retire(d)
}

// Part is the work of a transaction at one group.
type Part struct {
	Group wire.GroupID
	Work  txn.Work
}

// split cuts work by shard, in ascending order of group. The parts are good until the next call.
func (c *Coordinator) split(work *txn.Work) []Part {
	if g, one := c.together(work); one {
		c.parts[0] = Part{Group: g, Work: *work}
		return c.parts[:]
	}
	var parts []Part
	for _, r := range work.Reads {
		p := c.partOf(&parts, r.Key)
		p.Reads = append(p.Reads, r)
	}
	for _, w := range work.Writes {
		p := c.partOf(&parts, w.Key)
		p.Writes = append(p.Writes, w)
	}
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Group, b.Group) })
	return parts
}

// together returns the group that owns all keys of a work, if it is one.
func (c *Coordinator) together(work *txn.Work) (g wire.GroupID, one bool) {
	for i := range work.Writes {
		of := wire.GroupID(c.cfg.Map.Of(work.Writes[i].Key))
		if i > 0 && of != g {
			return 0, false
		}
		g = of
	}
	for i := range work.Reads {
		of := wire.GroupID(c.cfg.Map.Of(work.Reads[i].Key))
		if i+len(work.Writes) > 0 && of != g {
			return 0, false
		}
		g = of
	}
	return g, len(work.Reads)+len(work.Writes) > 0
}

// partOf finds the work of the shard that owns key, or adds it.
func (c *Coordinator) partOf(parts *[]Part, key []byte) *txn.Work {
	g := wire.GroupID(c.cfg.Map.Of(key))
	for i := range *parts {
		if (*parts)[i].Group == g {
			return &(*parts)[i].Work
		}
	}
	*parts = append(*parts, Part{Group: g})
	return &(*parts)[len(*parts)-1].Work
}

// keyPart is the keys of a read that one group owns, and where their values go.
type keyPart struct {
	group wire.GroupID
	keys  [][]byte
	slots []int
}

// splitKeys cuts keys by shard, in ascending order of group. The parts are good until the next call.
func (c *Coordinator) splitKeys(keys [][]byte) []keyPart {
	parts := c.keyParts[:0]
	for slot, key := range keys {
		g := wire.GroupID(c.cfg.Map.Of(key))
		i := slices.IndexFunc(parts, func(p keyPart) bool { return p.group == g })
		if i < 0 {
			i = len(parts)
			parts = slices.Grow(parts, 1)[:i+1]
			parts[i] = keyPart{group: g, keys: parts[i].keys[:0], slots: parts[i].slots[:0]}
		}
		parts[i].keys = append(parts[i].keys, key)
		parts[i].slots = append(parts[i].slots, slot)
	}
	slices.SortFunc(parts, func(a, b keyPart) int { return cmp.Compare(a.group, b.group) })
	c.keyParts = parts
	return parts
}
