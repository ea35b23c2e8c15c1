package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The change of view. Everyone who has promised the view says so (Suspect); who hears f others votes
// (ViewChange) with the state of its log; the new leader, with f+1 votes, takes over the best log and opens
// the view (NewView). Log, start and last-normal view change together, in one step.

// change is a view change under way.
type change struct {
	attempts int
	deadline Time
	repeatAt Time
	voted    bool
	// suspects holds the highest view that each replica has promised, as far as it said.
	suspects [wire.MaxReplicas]View
	votes    [wire.MaxReplicas]*vote
	offer    offer
}

// vote is the content of a ViewChange.
type vote struct {
	view, lastNormal View
	last, chosen     Op
}

// better reports whether the log that v speaks for is to be preferred: a later view's log holds all that was
// chosen before, however short it is; within a view the longer one holds the other.
func (v *vote) better(than *vote) bool {
	if mutant.On("longest-log-wins") {
		return v.last > than.last
	}
	return v.lastNormal > than.lastNormal || v.lastNormal == than.lastNormal && v.last > than.last
}

// offer is an open view that this replica may join.
type offer struct {
	view  View
	start Op
}

// forget voids what a former incarnation of a replica promised or voted.
func (ch *change) forget(r ReplicaID) {
	ch.suspects[r] = 0
	ch.votes[r] = nil
}

// enterChange promises a view. The promise is on disk before anyone hears of it.
func (c *Core) enterChange(v View) {
	assert(v > c.promised, "replica %d promises view %d after %d", c.cfg.Self, v, c.promised)
	c.become(Changing)
	c.promised = v
	c.persist()
	c.dropTransfer()
	c.lead = leading{}
	c.hearing = hearing{}
	c.change.attempts++
	c.change.voted = false
	c.change.votes = [wire.MaxReplicas]*vote{}
	c.extend()
	c.suspect()
	if o := c.change.offer; o.view == v {
		c.install(o)
	}
	c.tryVote()
}

func (c *Core) persist() {
	if mutant.On("promise-unsaved") {
		return
	}
	c.save()
}

// maxAttemptFactor bounds the back-off of view changes that fail in a row.
const maxAttemptFactor = 8

// extend gives the view change more time; each attempt in a row gets more than the one before.
func (c *Core) extend() {
	e := int64(c.cfg.Timing.Election) * int64(min(c.change.attempts, maxAttemptFactor))
	c.change.deadline = max(c.now, c.voteAt).Add(Duration(e + c.cfg.Rand.Int63n(e)))
}

func (c *Core) suspect() {
	c.change.repeatAt = c.now.Add(c.cfg.Timing.Heartbeat)
	body := suspectBody.Append(nil, &Suspect{c.vector})
	c.send(Everyone, frame(wire.KindSuspect, c.promised, c.log.last(), c.log.chosen, body))
}

// tickChanging gives up on a view that takes too long, and repeats what may have been lost. A replica that
// has not heard f others promise the view stays: a higher one would not bring them nearer, and its
// climbing alone would disturb the group for as long as it hears nobody.
func (c *Core) tickChanging() {
	if c.tryVote(); c.status != Changing {
		return // it was the last vote that was missing
	}
	switch {
	case c.now > c.change.deadline && (c.change.voted || mutant.On("alone-climbs")):
		c.leave(c.promised + 1)
	case c.installing():
		c.fetchDue()
	case c.now >= c.change.repeatAt:
		c.suspect()
		if c.change.voted {
			c.sendVote()
		}
		c.fetchDue()
	}
}

func (c *Core) stepSuspect(m *Message) {
	var s Suspect
	if suspectBody.Decode(m.Body, &s) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	known := c.change.suspects[m.Sender] >= m.View
	if !c.learnVector(s.Vector) || !c.promises(m) {
		return
	}
	if known {
		c.ignore(IgnoredDuplicate)
	}
	c.tryVote()
}

// promises notes that a replica has promised Header.View, and reports whether that concerns the change
// under way here.
func (c *Core) promises(m *Message) bool {
	known := c.change.suspects[m.Sender] >= m.View
	c.change.suspects[m.Sender] = max(c.change.suspects[m.Sender], m.View)
	c.notice(m.View)
	switch {
	case c.status == Recovering:
		c.ignore(IgnoredWrongStatus)
	case m.View < c.promised:
		c.ignore(IgnoredOldView)
		c.answer(m.Sender, 0)
	case m.View == c.promised && c.leads():
		c.openView(m.Sender)
	case m.View == c.promised && c.status == Changing:
		return true
	case m.View == c.promised:
		c.ignore(IgnoredNotFollower) // it asks who is in the view already, and only the leader can open it
	case known:
		c.ignore(IgnoredFencing) // for a view at or above this one
	}
	return false
}

// tryVote votes once f others have promised the view too, and no lease is out any more that was granted to an
// older leader.
func (c *Core) tryVote() {
	n := 0
	for _, v := range c.change.suspects {
		if v == c.promised {
			n++
		}
	}
	if c.change.voted || n < c.f || !c.mayVote() {
		return
	}
	c.change.voted = true
	c.sendVote()
}

// sendVote tells the new leader how this replica's log stands. The vote covers everything that the
// replica, or its fast path, ever acknowledged: the fence was drained before the view was promised.
func (c *Core) sendVote() {
	to := c.leader(c.promised)
	if to == c.cfg.Self {
		c.change.votes[to] = &vote{c.promised, c.lastNormal, c.log.last(), c.log.chosen}
		c.tryTake()
		return
	}
	body := viewChangeBody.Append(nil, &ViewChange{c.lastNormal, c.vector})
	c.send(to, frame(wire.KindViewChange, c.promised, c.log.last(), c.log.chosen, body))
}

func (c *Core) stepViewChange(m *Message) {
	var vc ViewChange
	if viewChangeBody.Decode(m.Body, &vc) != nil || m.Chosen > m.Op || vc.LastNormal >= m.View {
		c.ignore(IgnoredMalformed)
		return
	}
	if !c.learnVector(vc.Vector) || !c.promises(m) {
		return
	}
	if c.leader(m.View) != c.cfg.Self {
		c.ignore(IgnoredNotLeader)
		return
	}
	v := vote{m.View, vc.LastNormal, m.Op, m.Chosen}
	if old := c.change.votes[m.Sender]; old != nil && *old == v {
		c.ignore(IgnoredDuplicate)
	}
	c.change.votes[m.Sender] = &v
	c.tryVote()
	c.tryTake()
}

// tryTake takes over the best log once f+1 votes of this view are in, this replica's own among them. A
// replica that votes twice fills one cell twice; a vote of a former incarnation has been forgotten.
func (c *Core) tryTake() {
	votes := c.change.votes[:c.cfg.Replicas]
	own := votes[c.cfg.Self]
	if own == nil || c.xfer != nil {
		return
	}
	n, from := 0, c.cfg.Self
	best := *own
	for r, v := range votes {
		if v == nil {
			continue
		}
		n++
		if mutant.On("voter-counts-twice") && ReplicaID(r) != c.cfg.Self {
			n++
		}
		if v.better(&best) {
			best, from = *v, ReplicaID(r)
		}
	}
	if n < c.f+1 {
		return
	}
	if from == c.cfg.Self {
		c.takeOver()
		return
	}
	c.startTransfer(Collect, from, c.promised, best.last)
}

// takeOver opens the view with the log that is now in place.
func (c *Core) takeOver() {
	for _, v := range c.change.votes {
		if v != nil {
			c.learnChosen(v.chosen)
		}
	}
	c.become(Normal)
	c.enterView()
	c.openView(Everyone)
}

func (c *Core) openView(to ReplicaID) {
	body := newViewBody.Append(nil, &NewView{c.vector})
	c.send(to, frame(wire.KindNewView, c.lastNormal, c.start, c.log.chosen, body))
}

func (c *Core) stepNewView(m *Message) {
	var nv NewView
	if newViewBody.Decode(m.Body, &nv) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if !c.learnVector(nv.Vector) || c.offered(m, m.Op) {
		return
	}
	if c.fromLeader(m) {
		c.acknowledge() // the leader has not heard that this replica is in its view
	}
}

// offered deals with the sign of an open view at a replica that is not normal in it, and reports whether
// it did.
func (c *Core) offered(m *Message, start Op) bool {
	if m.Sender != c.leader(m.View) {
		return false
	}
	switch {
	case c.status == Recovering:
		c.notice(m.View)
		c.ignore(IgnoredWrongStatus)
	case c.fencing && m.View <= c.target && c.change.offer == (offer{m.View, start}):
		c.ignore(IgnoredFencing) // it is noted, and taken when the fence stands
	case m.View > c.promised:
		c.change.offer = offer{m.View, start}
		c.notice(m.View)
	case m.View == c.promised && c.status == Changing && m.Sender != c.cfg.Self:
		c.extend()
		c.hearing.heard = c.now
		c.install(offer{m.View, start})
	default:
		return false
	}
	return true
}

// install begins to take over the log of an open view, up to where the view began.
func (c *Core) install(o offer) {
	if mutant.On("join-without-log") {
		o.start = 0
	}
	if c.xfer == nil {
		c.startTransfer(Install, c.leader(o.view), o.view, o.start)
	}
}
