package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The copying of log entries between replicas. What is received is kept aside until it is complete, and
// the log is replaced in one step: a replica that dropped its tail first, and then voted in yet another
// view change, would have forgotten ops that it acknowledged.

// transfer is a copying under way, at its receiver.
type transfer struct {
	purpose Purpose
	source  ReplicaID
	view    View
	// from is the op chosen here, or that of the image which is staged; entries above it are copied. It stands
	// still until the copy is in place.
	from   Op
	need   Op // the copy is complete when it reaches need
	chosen Op // known to be chosen at the source
	bodies [][]byte
	askAt  Time
	// patience is how long the next answer is waited for before it is asked for again: longer each time that
	// none came, or that one came twice, which shows that it had only been slow.
	patience Duration
}

// fetchDoublings bounds how often the patience is doubled: what is really lost is still asked for again within an
// election timeout.
const fetchDoublings = 3

// waitLonger makes the patience of a transfer longer.
func (c *Core) waitLonger(x *transfer) {
	t := &c.cfg.Timing
	x.patience = min(2*x.patience, t.Retransmit<<fetchDoublings, t.RetransmitMax)
}

func (x *transfer) have() Op { return x.from + Op(len(x.bodies)) }

// startTransfer begins to copy everything above the chosen op. Entries up to it are the same everywhere.
func (c *Core) startTransfer(purpose Purpose, source ReplicaID, view View, need Op) {
	if mutant.On("truncate-first") {
		c.log.replaceTail(c.log.chosen, nil)
	}
	c.hearing.heard = c.now
	x := &transfer{purpose: purpose, source: source, view: view, from: c.log.chosen, chosen: c.log.chosen, need: need, patience: c.cfg.Timing.Retransmit}
	c.xfer = x
	c.resumeImage()
	if c.copied.from == x.from {
		x.bodies = c.copied.bodies
		x.chosen = x.have()
	}
	c.proceed()
}

// leftover is what an abandoned copying had brought of chosen entries above an op.
type leftover struct {
	from   Op
	bodies [][]byte
}

// proceed fetches what is missing, or ends the copying.
func (c *Core) proceed() {
	switch x := c.xfer; {
	case x.have() < x.need:
		c.fetch()
	case x.purpose == Extend && mutant.On("image-unfenced"):
		c.adopt()
	case x.purpose == Extend && c.fencing && !mutant.On("fenced-twice"):
		// The replica leaves the view, and the copy with it; or the fence for this copy is under way.
	case x.purpose == Extend:
		c.fencing, c.target = true, c.promised
		c.out.Fence = true
	default:
		c.finishTransfer()
	}
}

// installing reports whether a leader's log is being copied, and has lately made progress. Until it is
// there, or stops coming, there is no need to say anything else.
func (c *Core) installing() bool {
	return c.xfer != nil && c.xfer.purpose == Install && c.now.Sub(c.hearing.heard) <= c.cfg.Timing.Election
}

// dropTransfer gives up the copying under way. What it brought of chosen entries is right in every view, and
// the next copying goes on from there: a long one would otherwise begin anew with every view, for ever.
func (c *Core) dropTransfer() {
	if x := c.xfer; x != nil && !mutant.On("copy-anew") {
		c.copied = leftover{x.from, x.bodies[:min(x.chosen, x.have())-x.from]}
	}
	c.xfer = nil
	if mutant.On("image-anew") {
		c.dropImage()
	}
}

func (c *Core) fetch() {
	x := c.xfer
	x.askAt = c.now.Add(x.patience)
	if c.image.done && !c.image.staged {
		return // its owner will say whether it is right
	}
	f := Fetch{Purpose: x.purpose}
	if i := &c.image; i.op != 0 && !i.staged {
		f.At, f.Offset, f.Cursor, f.Skip = i.op, i.offset, i.cursor, i.skip
		i.asked = i.offset
	}
	c.send(x.source, frame(wire.KindFetch, x.view, x.have(), c.log.chosen, fetchBody.Append(nil, &f)))
}

// fetchDue asks again when an answer was lost, or seems so.
func (c *Core) fetchDue() {
	if x := c.xfer; x != nil && c.now >= x.askAt {
		c.waitLonger(x)
		c.fetch()
	}
}

// stepFetch sends a burst of entries. A voter's log stands still until its view is open, and a leader's
// only grows, so that the bursts of one transfer fit together.
func (c *Core) stepFetch(m *Message) {
	var f Fetch
	if fetchBody.Decode(m.Body, &f) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	c.notice(m.View)
	voter := f.Purpose == Collect && c.status == Changing && m.Sender == c.leader(m.View)
	leader := (f.Purpose == Install || f.Purpose == Extend) && (c.leads() || mutant.On("recover-from-anyone"))
	switch {
	case m.View != c.promised:
		c.ignore(IgnoredOldView)
	case !voter && !leader:
		c.ignore(IgnoredWrongStatus)
	default:
		if leader {
			c.lead.followers[m.Sender].heard = c.now // who copies the log follows
		}
		c.repin(m.Sender)
		if f.At != 0 || m.Op < c.log.base {
			c.requestImage(m.Sender, f.Purpose, &f)
		} else {
			c.sendEntries(m.Sender, f.Purpose, m.Op)
		}
	}
}

func (c *Core) sendEntries(to ReplicaID, purpose Purpose, op Op) {
	p, bytes := &c.lead.followers[to], 0
	if p.arriving(c.now) && op == p.copyFrom {
		c.ignore(IgnoredArriving)
		return
	}
	p.copyFrom, p.arriveBy = op, 0 // who asks for more has what came before
	defer func() { p.sent(c.now, bytes) }()
	for left := c.cfg.Limits.Burst - 1; left >= 0; left-- {
		bodies, size := c.chunk(op)
		if len(bodies) == 0 {
			return
		}
		if bytes += size; bytes >= burstBytes {
			left = 0
		}
		e := Entries{Purpose: purpose, Bodies: bodies, Left: left}
		c.send(to, frame(wire.KindEntries, c.promised, op, c.log.chosen, entriesBody.Append(nil, &e)))
		op += Op(len(bodies))
	}
}

// chunk returns the entries above op that fit one datagram, and their size; at least one, if there is one.
func (c *Core) chunk(op Op) (bodies [][]byte, size int) {
	size = batchOverhead
	for op < c.log.last() {
		op++
		body := c.log.at(op)
		next := size + len(body) + commandOverhead
		if len(bodies) > 0 && next > c.cfg.Limits.BatchBytes {
			break
		}
		size = next
		bodies = append(bodies, body)
	}
	return bodies, size
}

func (c *Core) stepEntries(m *Message) {
	var e Entries
	if entriesBody.Decode(m.Body, &e) != nil || len(e.Bodies) == 0 {
		c.ignore(IgnoredMalformed)
		return
	}
	x := c.xfer
	switch {
	case x == nil || m.View != x.view || m.Sender != x.source || e.Purpose != x.purpose:
		c.ignore(IgnoredWrongStatus)
		return
	case c.fencing:
		c.ignore(IgnoredFencing)
		return
	case m.Op < x.have():
		c.waitLonger(x)
		c.ignore(IgnoredGap)
		return
	case m.Op != x.have():
		c.ignore(IgnoredGap)
		return
	}
	x.bodies = append(x.bodies, e.Bodies...)
	c.progressed(m)
	if x.have() >= x.need || e.Left == 0 {
		c.proceed()
	}
}

// progressed notes that a part of what is being copied has come, which counts as hearing its source. The rest
// is on its way, and not asked for again before it has been still for a while.
func (c *Core) progressed(m *Message) {
	x := c.xfer
	x.patience = c.cfg.Timing.Retransmit
	x.askAt = c.now.Add(x.patience)
	x.chosen = max(x.chosen, m.Chosen)
	c.hearing.heard = c.now
	if c.status == Changing {
		c.extend()
	}
}

// finishTransfer puts the copy in place of the tail and becomes normal, in one step.
func (c *Core) finishTransfer() {
	x := c.xfer
	c.xfer = nil
	assert(x.view == c.promised, "a transfer of view %d ends in view %d", x.view, c.promised)
	if mutant.On("clear-then-copy") {
		x.bodies = x.bodies[:0]
	}
	if c.image.staged {
		c.restore(x.bodies)
	} else {
		assert(x.from == c.log.chosen, "chosen went from %d to %d during a transfer", x.from, c.log.chosen)
		c.log.replaceTail(x.from, x.bodies)
	}
	if x.purpose == Collect {
		c.takeOver()
		return
	}
	c.become(Normal)
	c.enterView()
	c.acknowledge()
}
