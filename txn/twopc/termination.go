package twopc

import (
	"cmp"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// terminator is what a leader does of its own accord so that nobody is left in doubt and nothing is kept
// for ever: it inquires of the other participants about transactions that stay prepared, and about commits
// whose clients are gone. Nothing replicated depends on it.
type terminator struct {
	caller
	cfg    *ParticipantConfig
	routes map[wire.GroupID]*route
	// watch holds what was prepared in this reign, in the order in which doubt begins; what has ended is
	// found out when its turn comes. It is as long as what is prepared within the bound.
	watch []vigil
	// heard is when the coordinator last asked again about a transaction on watch.
	heard map[txn.ID]wire.Time
	// sitting are the inquests under way, in the order in which they were begun. Invariant: at most maxInquests.
	sitting []*inquest
	of      map[txn.ID]*inquest
	// lost are the doubts in which a group that took part has lost its memory, and no outcome is known yet: the
	// others have to answer before they are settled.
	lost map[txn.ID]bool
	// orphan is the last commit that was inquired about in order to forget it.
	orphan   txn.ID
	orphanAt wire.Time // when the next may be
	lapsed   []Expire  // sessions that had rested for too long at the last sweep
	sweepAt  wire.Time
	longest  wire.Duration
	inquests uint64
}

// vigil is a prepared transaction and when doubt about it begins.
type vigil struct {
	id         txn.ID
	since, due wire.Time
}

// inquest is one transaction that the other participants are asked about.
type inquest struct {
	id      txn.ID
	since   wire.Time // prepared, as far as this reign knows
	begun   wire.Time
	doubt   bool // it is prepared here; otherwise it is committed here, and to be forgotten
	decided bool // what is to be done about it stands proposed
	frozen  bool // it is frozen here, and the others are asked to freeze it
	asked   []asked
}

// asked is one participant and what its log says, zero before it has told.
type asked struct {
	Member
	call   *call
	status txn.Status
	time   txn.Timestamp
}

func newTerminator(cfg *ParticipantConfig, out *[]Outgoing) terminator {
	return terminator{
		caller: caller{rand: cfg.Rand, retry: defaultRetry, retryMax: defaultRetryMax, out: out},
		cfg:    cfg, routes: map[wire.GroupID]*route{},
		heard: map[txn.ID]wire.Time{}, of: map[txn.ID]*inquest{}, lost: map[txn.ID]bool{},
	}
}

// reign begins or ends one: what is known of it is forgotten, but for the counts.
func (t *terminator) reign(now wire.Time, prepared []txn.ID) {
	fresh := newTerminator(t.cfg, t.caller.out)
	fresh.longest, fresh.inquests, fresh.counted = t.longest, t.inquests, t.counted
	fresh.sweepAt = now.Add(t.cfg.SessionBound / sweeps)
	*t = fresh
	for _, id := range prepared {
		t.keepWatch(now, id)
	}
}

func (t *terminator) keepWatch(now wire.Time, id txn.ID) { t.watchAgain(now, id, now) }

// watchAgain puts a transaction in its place, which is the last one but for those that were heard of late.
func (t *terminator) watchAgain(from wire.Time, id txn.ID, since wire.Time) {
	v := vigil{id, since, from.Add(t.cfg.DoubtBound)}
	i := len(t.watch)
	if i > 0 && t.watch[i-1].due > v.due {
		i, _ = slices.BinarySearchFunc(t.watch, v.due+1, func(o vigil, due wire.Time) int { return cmp.Compare(o.due, due) })
	}
	t.watch = slices.Insert(t.watch, i, v)
}

func (t *terminator) route(g wire.GroupID) *route {
	r := t.routes[g]
	if r == nil {
		r = &route{group: g, replicas: max(t.cfg.Replicas(g), 1)}
		t.routes[g] = r
	}
	return r
}

// supervise does what is due.
func (p *Participant) supervise(now wire.Time) {
	p.resendDue(now)
	for len(p.watch) > 0 && p.watch[0].due <= now {
		v := p.watch[0]
		p.watch = p.watch[1:]
		p.wonder(now, v)
	}
	if p.orphans.Len() > 0 && p.orphanAt <= now {
		p.orphanAt = now.Add(orphanEvery)
		p.inquireOrphans(now)
	}
	if p.sweepAt <= now {
		p.sweepAt = now.Add(p.cfg.SessionBound / sweeps)
		p.sweep()
	}
}

// nextDuty is when supervise has something to do.
func (p *Participant) nextDuty() (wire.Time, bool) {
	if p.role != leading {
		return 0, false
	}
	at := p.sweepAt
	if due, ok := p.nextDue(); ok {
		at = min(at, due)
	}
	if len(p.watch) > 0 {
		at = min(at, p.watch[0].due)
	}
	if p.orphans.Len() > 0 {
		at = min(at, p.orphanAt)
	}
	return at, true
}

// makeRoom reports whether another inquest may begin. The oldest gives way when it has had its turn.
func (p *Participant) makeRoom(now wire.Time) bool {
	if len(p.sitting) < maxInquests {
		return true
	}
	if now < p.sitting[0].begun.Add(inquestTurn) {
		return false
	}
	p.adjourn(now, p.sitting[0])
	return true
}

// wonder begins an inquest about a transaction whose watch is over, if it is still prepared and its
// coordinator has not been heard meanwhile.
func (p *Participant) wonder(now wire.Time, v vigil) {
	heard := p.heard[v.id]
	delete(p.heard, v.id)
	r := p.find(v.id)
	if r == nil || r.status != txn.StatusYes || p.of[v.id] != nil {
		return
	}
	if heard > v.since {
		p.watchAgain(heard, v.id, heard)
		return
	}
	if mutant.On("yes-times-out") {
		p.proposeOwn(wire.KindSettle, SettleBody.Append(nil, &Settle{ID: v.id}))
		return
	}
	if !p.makeRoom(now) {
		p.watchAgain(now, v.id, v.since) // behind the others, so that what has ended does not pile up
		return
	}
	p.inquire(now, &inquest{id: v.id, since: v.since, doubt: true, frozen: r.frozen}, r.members)
}

// inquire asks all other participants at once.
func (p *Participant) inquire(now wire.Time, q *inquest, members []Member) {
	p.inquests++
	q.begun = now
	p.sitting = append(p.sitting, q)
	p.of[q.id] = q
	q.asked = make([]asked, 0, len(members))
	for _, m := range members {
		if m.Group == p.group {
			continue
		}
		request := Inquiry{Of: m.Group, Epoch: m.Epoch, Session: m.Session, ID: q.id, Freeze: q.frozen}
		k := &call{kind: wire.KindInquire, route: p.route(m.Group), body: InquiryBody.Append(nil, &request)}
		q.asked = append(q.asked, asked{Member: m, call: k})
		p.start(now, k)
	}
	p.conclude(now, q) // nobody but this shard may take part
}

// answer is what one participant's log says.
func (q *inquest) answer(g wire.GroupID) *asked {
	i := slices.IndexFunc(q.asked, func(a asked) bool { return a.Group == g })
	if i < 0 {
		return nil
	}
	return &q.asked[i]
}

// Found takes in what a replica of another group answers to an inquiry. That the frame comes from there has
// been checked.
func (p *Participant) Found(now wire.Time, from Target, body []byte) {
	p.now = now
	var f Finding
	if FindingBody.Decode(body, &f) != nil {
		p.ignored++
		return
	}
	q := p.of[f.ID]
	if q == nil {
		return // it is settled
	}
	a := q.answer(from.Group)
	if a == nil || a.call == nil {
		return // it has told already
	}
	if q.frozen && f.Status == txn.StatusYes && !f.Frozen && !mutant.On("thawed-yes-counts") {
		return // from before it was frozen there, when the coordinator could still settle it
	}
	if f.Reason != 0 {
		if !p.refused(now, a.call, from.Replica, f.Reason, f.View) {
			p.pushBack(now, a.call)
		}
		return
	}
	a.call.route.answered(now, a.call, from.Replica)
	p.end(a.call)
	a.call, a.status, a.time = nil, f.Status, f.Time
	p.conclude(now, q)
}

// conclude proposes what follows from the answers so far.
func (p *Participant) conclude(now wire.Time, q *inquest) {
	r := p.find(q.id)
	switch {
	case q.decided || r == nil:
	case q.doubt:
		p.concludeDoubt(now, q, r)
	default:
		p.concludeOrphan(q)
	}
}

// concludeDoubt decides a prepared transaction. One known outcome, no or refusal decides alone; "none" is
// as good as a no, because a shard forgets a commit only when all have applied it, and this one has not.
// All votes being yes is a commit: none is ever withdrawn.
//
// Where a participant has lost its memory, and nothing else decides, its vote is not known to anybody but, perhaps, the
// coordinator, which may have answered its caller. The others freeze the transaction first, each in its log, so
// that the coordinator settles it nowhere any more; when all who held it prepared have, and none had an outcome
// before that, it is aborted. So they agree, and what is given up was lost in part already.
func (p *Participant) concludeDoubt(now wire.Time, q *inquest, r *record) {
	settle := Settle{ID: q.id, Commit: true, Time: r.time, Frozen: q.frozen}
	waiting, lost := false, false
	for i := range q.asked {
		a := &q.asked[i]
		switch a.status {
		case txn.StatusYes:
			settle.Time, settle.Because = max(settle.Time, a.time), a.Group
		case txn.StatusCommitted:
			p.decide(q, wire.KindSettle, SettleBody.Append(nil, &Settle{ID: q.id, Commit: true, Time: a.time, Because: a.Group, Frozen: q.frozen}))
			return
		case txn.StatusNo, txn.StatusRefused, txn.StatusAborted, txn.StatusNone:
			p.decide(q, wire.KindSettle, SettleBody.Append(nil, &Settle{ID: q.id, Because: a.Group, Frozen: q.frozen}))
			return
		case txn.StatusLost:
			lost = true
		default:
			waiting = true
		}
	}
	switch {
	case waiting && lost:
		p.lost[q.id] = true
	case waiting:
	case q.frozen:
		p.decide(q, wire.KindSettle, SettleBody.Append(nil, &Settle{ID: q.id, Because: p.group, Frozen: true}))
	case lost:
		p.lost[q.id] = true
		p.decide(q, wire.KindResolve, ResolveBody.Append(nil, &Resolve{ID: q.id, Freeze: true}))
	default:
		p.decide(q, wire.KindSettle, SettleBody.Append(nil, &settle))
	}
}

// concludeOrphan forgets a commit when all have applied it. "None" is told by one that has forgotten it, or
// that has no memory of it: neither will ask.
func (p *Participant) concludeOrphan(q *inquest) {
	for i := range q.asked {
		switch q.asked[i].status {
		case txn.StatusCommitted, txn.StatusNone, txn.StatusLost:
		case 0:
			return
		case txn.StatusYes:
			p.dismiss(q) // it will ask, and then apply the commit; the next round finds it so
			return
		default:
			p.alarms++
			p.dismiss(q)
			return
		}
	}
	p.decide(q, wire.KindForget, ForgetBody.Append(nil, &Forget{q.id}))
}

// decide proposes the end of an inquest, which lasts until the entry is applied.
func (p *Participant) decide(q *inquest, kind wire.Kind, body []byte) {
	p.silence(q)
	q.decided = true
	p.proposeOwn(kind, body)
}

// silence drops the calls of an inquest.
func (p *Participant) silence(q *inquest) {
	for i := range q.asked {
		if a := &q.asked[i]; a.call != nil {
			p.end(a.call)
			a.call = nil
		}
	}
}

// dismiss ends an inquest.
func (p *Participant) dismiss(q *inquest) {
	p.silence(q)
	delete(p.of, q.id)
	i := slices.Index(p.sitting, q)
	p.sitting = slices.Delete(p.sitting, i, i+1)
}

// adjourn ends an inquest without a result. A doubt is taken up again after another bound.
func (p *Participant) adjourn(now wire.Time, q *inquest) {
	p.dismiss(q)
	if q.doubt {
		p.watchAgain(now, q.id, q.since)
	}
}

// followed takes note of what an entry did to a transaction.
func (p *Participant) followed(c *command, v verdict) {
	if c.prepare != nil && v.status == txn.StatusYes && v.fresh {
		p.keepWatch(p.now, c.id)
	}
	if v.released != nil {
		delete(p.lost, c.id)
	}
	if len(p.sitting) == 0 {
		return
	}
	q := p.of[c.id]
	froze := q != nil && !q.frozen && v.frozen && v.status == txn.StatusYes
	if q == nil || v.released == nil && c.settle == nil && c.forget == nil && !froze {
		return
	}
	if q.doubt && v.released != nil {
		p.longest = max(p.longest, p.now.Sub(q.since))
	}
	p.dismiss(q)
	if r := p.find(c.id); froze && r != nil {
		p.inquire(p.now, &inquest{id: q.id, since: q.since, doubt: true, frozen: true}, r.members)
	}
}

// doubts counts the transactions that others are asked about because they are prepared here.
func (t *terminator) doubts() (n int) {
	for _, q := range t.sitting {
		if q.doubt {
			n++
		}
	}
	return n
}
