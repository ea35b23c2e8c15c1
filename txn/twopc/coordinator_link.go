package twopc

import (
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
	usedAt  wire.Time // when the session was last known to be good
	waiters []*deal   // transactions that wait for the session
	open    int       // unfinished transactions at this group
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
func (l *link) ready(now wire.Time, idle wire.Duration) bool {
	if l.session == 0 || l.opening != nil {
		return false
	}
	return l.open > 0 || now.Sub(l.usedAt) < idle
}

// openSession starts to open a session. The sequence number it takes is used for nothing else: every
// transaction that waits for it draws a higher one.
func (c *Coordinator) openSession(now wire.Time, l *link) {
	if l.opening != nil {
		return
	}
	l.session, l.first = 0, c.nextSeq
	c.nextSeq++
	request := txn.OpenSession{Client: c.cfg.Client, First: l.first}
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
	c.finish(l.opening)
	l.opening, l.session, l.epoch, l.usedAt = nil, r.Session, r.Epoch, now
	waiters := l.waiters
	l.waiters = nil
	for _, d := range waiters {
		c.proceed(now, d)
	}
}

// sessionTurnedAway: the shard keeps as many sessions as it can. Those who wait are told; the next
// transaction tries again.
func (c *Coordinator) sessionTurnedAway(l *link, status txn.Status) {
	c.finish(l.opening)
	l.opening = nil
	waiters := l.waiters
	l.waiters = nil
	for _, d := range waiters {
		c.abandon(d, ResultOverloaded, Cause{Group: l.group, Status: status, Detail: "the shard has too many clients"})
	}
}
