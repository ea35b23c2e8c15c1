package paxos

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The normal case: the leader sends entries, followers append them in order and acknowledge, the leader
// counts.

// stepAccept is the follower's side. An op that is held already is acknowledged again, because the first
// acknowledgement may have been lost.
func (c *Core) stepAccept(m *Message) {
	if !c.fromLeader(m) {
		return
	}
	last := c.log.last()
	switch {
	case m.Op > last+1:
		c.early.keep(m.View, m.Op, last+1, m.Body)
		c.ignore(IgnoredGap)
		c.askForGap()
	case m.Op <= last:
		c.ignore(IgnoredDuplicate)
		c.acknowledge()
	default:
		if !c.take(m.Op, m.Body) {
			c.ignore(IgnoredDuplicate) // the fast path has acknowledged it, and will give it
			return
		}
		c.appendEarly(false)
		c.acknowledge()
	}
	c.learnChosen(m.Chosen)
}

// appendEarly appends what had come before its turn and now has it, and tells so if that was not to be expected.
// The fast path may have brought what it waited for.
func (c *Core) appendEarly(tell bool) {
	if c.early.count == 0 || !c.follows() || tell && mutant.On("early-stays") {
		return
	}
	grown := false
	for {
		op := c.log.last() + 1
		body, ok := c.early.find(c.lastNormal, op)
		if !ok || !c.take(op, body) {
			break
		}
		c.early.forget(op)
		grown = true
	}
	if grown && tell {
		c.acknowledge()
	}
}

// takeAcked appends an entry that the fast path acknowledged in this replica's name. It is accepted while
// a fence is pending too: what was claimed must be in the log before the view changes.
func (c *Core) takeAcked(m *Message) {
	switch {
	case m.Kind != wire.KindAccept:
		violated("the fast path took a %v", m.Kind)
	case !c.fast || c.status != Normal:
		violated("the fast path acted unarmed, status %v", c.status)
	case m.View != c.lastNormal:
		violated("the fast path acted in view %d, armed for %d", m.View, c.lastNormal)
	case m.Op != c.log.last()+1:
		violated("the fast path stored op %d after %d", m.Op, c.log.last())
	}
	c.tail = m.Op
	c.log.append(m.Body)
	if m.Incarnation == c.vector[m.Sender] && !mutant.On("fast-path-unheard") {
		c.heardLeader()
	}
	c.learnChosen(m.Chosen)
}

// fromLeader reports whether a message comes from the leader that this replica follows, and notes that
// the leader was heard. Messages of other views are dealt with here.
func (c *Core) fromLeader(m *Message) bool {
	switch {
	case m.View > c.promised:
		c.notice(m.View)
		c.ignore(IgnoredFutureView)
	case m.View < c.promised:
		c.ignore(IgnoredOldView)
	case m.Sender != c.leader(m.View):
		c.ignore(IgnoredNotLeader)
	case c.fencing:
		c.ignore(IgnoredFencing)
	case c.status != Normal:
		c.ignore(IgnoredWrongStatus)
	default:
		c.heardLeader()
		return true
	}
	return false
}

func (c *Core) acknowledge() {
	c.claim(wire.KindAccepted, nil)
}

// askForGap asks the leader for what lies above the log, once per interval: a burst behind a gap would
// otherwise ask once per packet.
func (c *Core) askForGap() {
	if c.now < c.hearing.gapAt || c.xfer != nil {
		return
	}
	c.hearing.gapAt = c.now.Add(c.cfg.Timing.Retransmit / 4)
	c.claim(wire.KindGap, nil)
}

// learnChosen takes the leader's word for what is chosen, as far as the log reaches.
func (c *Core) learnChosen(op Op) {
	c.log.chosen = max(c.log.chosen, min(op, c.log.last()))
}

// progress is what the leader knows of one follower in its view.
type progress struct {
	// known: the follower has acknowledged something, so it is normal in the view.
	known bool
	// acked: the follower holds every op up to it. Invariant: acked <= last.
	acked    Op
	heard    Time
	signed   uint64 // highest nonce of a probe that it gave a sign for
	resendAt Time   // when unacknowledged entries are sent again
	delay    Duration
	// arriveBy is when large entries that were sent should have arrived: nothing is repeated before. A voter
	// that hands its log to a new leader keeps it, too.
	arriveBy Time
	copyFrom Op // the op above which the last burst began for one who copies the log

	// since is when the latest of what it answered was first sent, or 0; grants is the length of its leases.
	since  Time
	grants Duration
}

// fromFollower returns what is known of a follower of this leader, for a message that only such a one
// sends. It notes that the follower was heard.
func (c *Core) fromFollower(m *Message) *progress {
	switch {
	case m.View > c.promised:
		c.notice(m.View)
		c.ignore(IgnoredFutureView)
	case m.View < c.promised && !mutant.On("old-view-counts"):
		c.ignore(IgnoredOldView)
	case !c.leads():
		c.ignore(IgnoredNotFollower)
	case m.Op > c.log.last():
		c.ignore(IgnoredAboveLast)
	default:
		p := &c.lead.followers[m.Sender]
		p.heard = c.now
		return p
	}
	return nil
}

// stepAccepted counts a cumulative acknowledgement.
func (c *Core) stepAccepted(m *Message) {
	if p := c.fromFollower(m); p != nil {
		c.acked(p, m.Op)
	}
}

func (c *Core) acked(p *progress, op Op) {
	if p.known && op <= p.acked {
		c.ignore(IgnoredDuplicate)
		return
	}
	p.known = true
	p.acked = max(p.acked, op)
	if !mutant.On("acknowledged-ungranted") {
		c.granted(p, c.lead.ops.when(uint64(op)))
	}
	p.delay = c.cfg.Timing.Retransmit
	p.resendAt = c.now.Add(p.delay)
	if p.acked == c.log.last() {
		p.arriveBy = 0
	}
	c.choose()
}

// choose moves the chosen op to the f-th largest acknowledgement: f followers and the leader hold it.
func (c *Core) choose() {
	q := c.quorumOp()
	if q >= c.start && (c.f == 0 || c.knownFollowers() >= c.f) {
		c.lead.taken = true
	}
	c.log.chosen = max(c.log.chosen, q)
}

// quorumOp is the highest op that f followers have acknowledged in this view.
func (c *Core) quorumOp() Op {
	if c.f == 0 {
		return c.log.last()
	}
	var acks [wire.MaxReplicas]Op
	n := 0
	for r := range c.cfg.Replicas {
		if ReplicaID(r) != c.cfg.Self {
			acks[n] = c.lead.followers[r].acked
			n++
		}
	}
	slices.Sort(acks[:n])
	if mutant.On("follower-counts-twice") {
		return acks[n-max(1, c.f-1)]
	}
	return acks[n-c.f]
}

func (c *Core) knownFollowers() (n int) {
	for r := range c.cfg.Replicas {
		if c.lead.followers[r].known {
			n++
		}
	}
	return n
}

// stepGap sends a follower the entries that it misses, at once.
func (c *Core) stepGap(m *Message) {
	p := c.fromFollower(m)
	if p == nil {
		return
	}
	if !p.known || m.Op > p.acked {
		c.acked(p, m.Op)
	}
	if c.lead.silent {
		c.ignore(IgnoredSilent)
		return
	}
	if m.Op < c.log.base {
		c.requestImage(m.Sender, Extend, &Fetch{})
		return
	}
	if p.arriving(c.now) {
		c.ignore(IgnoredArriving)
		return
	}
	c.resend(m.Sender, m.Op)
	p.resendAt = c.now.Add(p.delay)
}

// resend sends a burst of the entries above op to one follower, as ordinary Accepts in order. One that needs
// entries which are gone says so itself: what it has acknowledged may be less than what it holds.
func (c *Core) resend(to ReplicaID, op Op) {
	if op < c.log.base {
		return
	}
	end, bytes := min(c.log.last(), op+Op(c.cfg.Limits.Burst)), 0
	for op < end && bytes < burstBytes {
		op++
		body := c.log.at(op)
		bytes += len(body)
		c.send(to, frame(wire.KindAccept, c.lastNormal, op, c.log.chosen, body))
	}
	c.lead.followers[to].sent(c.now, bytes)
}

// resendDue repeats what followers have not acknowledged in time, with back-off.
func (c *Core) resendDue() {
	last := c.log.last()
	for r := range c.cfg.Replicas {
		p := &c.lead.followers[r]
		if !p.known || p.acked >= last {
			p.resendAt = c.now.Add(max(p.delay, c.cfg.Timing.Retransmit))
			continue
		}
		if c.now < p.resendAt || p.arriving(c.now) {
			continue
		}
		c.resend(ReplicaID(r), p.acked)
		p.delay = min(2*p.delay, c.cfg.Timing.RetransmitMax)
		p.resendAt = c.now.Add(p.delay)
	}
}
