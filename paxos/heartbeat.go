package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// Leadership: heartbeats and their echoes. They carry the chosen op when nothing else does, tell the
// followers that the leader lives and the leader that it is followed, and renew leases.

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

	// tickets are those of the rounds under way, oldest first, and then of the reads that wait for one. Invariant: there are
	// as many as the rounds and waiting count.
	tickets []uint64
	waiting gathered
	rounds  []round // oldest first
	probe   uint64  // nonce of the latest

	ops, beats sendings // when ops and nonces were first sent, for leases
}

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
		c.lead.queue, c.lead.tickets, c.lead.waiting, c.lead.rounds = queue{}, nil, gathered{}, nil
		return
	}
	if c.now >= c.lead.beatAt {
		c.beat()
	}
	c.probeDue()
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
	p.grants = e.Lease
	c.granted(p, c.lead.beats.when(e.Nonce))
	if !p.known || m.Op > p.acked {
		c.acked(p, m.Op)
	}
}
