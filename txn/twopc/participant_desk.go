package twopc

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/occ"
	"github.com/cespare/xxhash/v2"
)

// role is what a replica does with requests.
type role uint8

const (
	following role = iota // sends clients to the leader
	elected               // leads, but its log is not yet chosen and applied: asks clients to wait
	leading
)

// desk is the part of a participant that only a leader has: requests on their way into the log, and
// requests that wait. Nothing replicated depends on it.
type desk struct {
	role    role
	view    wire.View
	flights map[uint64]*flight // by hash of the command
	idle    []*flight          // see board and retire
	// flying is the sum of their bytes.
	flying int
	// displaced: in this reign a flight has left the desk for another of the same hash; see retire.
	displaced bool
	// claims are the locks that prepares in flight will take if they win. Counting them spares others a
	// vote that they would lose. Submits claim nothing: they are done when applied.
	claims   *occ.Set
	room     room
	tickets  uint64
	released []*txn.Work // since the last wake
	chores   chores
	ready    ParticipantReady
	spent    ParticipantReady // what Ready returned last
	// What is being decoded, asked, or encoded at the moment: here it need not be allocated.
	letter  txn.TxnReply
	asked   txn.ReadRequest
	instant question
	reading txn.ReadReply

	sheet   sheet // of the answers that Ready returns next, and sent that of those it returned last
	sent    sheet
	ignored uint64
	now     wire.Time // as last told
	traffic Traffic
}

func newDesk() desk {
	return desk{flights: map[uint64]*flight{}, claims: occ.NewSet(), room: newRoom()}
}

// flight is one command between its request and its application, and who wants to know.
type flight struct {
	command
	bytes    []byte // where a submit's keys and values live
	from     []asker
	since    wire.Time // when it arrived
	proposed bool
	claims   bool
	waiter   *waiter // while it waits to be proposed

	// Most have one asker, and never wait.
	first      [1]asker
	wait       waiter
	submission submission
}

// asker is who wants to know: a client, or a replica of another group.
type asker struct {
	addr    wire.Addr
	replica bool
}

// attach adds an asker. More than a few are turned away in silence: they ask again.
func (f *flight) attach(from asker) {
	if len(f.from) < maxRepliers && !slices.Contains(f.from, from) {
		f.from = append(f.from, from)
	}
}

// flightOf returns the flight of a command, or nil.
func (d *desk) flightOf(b []byte) *flight {
	if len(d.flights) == 0 {
		return nil
	}
	if f := d.flights[xxhash.Sum64(b)]; f != nil && bytes.Equal(f.bytes, b) {
		return f
	}
	return nil
}

// Lead makes the participant serve: this replica leads the view, and its log of that view is chosen and
// applied.
func (p *Participant) Lead(now wire.Time, view wire.View) {
	p.now = now
	if p.role == leading && p.view == view {
		return
	}
	p.leave(leading, view)
	p.reign(now, p.Prepared())
}

// Elect says that this replica leads the view but may not serve yet. Requests are told to ask again.
func (p *Participant) Elect(view wire.View) { p.leave(elected, view) }

// Follow says that this replica does not lead. Requests that wait are sent to the leader of the view.
// Commands that were proposed may yet be chosen: nothing is said about them, and their clients ask the
// next leader.
func (p *Participant) Follow(view wire.View) { p.leave(following, view) }

// leave ends a reign, if there was one.
func (p *Participant) leave(to role, view wire.View) {
	p.role, p.view = to, view
	p.turnOut(p.unready())
	fresh := newDesk()
	p.flights, p.flying, p.displaced, p.claims, p.room, p.released = fresh.flights, 0, false, fresh.claims, fresh.room, nil
	p.chores = chores{}
	p.reign(p.now, nil)
	p.ready.Propose, p.ready.Ask = nil, nil
}

// unready is why a replica in this role takes no requests. A leader that has just taken over another
// view has lost those who waited, too.
func (p *Participant) unready() (why fault) {
	why.reason = txn.ReasonNotReady
	if p.role == following {
		why.reason = txn.ReasonNotLeader
	}
	if p.closed {
		why.detail = "the group has lost its memory and is closed until an operator decides"
	}
	return why
}

// Request takes a client's request. The body is not kept.
func (p *Participant) Request(now wire.Time, from wire.Addr, kind wire.Kind, body []byte) {
	p.now = now
	switch kind {
	case wire.KindRead:
		p.takeRead(now, from, body)
	case wire.KindScan:
		p.takeScan(now, from, body)
	case wire.KindValidate:
		p.takeValidate(now, from, body)
	case wire.KindOpenSession, wire.KindSubmit, wire.KindPrepare, wire.KindCommit, wire.KindAbort, wire.KindResolve, wire.KindEndSession:
		p.takeCommand(now, asker{addr: from}, kind, body)
	default:
		p.ignored++
	}
}

func (p *Participant) takeCommand(now wire.Time, from asker, kind wire.Kind, body []byte) {
	f := p.board(kind, body)
	if !p.admitFlight(now, from, f) {
		p.retire(f)
		return
	}
	p.embark(f)
	f.wait.flight, f.wait.until = f, now.Add(p.waitBound(f))
	p.dispatch(f, &f.wait)
}

// waitBound is how long a command waits for a lock. A submit holds nothing that others could wait for, so that it waits
// until a doubt is settled rather than fail and come back; but not where so much waits that others are turned away.
func (p *Participant) waitBound(f *flight) wire.Duration {
	if f.submit != nil && p.flying <= maxFlightBytes/2 {
		return p.cfg.ReadBound
	}
	return p.cfg.WaitBound
}

// admitFlight makes the flight of a command, unless the command is answered or refused without one.
func (p *Participant) admitFlight(now wire.Time, from asker, f *flight) bool {
	b := f.bytes
	c, bad := p.parse(b, &f.submission)
	if bad == nil && c.prepare != nil {
		bad = p.checkGroups(c.prepare.Members)
	}
	if bad == nil && c.resolve != nil && c.resolve.Freeze && !from.replica {
		bad = malformed("only a participant may freeze a transaction")
	}
	switch {
	case p.role != leading: // before all else: whether a key is the shard's is the leader's word
		p.decline(from, &c, p.unready())
		return false
	case bad != nil:
		p.decline(from, &c, *bad)
		return false
	}
	if v, ok := p.known(&c); ok {
		if c.prepare != nil && v.status == txn.StatusYes {
			p.heard[c.id] = now // its coordinator is alive, and waits for others
		}
		p.traffic.Repeated++
		p.tell(from, &c, v)
		return false
	}
	if f := p.flightOf(b); f != nil {
		p.traffic.Repeated++
		f.attach(from)
		return false
	}
	if why := p.full(&c, len(b)); why != "" {
		p.decline(from, &c, fault{reason: txn.ReasonOverloaded, detail: why})
		return false
	}
	f.command, f.from, f.since = c, append(f.from, from), now
	return true
}

// checkGroups: there are such groups. A transaction that names one that is not could not be settled when its
// client dies.
func (p *Participant) checkGroups(members []Member) *fault {
	for i := range members {
		if g := members[i].Group; p.cfg.Replicas(g) == 0 {
			return malformed("%v takes part, and is no group of this cluster", g)
		}
	}
	return nil
}

// full names the limit that turns new work of so many bytes away, or nothing.
func (p *Participant) full(c *command, size int) string {
	switch reserve := c.clears(); {
	case !c.fresh():
		return ""
	case len(p.flights) >= maxFlights && (!reserve || len(p.flights) >= maxFlights+reservedFlights):
		return "too many commands in flight"
	case p.flying+size > maxFlightBytes && !reserve:
		return fmt.Sprintf("commands of %d bytes are in flight, the limit is %d", p.flying, maxFlightBytes)
	case c.prepare != nil && p.locks.Len()+p.claims.Len() >= maxPrepared:
		return "too many prepared transactions"
	case c.prepare != nil && p.locks.Size().Memory()+p.claims.Size().Memory()+size > maxPreparedBytes:
		return fmt.Sprintf("prepared transactions take more than %d bytes", maxPreparedBytes)
	case c.submit != nil && p.crowded(c, c.submit.Mark), c.prepare != nil && p.crowded(c, c.prepare.Mark):
		return "too many transactions of this client above its mark"
	}
	return ""
}

// crowded reports whether a client has as many records as it may, once its mark is applied. The request
// that raises the mark must get through, or it would never rise.
func (p *Participant) crowded(c *command, mark uint64) bool {
	s, limit := p.sessions[c.id.Client], maxRecords
	if c.clears() {
		limit += reservedRecords
	}
	return s != nil && len(s.records) >= limit && s.above(mark) >= limit
}

// dispatch proposes a command, or lets it wait for the locks it would meet. One whose reads are stale
// already would wait for nothing.
func (p *Participant) dispatch(f *flight, w *waiter) {
	if work := f.work(); work != nil {
		if key, blocked := p.blocker(f.id, work); blocked {
			p.await(f, w, key)
			return
		}
	}
	p.propose(f)
}

// await puts a command into the waiting room. A full room turns it away, which is no vote.
func (p *Participant) await(f *flight, w *waiter, key []byte) {
	if p.room.full() && !(f.clears() && p.room.len() < maxWaiting+reservedWaiting) {
		p.disembark(f)
		p.declineAll(f, fault{reason: txn.ReasonOverloaded, detail: "too many requests wait for other transactions"})
		return
	}
	p.traffic.Waited++
	f.waiter, w.key = w, key
	p.room.add(w)
}

// blocker returns a key on which work would be voted down now, though it may not be later.
func (p *Participant) blocker(id txn.ID, work *txn.Work) (key []byte, blocked bool) {
	if p.locks.Len()+p.claims.Len() == 0 {
		return nil, false
	}
	if ok, _ := occ.Holds(p.store, work); !ok {
		return nil, false
	}
	if key, blocked = p.locks.Blocker(id, work); blocked {
		return key, true
	}
	return p.claims.Blocker(id, work)
}

func (p *Participant) propose(f *flight) {
	f.waiter, f.proposed = nil, true
	if f.prepare != nil && p.claims.Work(f.id) == nil {
		f.claims = true
		p.claims.Lock(f.id, &f.prepare.Work)
	}
	p.ready.Propose = append(p.ready.Propose, f.bytes)
}

// landed takes note that a command was applied, and answers those who asked for it.
func (p *Participant) landed(f *flight, c *command, v verdict) {
	if p.role == leading && v.released != nil {
		p.released = append(p.released, v.released)
	}
	if p.role == leading {
		p.followed(c, v)
	}
	if c.collect != nil {
		p.collected()
	}
	if f == nil {
		return
	}
	p.land(f, v.status == txn.StatusYes)
	p.concluded(f, v)
	p.tellAll(f, c, v)
	p.retire(f)
}

// embark puts a flight on the desk, disembark takes it off. Of two commands with one hash the later stays.
func (d *desk) embark(f *flight) {
	if other := d.flights[f.hash]; other != nil {
		d.displaced = true
		d.disembark(other)
	}
	d.flights[f.hash] = f
	d.flying += len(f.bytes)
}

func (d *desk) disembark(f *flight) {
	if d.flights[f.hash] == f {
		delete(d.flights, f.hash)
		d.flying -= len(f.bytes)
	}
}

// land takes a flight off the desk. Its claim has become a lock, or makes way.
func (p *Participant) land(f *flight, locked bool) {
	p.disembark(f)
	if f.waiter != nil {
		p.room.remove(f.waiter)
		f.waiter = nil
	}
	if f.claims {
		if work := p.claims.Unlock(f.id); !locked {
			p.released = append(p.released, work)
		}
	}
}

// TurnedAway says that the log would not take a command that Ready asked to be proposed. It is as if it
// had never been asked.
func (p *Participant) TurnedAway(command []byte) {
	f := p.flightOf(command)
	if f == nil {
		return
	}
	p.land(f, false)
	if q := p.of[f.id]; q != nil && q.decided && (f.settle != nil || f.forget != nil || f.resolve != nil) {
		p.adjourn(p.now, q)
	}
	p.declineAll(f, fault{reason: txn.ReasonOverloaded, detail: "the log's queue is full"})
	p.wake()
}
