package twopc

import (
	"cmp"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// End gives up the client's sessions, so that shards need not keep them until they expire. It is for a client that
// will ask for nothing more; one that does opens sessions anew.
//
// A session in which a transaction is not finished is left to expire: its outcome may rest on it. So is one that was asked
// for more than once, because a late copy of the question would open it again. Of every other nothing is
// on its way that an open session would let through: what names it is refused from now on.
func (c *Coordinator) End(now wire.Time) {
	var links []*link
	for _, l := range c.links {
		settled := l.open == 0 || mutant.On("ends-in-doubt")
		if l.session != 0 && l.opening == nil && len(l.waiters) == 0 && settled && !l.doubled {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b *link) int { return cmp.Compare(a.group, b.group) })
	for _, l := range links {
		request := txn.EndSession{Client: c.cfg.Client, First: l.first, Session: l.session, Mark: c.mark()}
		l.session = 0
		l.ending = &call{kind: wire.KindEndSession, route: &l.route, body: txn.EndSessionBody.Append(nil, &request)}
		c.start(now, l.ending)
	}
	c.check()
}

// Ending counts the sessions that are given up and whose shards have not said so yet.
func (c *Coordinator) Ending() int {
	n := 0
	for _, l := range c.links {
		if l.ending != nil {
			n++
		}
	}
	return n
}
