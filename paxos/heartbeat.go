package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// Leadership: heartbeats and their echoes. They carry the chosen op when nothing else does, tell the
// followers that the leader lives and the leader that it is followed, and confirm reads.

// leading is what a leader keeps for one view.
type leading struct {
	followers [wire.MaxReplicas]progress
	// taken: f followers hold the log with which the view began. Before that nothing is served: an op
	// chosen in an older view might not be applied here yet.
	taken bool
	// silent: fewer than f followers were heard for an election timeout. A deaf leader must not keep its
	// followers quiet, so it says nothing more in this view.
	silent bool

	nonce  uint64
	beatAt Time

	queue queue // commands that wait for the window
	wall  int64
	batch Batch // being encoded: here it need not be allocated

	waiting []uint64 // reads that wait for a round
	rounds  []round  // rounds under way, oldest first

	ops, beats sendings // when ops and nonces were first sent, for leases
}

// round is a set of reads that are confirmed when f followers echo its nonce or a later one.
type round struct {
	nonce   uint64
	tickets []uint64
}

// maxRounds bounds the read rounds in flight; under load further reads gather into the next one.
const maxRounds = 4

// forget voids what a former incarnation of a replica acknowledged.
func (l *leading) forget(r ReplicaID) {
	heard := l.followers[r].heard
	l.followers[r] = progress{heard: heard}
}

func (c *Core) startLeading() {
	c.lead = leading{beatAt: c.now}
	for r := range c.cfg.Replicas {
		c.lead.followers[r].heard = c.now
	}
	c.lead.taken = mutant.On("serve-at-once")
	c.startLeases()
	c.start = c.log.last()
	c.choose()
}

func (c *Core) tickLeading() {
	if c.lead.silent {
		return
	}
	if c.heardFollowers() < c.f && !mutant.On("never-silent") {
		c.lead.silent = true
		c.lead.queue, c.lead.waiting, c.lead.rounds = queue{}, nil, nil
		return
	}
	if c.now >= c.lead.beatAt {
		c.beat()
	}
	c.resendDue()
}

// heardFollowers counts the followers heard within an election timeout.
func (c *Core) heardFollowers() (n int) {
	for r := range c.cfg.Replicas {
		if ReplicaID(r) != c.cfg.Self && c.now.Sub(c.lead.followers[r].heard) <= c.cfg.Timing.Election {
			n++
		}
	}
	return n
}

// beat sends a heartbeat with a new nonce to all.
func (c *Core) beat() {
	l := &c.lead
	l.nonce++
	l.beats.note(l.nonce, c.now)
	l.beatAt = c.now.Add(c.cfg.Timing.Heartbeat)
	hb := Heartbeat{Nonce: l.nonce, Start: c.start, Vector: c.vector}
	c.send(Everyone, frame(wire.KindHeartbeat, c.lastNormal, c.log.last(), c.log.chosen, heartbeatBody.Append(nil, &hb)))
}

func (c *Core) stepHeartbeat(m *Message) {
	var hb Heartbeat
	if heartbeatBody.Decode(m.Body, &hb) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if !c.learnVector(hb.Vector) {
		return
	}
	if m.View < c.promised && c.status != Recovering {
		c.answer(m.Sender, 0) // an old leader learns that it is one
	}
	if c.offered(m, hb.Start) || !c.fromLeader(m) {
		return
	}
	c.learnChosen(m.Chosen)
	c.claim(wire.KindEcho, echoBody.Append(nil, &Echo{hb.Nonce, c.cfg.Timing.Lease}))
	if m.Op > c.log.last() {
		c.askForGap()
	}
}

func (c *Core) stepEcho(m *Message) {
	var e Echo
	if echoBody.Decode(m.Body, &e) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	p := c.fromFollower(m)
	if p == nil {
		return
	}
	if e.Nonce > c.lead.nonce {
		c.ignore(IgnoredStaleNonce)
		return
	}
	p.echoed = max(p.echoed, e.Nonce)
	p.grants = e.Lease
	c.granted(p, c.lead.beats.when(e.Nonce))
	if !p.known || m.Op > p.acked {
		c.acked(p, m.Op)
	}
	c.confirm()
}

// Read asks whether this replica is still the leader: by its lease at this moment, or by a round of heartbeats
// sent after now (the read-index of Ongaro's thesis, section 6.4). The ticket comes back in Ready.Confirmed;
// if leadership is lost before, it never does.
func (c *Core) Read(now Time, ticket uint64) error {
	c.now = now
	if !c.serving() {
		return ErrNotServing
	}
	if c.leased(now) {
		c.reads.ByLease++
		c.out.Confirmed = append(c.out.Confirmed, ticket)
		return nil
	}
	if len(c.lead.waiting) >= c.cfg.Limits.Reads {
		return ErrFull
	}
	c.lead.waiting = append(c.lead.waiting, ticket)
	return nil
}

// startRound sends a heartbeat for the reads that wait.
func (c *Core) startRound() {
	l := &c.lead
	if len(l.waiting) == 0 || len(l.rounds) >= maxRounds {
		return
	}
	c.beat()
	l.rounds = append(l.rounds, round{l.nonce, l.waiting})
	l.waiting = nil
	c.confirm()
}

// confirm releases the rounds whose nonce f followers have echoed. Acknowledgements of entries confirm
// nothing: they may answer what was sent before the read arrived.
func (c *Core) confirm() {
	l := &c.lead
	for len(l.rounds) > 0 && c.echoes(l.rounds[0].nonce) >= c.f && !l.silent {
		c.reads.ByRound += uint64(len(l.rounds[0].tickets))
		c.out.Confirmed = append(c.out.Confirmed, l.rounds[0].tickets...)
		l.rounds = l.rounds[1:]
	}
}

func (c *Core) echoes(nonce uint64) (n int) {
	for r := range c.cfg.Replicas {
		if e := c.lead.followers[r].echoed; e >= nonce || e > 0 && mutant.On("old-echo-confirms") {
			n++
		}
	}
	return n
}
