package sim

import (
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/txn/twopc"
)

// clock is a host's own idea of time: it drifts, and its wall clock is off and may jump.
type clock struct {
	offset wire.Duration
	rate   float64
	skew   int64
}

func (c *clock) read(now wire.Time) replica.Instant {
	local := wire.Time(float64(now)*c.rate) + wire.Time(c.offset)
	return replica.Instant{Now: local, Wall: epoch + int64(now) + c.skew}
}

// epoch is the wall clock at the beginning of every run.
const epoch = 1_700_000_000_000_000_000

// host is one machine: it fails as a whole.
type host struct {
	id     int
	clock  clock
	seats  []*seat
	down   bool
	paused bool
	kernel *kernel // nil where there is none
}

// seat is one replica's place on a host. The replica is nil while the host is down.
type seat struct {
	c       *cluster
	host    *host
	group   wire.GroupID
	self    wire.ReplicaID
	port    *port
	disk    replica.MemoryDisk
	replica *replica.Replica
	engine  *replica.MultiPaxos
	life    int // starts so far; a turn planned in a former life does nothing
	inbox   []transport.Datagram
	planned bool
	turning bool
	fast    *fastPath // while it runs, if the host has a kernel
	seen    replica.State
	checked wire.Op // ops up to it were compared with the other replicas'
	// lost: it went down with a memory or a disk, and has not taken part in the group since; wiped: a disk.
	lost, wiped bool
	// promised and served are the view that the disk had promised, and the latest that had served its group, when the
	// life under way began.
	promised, served wire.View
}

// inboxLimit is the socket buffer of a host that does not read.
const inboxLimit = 512

// sessionBound is the age at which sessions expire, short enough for clients that are gone to see it within a
// run. Clients trust a session that has rested for a quarter of it.
const sessionBound = 4 * wire.Second

// tickEvery is how often a seat takes a turn when nothing arrives.
const tickEvery = 2 * wire.Millisecond

// boot starts the replica.
func (s *seat) boot() {
	engine, err := s.newEngine()
	if err != nil {
		panic(err)
	}
	s.replica = replica.New(replica.Config{
		Cluster: s.c.clusterID(), Group: s.group, Self: s.self, Peers: s.c.peers(s.group), Groups: s.c.addresses(), Keys: s.c.keys, DatagramBytes: 1400,
		Rebirth: s.newEngine, Offloads: s.c.plan.Kernel.Offloads,
	}, engine, &s.disk, s.openFastPath())
	s.life++
	s.inbox, s.planned = nil, false
	s.tick(s.life)
}

// newEngine begins a life of the replica, from what the disk says.
func (s *seat) newEngine() (replica.Engine, error) {
	promise, err := replica.Boot(&s.disk, s.c.clusterID(), s.group, s.self)
	if err != nil {
		return nil, err
	}
	core, err := paxos.New(paxos.Config{
		Cluster: s.c.clusterID(), Group: s.group, Self: s.self, Replicas: s.c.plan.Replicas,
		Timing: s.c.plan.timing(), Limits: s.c.plan.limits(), Layout: s.c.topology.Digest(), Rand: rand.New(rand.NewSource(s.c.w.rand.Int63())),
	}, promise, s.host.clock.read(s.c.w.now).Now)
	if err != nil {
		return nil, err
	}
	if s.engine != nil {
		s.tallyDoubts()
	}
	participant := twopc.NewParticipant(twopc.ParticipantConfig{
		Group: s.group, Map: s.c.topology.Map,
		Replicas:     func(g wire.GroupID) int { return s.c.topology.Replicas(shard.ID(g)) },
		Rand:         randv2.New(randv2.NewPCG(s.c.w.rand.Uint64(), 0)),
		SessionBound: sessionBound,
		Retention:    s.c.plan.Retention, GarbageBytes: s.c.plan.Garbage,
	})
	s.engine = replica.NewMultiPaxos(core, participant)
	s.checked, s.seen = 0, replica.State{}
	s.promised, s.served = promise.View, s.c.views[s.group]
	return s.engine, nil
}

// kill ends the replica without a warning.
func (s *seat) kill() {
	s.tallyDoubts()
	s.closeFastPath()
	s.replica, s.engine = nil, nil
	s.life++
	s.inbox = nil
}

func (s *seat) receive(d transport.Datagram) {
	if s.replica == nil || s.ingress(d) || len(s.inbox) >= inboxLimit {
		return
	}
	s.inbox = append(s.inbox, d)
	s.plan(s.c.w.between(2*wire.Microsecond, 20*wire.Microsecond))
}

// plan sees to it that the seat takes a turn soon.
func (s *seat) plan(d wire.Duration) {
	if s.planned || s.host.paused {
		return
	}
	s.planned = true
	life := s.life
	s.c.w.after(d, func() {
		if life == s.life {
			s.planned = false
			s.turn()
		}
	})
}

func (s *seat) tick(life int) {
	if life != s.life {
		return
	}
	s.plan(0)
	s.c.w.after(tickEvery, func() { s.tick(life) })
}

// turn is one step of the replica, with everything that has arrived.
func (s *seat) turn() {
	if s.replica == nil || s.host.paused {
		return
	}
	in := s.inbox
	s.inbox = nil
	s.turning = true
	defer func() {
		s.turning = false
		if p := recover(); p != nil {
			s.c.w.fail("%v panics: %v", s, p)
		}
	}()
	s.replica.Rise()
	if err := s.replica.Step(s.host.clock.read(s.c.w.now), in, sender{s.c.net, s.port}); err != nil {
		s.c.w.fail("%v: %v", s, err)
		return
	}
	if !s.replica.Rest() {
		s.plan(wire.Microsecond)
	}
	s.c.inspect(s)
}

func (s *seat) String() string { return fmt.Sprintf("host %d, %v, %v", s.host.id, s.group, s.self) }

// cluster is the servers of a run.
type cluster struct {
	w        *world
	net      *network
	plan     Plan
	topology shard.Topology
	keys     wire.Keys
	hosts    []*host
	groups   [][]*seat // by group, by replica index
	chosen   []map[wire.Op]uint64
	hashes   []map[wire.Op]uint64
	views    []wire.View
	// epochs are those in which the groups live, decided the latest that an operator opened.
	epochs, decided []wire.Epoch
	// situations counts what has happened, by kind.
	situations map[string]int
	// calm: nobody switches offloads any more.
	calm bool
	// longestDoubt of all leaders' lives.
	longestDoubt wire.Duration
}

func (c *cluster) clusterID() wire.ClusterID { return wire.ClusterID(c.topology.Cluster) }

// addresses are those of all replicas, by group and index.
func (c *cluster) addresses() [][]wire.Addr {
	all := make([][]wire.Addr, len(c.groups))
	for g := range all {
		all[g] = c.peers(wire.GroupID(g))
	}
	return all
}

func (c *cluster) peers(g wire.GroupID) []wire.Addr {
	addrs := make([]wire.Addr, len(c.groups[g]))
	for i, s := range c.groups[g] {
		addrs[i] = s.port.addr
	}
	return addrs
}
