package twopc

import (
	"fmt"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// stage is how far a transaction has come.
//
//	sessions ──> voting ──┬──────────────┬──> committing ──┐
//	    │          │      └──> doubt ────┤                 ├──> finished
//	    │          │             │       └──> aborting ────┤
//	    └──────────┴─────────────┴─────────────────────────┘
type stage uint8

const (
	// stageSessions: it waits for sessions; nothing was sent, and it has no ID yet.
	stageSessions stage = iota
	// stageVoting: it is sent, and not decided as far as we know.
	stageVoting
	// stageDoubt: a member has no record of it; the others are asked what became of it.
	stageDoubt
	// stageCommitting: all voted yes; the outcome is on its way to them.
	stageCommitting
	// stageAborting: a no or a refusal is chosen; the outcome is on its way to the others.
	stageAborting
	// stageFinished: nobody needs to hear of it again.
	stageFinished
)

var stageNames = [...]string{"sessions", "voting", "doubt", "committing", "aborting", "finished"}

func (s stage) String() string { return stageNames[s] }

var stageEdges = [...][]stage{
	stageSessions:   {stageVoting, stageFinished},
	stageVoting:     {stageDoubt, stageCommitting, stageAborting, stageFinished},
	stageDoubt:      {stageCommitting, stageAborting, stageFinished},
	stageCommitting: {stageFinished},
	stageAborting:   {stageFinished},
	stageFinished:   {},
}

// partyState is what one member has told.
type partyState uint8

const (
	partyAsked partyState = iota
	partyYes
	// The rest are final: the member has nothing to hear any more.
	partyCommitted
	partyAborted // it voted no, refused, or applied the abort
	partyGone    // it has no record and never will
)

func (s partyState) final() bool { return s >= partyCommitted }

// party is one member of a transaction, with the one request that it is being asked.
type party struct {
	deal    *deal
	link    *link
	session wire.Op
	work    txn.Work
	state   partyState
	call    *call
}

// deal is a transaction with writes, from the caller's Commit until no shard needs to hear of it.
type deal struct {
	token   uint64
	seq     uint64 // zero until launched
	parties []party
	only    [1]party // of a transaction at one shard
	stage   stage
	// votes counts the parties that voted yes. Invariant: each of them at most once.
	votes int
	time  txn.Timestamp
	// because is the member whose no, refusal or absence of a record stands against the commit.
	because wire.GroupID
	// lost: what stands against the commit is that a member has lost its memory, which proves nothing.
	lost bool
	// clears: it does nothing but delete at one shard, and may take what is kept in reserve for that.
	clears bool
	// again: it was launched before, in a session that had expired by then.
	again bool
	// cancelled: the caller is gone. Nobody is asked to prepare any more.
	cancelled bool
	// rejected is the refusal for which a member was asked to refuse for good.
	rejected Cause
	cause    Cause
	waitsFor *link
	// outcome is the result when it is known, zero before.
	outcome Completion
	askers  []uint64 // tokens of those who asked for the outcome
}

func (d *deal) become(next stage) {
	if !slices.Contains(stageEdges[d.stage], next) {
		panic(fmt.Sprintf("twopc: a transaction cannot go from %v to %v", d.stage, next))
	}
	d.stage = next
}

func (d *deal) party(g wire.GroupID) *party {
	for i := range d.parties {
		if d.parties[i].link.group == g {
			return &d.parties[i]
		}
	}
	return nil
}

// lastCause is what the transaction last met with, or what it waits for.
func (d *deal) lastCause() Cause {
	if d.waitsFor != nil {
		return obstacle([]*call{d.waitsFor.opening})
	}
	var calls []*call
	for i := range d.parties {
		if k := d.parties[i].call; k != nil {
			calls = append(calls, k)
		}
	}
	if len(calls) > 0 {
		return obstacle(calls)
	}
	return d.cause
}

// Commit commits a whole transaction. The keys and values of work must not change until the completion.
// Without writes it must be called only after all its reads were answered. Work with ranges does not say
// which shard each was scanned at: use [Coordinator.CommitScanned].
func (c *Coordinator) Commit(now wire.Time, token uint64, work txn.Work) {
	if len(work.Ranges) > 0 {
		panic("twopc: the ranges of a transaction must be given by shard")
	}
	c.CommitParts(now, token, c.split(&work))
}

// CommitParts is Commit for work that is cut by shard already, in ascending order of group.
func (c *Coordinator) CommitParts(now wire.Time, token uint64, parts []Part) {
	defer c.check()
	erases := len(parts) == 1 && clears(&parts[0].Work)
	reserve := 0
	if erases {
		reserve = reservedOpen
	}
	if !c.admit(token, reserve) {
		return
	}
	if !slices.ContainsFunc(parts, func(p Part) bool { return len(p.Work.Writes) > 0 }) {
		c.validate(now, token, parts)
		return
	}
	if len(c.deals)+c.waiting >= c.cfg.MaxOpen+reserve {
		c.complete(Completion{Token: token, Result: ResultOverloaded, Cause: c.backlog()})
		return
	}
	d := c.newDeal(token, len(parts))
	d.clears = erases
	for i := range parts {
		d.parties[i] = party{deal: d, link: c.link(parts[i].Group), work: parts[i].Work}
	}
	c.asks[token] = ask{deal: d}
	c.proceed(now, d)
}

// backlog names the oldest unfinished transaction's obstacle: it is what all others wait behind.
func (c *Coordinator) backlog() Cause {
	if c.launch.len() > 0 {
		if cause := c.launch.first().lastCause(); cause != (Cause{}) {
			return cause
		}
	}
	return Cause{Detail: "too many unfinished transactions in this client"}
}

// proceed launches a transaction once the sessions at all its members are open, and sees to it that they
// will be.
func (c *Coordinator) proceed(now wire.Time, d *deal) {
	if d.waitsFor != nil {
		d.waitsFor = nil
		c.waiting--
	}
	for i := range d.parties {
		l := d.parties[i].link
		if l.ready(now, c.cfg.SessionIdle, d.clears) {
			continue
		}
		if l.session != 0 && l.reserved && l.open > 0 {
			// Another session would void this one, in which something is under way.
			c.abandon(d, ResultOverloaded, crowdedOut(l, txn.StatusFull))
			return
		}
		c.openSession(now, l, d.clears)
		if d.waitsFor == nil {
			d.waitsFor = l
			c.waiting++
			l.waiters = append(l.waiters, d)
		}
	}
	if d.waitsFor == nil {
		c.launchDeal(now, d)
	}
}

// launchDeal draws the sequence number and sends the transaction.
func (c *Coordinator) launchDeal(now wire.Time, d *deal) {
	if c.ahead(d) {
		c.abandon(d, ResultOverloaded, c.backlog())
		return
	}
	d.seq = c.nextSeq
	c.nextSeq++
	calls := c.encode(d)
	for i, k := range calls {
		if len(k.body) > c.cfg.MaxBody {
			d.seq = 0 // it was never sent, and the number is not used again
			c.abandon(d, ResultRejected, c.tooLarge(d.parties[i].link.group, len(k.body)))
			return
		}
	}
	d.become(stageVoting)
	c.deals[d.seq] = d
	c.launch.push(d)
	for i := range d.parties {
		d.parties[i].link.open++
		d.parties[i].link.held++
		c.callParty(now, &d.parties[i], calls[i])
	}
}

// ahead reports whether too much lies between the mark and the next transaction: for this client, or for one of the
// transaction's shards.
func (c *Coordinator) ahead(d *deal) bool {
	reserve := 0
	if d.clears {
		reserve = reservedOpen
	}
	return c.nextSeq-c.mark() >= uint64(c.cfg.MaxSpan+reserve) ||
		slices.ContainsFunc(d.parties, func(p party) bool { return p.link.held >= c.cfg.MaxHeld+reserve })
}

func (c *Coordinator) tooLarge(g wire.GroupID, size int) Cause {
	return Cause{Group: g, Reason: txn.ReasonTooLarge, Detail: fmt.Sprintf("a request of %d bytes, limit %d", size, c.cfg.MaxBody)}
}

// encode turns the work into the calls by which each member is asked, with the bytes that are sent, and sent again. They are good
// until the next transaction is encoded.
func (c *Coordinator) encode(d *deal) []*call {
	c.encoded = c.encoded[:0]
	for range d.parties {
		c.encoded = append(c.encoded, c.newCall())
	}
	mark := d.seq
	if c.launch.len() > 0 && !mutant.On("mark-runs-ahead") {
		mark = c.mark()
	}
	if len(d.parties) == 1 {
		p := &d.parties[0]
		p.session = p.link.session
		c.submit = txn.Submit{ID: c.id(d), Session: p.session, Mark: mark, Work: p.work}
		k := c.encoded[0]
		k.kind, k.body = wire.KindSubmit, txn.SubmitBody.Append(k.body, &c.submit)
		p.work, c.submit = txn.Work{}, txn.Submit{}
		return c.encoded
	}
	members := make([]Member, len(d.parties))
	for i := range d.parties {
		p := &d.parties[i]
		p.session = p.link.session
		members[i] = Member{Group: p.link.group, Epoch: p.link.epoch, Session: p.session}
	}
	for i := range d.parties {
		p := &d.parties[i]
		k := c.encoded[i]
		k.kind, k.body = wire.KindPrepare, PrepareBody.Append(k.body, &Prepare{ID: c.id(d), Mark: mark, Members: members, Work: p.work})
		p.work = txn.Work{}
	}
	return c.encoded
}

// relaunch begins a transaction anew, under another number, whose only member has answered that its session is
// gone: after a loss that was accepted, for instance. It does so only where nothing of it can have been done: of
// all its copies one was not declined, and that is the one which is answered. It is done once.
func (c *Coordinator) relaunch(now wire.Time, p *party) bool {
	d := p.deal
	if len(d.parties) > 1 || d.again || d.cancelled || c.asks[d.token].deal != d || p.call == nil || p.call.loose > 1 || p.call.kind != wire.KindSubmit {
		return false
	}
	var s txn.Submit
	if err := txn.SubmitBody.Decode(p.call.body, &s); err != nil {
		panic("twopc: a request of our own: " + err.Error())
	}
	c.dropCall(p)
	c.retire(d)
	again := &deal{token: d.token, parties: make([]party, 1), clears: d.clears, again: true}
	again.parties[0] = party{deal: again, link: p.link, work: s.Work}
	c.asks[d.token] = ask{deal: again}
	c.proceed(now, again)
	return true
}

// abandon ends a transaction of which nothing was sent.
func (c *Coordinator) abandon(d *deal, result Result, cause Cause) {
	if d.waitsFor != nil {
		waiters := d.waitsFor.waiters
		if i := slices.Index(waiters, d); i >= 0 {
			d.waitsFor.waiters = slices.Delete(waiters, i, i+1)
		}
		d.waitsFor = nil
		c.waiting--
	}
	d.become(stageFinished)
	c.complete(Completion{Token: d.token, Result: result, Group: cause.Group, Cause: cause})
}

// callParty asks one member, instead of whatever it was asked before.
func (c *Coordinator) callParty(now wire.Time, p *party, k *call) {
	c.dropCall(p)
	k.route, k.party = &p.link.route, p
	p.call = k
	c.start(now, k)
}

func (c *Coordinator) dropCall(p *party) {
	if p.call != nil {
		c.finish(p.call)
		p.call = nil
	}
}

// request asks a member for, or tells it, the outcome.
func (c *Coordinator) request(now wire.Time, p *party, kind wire.Kind) {
	d, id := p.deal, c.id(p.deal)
	k := c.newCall()
	k.kind = kind
	switch kind {
	case wire.KindCommit:
		k.body = CommitBody.Append(k.body, &Commit{ID: id, Time: d.time})
	case wire.KindAbort:
		k.body = AbortBody.Append(k.body, &Abort{ID: id, Because: d.because})
	case wire.KindResolve:
		k.body = ResolveBody.Append(k.body, &Resolve{ID: id, Session: p.session})
	default:
		panic(fmt.Sprintf("twopc: %v is no request about an outcome", kind))
	}
	c.callParty(now, p, k)
}
