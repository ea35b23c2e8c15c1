package sim

import (
	"math/rand/v2"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// How many of the clients' commits end with the client's death, and how many of those while it is sending:
// some of its datagrams are out, the others never will be.
const (
	deathShare = 0.05
	tornShare  = 0.4
)

// born gives the client a coordinator that knows nothing, under a name that was never used.
func (c *client) born() {
	c.coord = twopc.NewCoordinator(twopc.CoordinatorConfig{
		Client: txn.ClientID(c.s.w.rand.Uint64()), Map: c.s.c.topology.Map,
		Replicas: func(wire.GroupID) int { return c.s.c.plan.Replicas },
		Rand:     rand.New(rand.NewPCG(c.s.w.rand.Uint64(), 1)), SessionIdle: sessionBound / 4,
	})
	c.wait, c.inbox, c.attempt, c.torn = map[uint64]func(twopc.Completion){}, nil, nil, 0
}

// fate decides, when a commit begins, whether the client will live to see its end.
func (c *client) fate() {
	w := c.s.w
	switch {
	case c.s.healed || !w.chance(c.s.mortality):
	case w.chance(tornShare):
		c.torn = 1 + w.rand.Intn(4)
	default:
		a := c.attempt
		w.after(wire.Duration(w.rand.ExpFloat64()*float64(3*wire.Millisecond)), func() {
			if c.s.healed {
				return
			}
			switch {
			case c.attempt == a:
				c.s.c.situations[diedUnanswered]++
			case c.coord.Unfinished() > 0:
				c.s.c.situations[diedCommitting]++
			default:
				c.s.c.situations[diedIdle]++
			}
			c.die()
		})
	}
}

// ends reports whether the process ends here, before it sends the next request.
func (c *client) ends() bool {
	if c.torn == 0 || c.s.healed {
		return false
	}
	c.torn--
	return c.torn == 0
}

// die ends the process at once. Another one takes its place; it knows nothing of what the first one did, and
// nobody learns from either what became of the transaction that was under way.
func (c *client) die() {
	a := c.attempt
	c.born()
	switch {
	case a != nil && a.sent:
		a.end(check.Unknown)
	case a != nil:
		a.end(check.Aborted)
	case c.busy: // with a read of the past
		c.done()
	}
}
