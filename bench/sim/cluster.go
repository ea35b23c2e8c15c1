package sim

import (
	"fmt"
	"net/netip"

	"github.com/cespare/xxhash/v2"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
)

// newCluster builds and boots the servers that the plan asks for.
func newCluster(w *world, plan Plan) *cluster {
	c := &cluster{w: w, net: newNetwork(w), plan: plan, situations: map[string]int{}}
	c.keys = wire.Keys{Replica: wire.NewKey([16]byte{1}), Client: wire.NewKey([16]byte{2})}
	c.layOut()
	c.powerUp()
	return c
}

// layOut makes hosts, seats and ports; nothing runs yet.
func (c *cluster) layOut() {
	nodes := make([]shard.Node, c.plan.Hosts)
	for i := range nodes {
		nodes[i] = shard.Node{Name: fmt.Sprintf("h%d", i), Host: fmt.Sprintf("10.0.0.%d", i+1), Port: 7000}
		c.hosts = append(c.hosts, &host{id: i, clock: c.drawClock()})
	}
	c.topology = shard.Topology{
		Cluster: 7, Map: shard.Map{Version: 1, Shards: uint32(c.plan.Groups)},
		Nodes: nodes, Groups: shard.Place(nodes, c.plan.Groups, c.plan.Replicas),
	}
	c.groups = make([][]*seat, c.plan.Groups)
	c.views = make([]wire.View, c.plan.Groups)
	c.epochs, c.decided = make([]wire.Epoch, c.plan.Groups), make([]wire.Epoch, c.plan.Groups)
	for g := range c.groups {
		c.groups[g] = make([]*seat, c.plan.Replicas)
		c.chosen = append(c.chosen, map[wire.Op]uint64{})
		c.hashes = append(c.hashes, map[wire.Op]uint64{})
	}
	for i, h := range c.hosts {
		for _, place := range c.topology.Seats(nodes[i].Name) {
			c.addSeat(h, place)
		}
	}
}

func (c *cluster) addSeat(h *host, place shard.Seat) {
	ip, port16, _ := c.topology.Endpoint(place)
	s := &seat{c: c, host: h, group: wire.GroupID(place.Group), self: wire.ReplicaID(place.Replica)}
	s.port = &port{addr: netip.AddrPortFrom(netip.MustParseAddr(ip), port16), host: h.id, receive: s.receive, egress: s.egress}
	c.net.ports[s.port.addr] = s.port
	h.seats = append(h.seats, s)
	c.groups[place.Group][place.Replica] = s
}

// drawClock draws a clock that is off by up to an hour and drifts by up to 2 %, a hundred times more than
// quartz does.
func (c *cluster) drawClock() clock {
	return clock{
		offset: c.w.between(0, 3600*wire.Second),
		rate:   1 + 2*maxRate/1000.0*(c.w.rand.Float64()-0.5),
		skew:   int64(c.w.between(-500*wire.Millisecond, 500*wire.Millisecond)),
	}
}

// inspect checks the invariants of protocols that one turn of one replica can break.
func (c *cluster) inspect(s *seat) {
	now := s.engine.State()
	if now.Chosen < s.seen.Chosen {
		c.w.fail("%v: chosen shrinks from %d to %d", s, s.seen.Chosen, now.Chosen)
	}
	if promise, _, _ := s.disk.Load(); promise.View < now.Promised && (now.Status == paxos.Normal || now.Status == paxos.Changing) {
		c.w.fail("%v: acts in view %d, promised on disk %d", s, now.Promised, promise.View)
	}
	if now.Role.Serving && now.LastNormal > c.views[s.group] {
		c.accede(s, &now)
		c.views[s.group] = now.LastNormal
	}
	c.compareEntries(s, now.State)
	if now.Applied%4 == 0 && now.Applied != s.seen.Chosen {
		c.compareStates(s, now.Applied)
	}
	c.situate(s, &now)
	c.readFrom(s, &now)
	c.live(s, &now)
	s.seen = now
}

// compareEntries: two chosen entries at one op are the same. Those that the log holds no more were compared
// while it did, or came as a part of the state, which is compared by its hash.
func (c *cluster) compareEntries(s *seat, now paxos.State) {
	for op := max(s.checked, now.Base) + 1; op <= now.Chosen; op++ {
		body := s.engine.Core().Body(op)
		if body == nil {
			continue
		}
		sum := xxhash.Sum64(body)
		if other, ok := c.chosen[s.group][op]; ok && other != sum {
			c.w.fail("%v: op %d is chosen with another content than elsewhere", s, op)
		}
		c.chosen[s.group][op] = sum
	}
	s.checked = max(s.checked, now.Chosen)
}

// compareStates: replicas that applied the same op have the same state.
func (c *cluster) compareStates(s *seat, op wire.Op) {
	sum := s.engine.Hash()
	if other, ok := c.hashes[s.group][op]; ok && other != sum {
		c.w.fail("%v: the state after op %d differs from another replica's", s, op)
	}
	c.hashes[s.group][op] = sum
}

// away counts the hosts that are down, or hold a replica that has lost something and not recovered yet.
func (c *cluster) away() (n int) {
	for _, h := range c.hosts {
		gone := h.down
		for _, s := range h.seats {
			gone = gone || s.lost
		}
		if gone {
			n++
		}
	}
	return n
}

// atRest reports whether all replicas of all groups are up, normal and hold the same log, all of it
// applied; if not it says what is missing.
func (c *cluster) atRest() (string, bool) {
	for _, group := range c.groups {
		var last wire.Op
		for _, s := range group {
			if s.engine != nil {
				last = max(last, s.engine.State().Last)
			}
		}
		for _, s := range group {
			if s.engine == nil {
				return fmt.Sprintf("%v is down", s), false
			}
			if st := s.engine.State(); st.Status != paxos.Normal || st.Applied != last {
				return fmt.Sprintf("%v is %v in view %d, applied %d of %d", s, st.Status, st.Promised, st.Applied, last), false
			}
		}
	}
	return "", true
}
