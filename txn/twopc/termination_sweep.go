package twopc

import (
	"cmp"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// inquireOrphans begins inquests about commits that may be forgotten, as many as there is room for, going
// round.
func (p *Participant) inquireOrphans(now wire.Time) {
	var ids []txn.ID
	room := maxInquests - len(p.sitting)
	take := func(id txn.ID) bool {
		if len(ids) < room && p.of[id] == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		return len(ids) < room
	}
	if room > 0 {
		p.orphans.Ascend(p.orphan, take)
		p.orphans.Scan(take)
	}
	for _, id := range ids {
		p.orphan = id
		p.inquire(now, &inquest{id: id}, p.find(id).members)
	}
}

// sweep proposes that sessions expire which had rested for too long at the last sweep, and were not used
// since: the log's clock alone could have jumped. Then it looks for the next ones.
func (p *Participant) sweep() {
	for i := range p.lapsed {
		e := &p.lapsed[i]
		if s := p.sessions[e.Client]; s != nil && s.open() && s.op == e.Session && s.used == e.Used {
			p.proposeOwn(wire.KindExpire, ExpireBody.Append(nil, e))
		}
	}
	p.lapsed = p.lapsed[:0]
	for _, s := range p.sessions {
		if s.open() && p.clock-s.used >= txn.Timestamp(p.cfg.SessionBound) {
			p.lapsed = append(p.lapsed, Expire{s.client, s.op, s.used})
		}
	}
	slices.SortFunc(p.lapsed, func(a, b Expire) int {
		return cmp.Or(cmp.Compare(a.Used, b.Used), cmp.Compare(a.Client, b.Client))
	})
	p.lapsed = p.lapsed[:min(len(p.lapsed), maxLapsed)]
}

// proposeOwn proposes a command that nobody asked for.
func (p *Participant) proposeOwn(kind wire.Kind, body []byte) {
	b := Command(kind, body)
	if p.flightOf(b) != nil {
		return
	}
	c, bad := p.parse(b, nil)
	if bad != nil {
		panic("twopc: a command of our own: " + bad.detail)
	}
	f := &flight{command: c, bytes: b}
	p.embark(f)
	p.propose(f)
}

// Inquired takes a question of another group's replica about a transaction that both take part in.
// That the frame comes from there has been checked. The record is looked up first; where there is none, a
// refusal is logged, and what that entry finds is the answer.
func (p *Participant) Inquired(now wire.Time, from wire.Addr, body []byte) {
	p.now = now
	var q Inquiry
	if InquiryBody.Decode(body, &q) != nil || q.Of != p.group || q.ID.Client == 0 {
		p.ignored++
		return
	}
	a := asker{from, true}
	c := command{kind: wire.KindInquire, id: q.ID}
	switch {
	case p.role != leading:
		p.decline(a, &c, p.unready())
	case q.Epoch > p.epoch:
		p.decline(a, &c, fault{reason: txn.ReasonNotReady})
	case q.Epoch < p.epoch && p.find(q.ID) == nil:
		p.tell(a, &c, verdict{status: txn.StatusLost})
	default:
		p.takeCommand(now, a, wire.KindResolve, ResolveBody.Append(nil, &Resolve{ID: q.ID, Session: q.Session, Freeze: q.Freeze}))
	}
}
