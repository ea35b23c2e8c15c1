package twopc

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// link is what the coordinator knows of one group: the way to it, and the client's session there.
type link struct {
	route
	// session is the op that opened the session; zero when there is none. first is what it was opened
	// with, or what opening is about to.
	session wire.Op
	epoch   wire.Epoch // of the group, when the session was opened
	first   uint64
	opening *call
	// ending gives the session up. doubled: copies of what opened it, or one before it, may still be on their way.
	ending  *call
	doubled bool
	// reserved: the session admits only what clears. clears: so does the one that is being opened, if the
	// shard has no other.
	reserved, clears bool
	usedAt           wire.Time // when the session was last known to be good
	waiters          []*deal   // transactions that wait for the session
	open             int       // unfinished transactions at this group
	held             int       // transactions at this group that the mark has not passed; open <= held
}

func (c *Coordinator) link(g wire.GroupID) *link {
	l := c.links[g]
	if l == nil {
		l = &link{route: route{group: g, replicas: max(c.cfg.Replicas(g), 1)}}
		c.links[g] = l
	}
	return l
}

// ready reports whether transactions may use the session now. One that has rested too long is not trusted,
// because a transaction that meets an expired session has an unknown outcome.
func (l *link) ready(now wire.Time, idle wire.Duration, clears bool) bool {
	if l.session == 0 || l.opening != nil || l.reserved && !clears {
		return false
	}
	return l.open > 0 || now.Sub(l.usedAt) < idle
}

// openSession starts to open a session. The sequence number it takes is used for nothing else: every
// transaction that waits for it draws a higher one.
func (c *Coordinator) openSession(now wire.Time, l *link, clears bool) {
	if l.opening != nil {
		return
	}
	if l.ending != nil { // that session is as good as gone
		c.finish(l.ending)
		l.ending = nil
	}
	l.session, l.first, l.clears = 0, c.nextSeq, clears
	c.nextSeq++
	request := txn.OpenSession{Client: c.cfg.Client, First: l.first, Clears: clears}
	l.opening = &call{kind: wire.KindOpenSession, route: &l.route, body: txn.OpenSessionBody.Append(nil, &request)}
	c.start(now, l.opening)
}

func (c *Coordinator) onSession(now wire.Time, from Target, body []byte) {
	var r txn.SessionReply
	if txn.SessionReplyBody.Decode(body, &r) != nil || r.Session == 0 {
		c.ignore(IgnoredMalformed)
		return
	}
	l := c.links[from.Group]
	if l == nil || r.Client != c.cfg.Client {
		c.ignore(IgnoredStranger)
		return
	}
	if l.opening == nil || r.First != l.first {
		c.ignore(IgnoredLate)
		return
	}
	l.answered(now, l.opening, from.Replica)
	c.opened(l)
	l.session, l.epoch, l.usedAt, l.reserved = r.Session, r.Epoch, now, r.Reserved
	waiters := l.waiters
	l.waiters = nil
	if l.reserved { // what clears goes first: the others would give the session up
		slices.SortStableFunc(waiters, func(a, b *deal) int { return clearsFirst(a) - clearsFirst(b) })
	}
	for _, d := range waiters {
		c.proceed(now, d)
	}
}

// opened takes the answer to what was to open a session, and notes whether further copies may arrive.
func (c *Coordinator) opened(l *link) {
	l.doubled = l.doubled || l.opening.loose > 1
	c.finish(l.opening)
	l.opening = nil
}

func clearsFirst(d *deal) int {
	if d.clears {
		return 0
	}
	return 1
}

// sessionTurnedAway: the shard keeps as many sessions as it can. Those who wait are told, and the next
// transaction tries again; but what clears asks for a place that is reserved for it.
func (c *Coordinator) sessionTurnedAway(now wire.Time, l *link, status txn.Status) {
	c.opened(l)
	waiters := l.waiters
	l.waiters = nil
	for _, d := range waiters {
		if d.clears && !l.clears {
			continue
		}
		c.abandon(d, ResultOverloaded, crowdedOut(l, status))
	}
	for _, d := range waiters {
		if d.stage == stageSessions {
			c.proceed(now, d)
		}
	}
}

func crowdedOut(l *link, status txn.Status) Cause {
	return Cause{Group: l.group, Status: status, Detail: "the shard has too many clients"}
}
