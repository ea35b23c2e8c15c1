package sim

import (
	"math/rand"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// How leaders made sure that they still lead when they were read from.
const (
	readByLease = "read by lease"
	readByRound = "read by a round of heartbeats"
)

// maxRate is by how much a host's clock runs too fast or too slow, in thousandths.
const maxRate = 20

// drawLeases gives leases to the groups of every other seed. It draws from a source of its own, so that
// leases change nothing in the runs that have none.
func (p *Plan) drawLeases(seed int64) {
	r := rand.New(rand.NewSource(^seed))
	if r.Intn(2) == 0 {
		t := paxos.DefaultTiming()
		p.Lease = 2*t.Heartbeat + wire.Duration(r.Int63n(int64(t.Election-2*t.Heartbeat)))
	}
}

func (p *Plan) timing() paxos.Timing {
	t := paxos.DefaultTiming()
	t.Lease = p.Lease
	t.DriftPPM = (1000+maxRate)*1_000_000/(1000-maxRate) - 1_000_000 + 1
	return t
}

// readFrom looks at the reads that a replica confirmed in one turn. While it reads by a lease nobody else may
// serve a later view.
func (c *cluster) readFrom(s *seat, now *replica.State) {
	byLease := now.Reads.ByLease - s.seen.Reads.ByLease
	c.situations[readByLease] += int(byLease)
	c.situations[readByRound] += int(now.Reads.ByRound - s.seen.Reads.ByRound)
	if byLease > 0 && c.views[s.group] > now.LastNormal {
		c.w.fail("%v: reads by its lease of view %d, and view %d has served", s, now.LastNormal, c.views[s.group])
	}
}
