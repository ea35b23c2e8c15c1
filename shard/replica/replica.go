package replica

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

// tickEvery is how often an engine learns the time when nothing else happens.
const tickEvery = 2 * wire.Millisecond

// misplacedEvery is how often frames from a wrong address are told of: strangers can send any number of them to a node without
// keys.
const misplacedEvery = 60 * wire.Second

// Config fixes one replica: who it is and where the others are.
type Config struct {
	Cluster wire.ClusterID
	Group   wire.GroupID
	Self    wire.ReplicaID
	Peers   []wire.Addr // by replica index, this replica's own included
	// Groups are the addresses of the replicas of all groups, by group and index. A replica that does not
	// know another group takes no word from it, and sends it none.
	Groups [][]wire.Addr
	Keys   wire.Keys
	// DatagramBytes is the largest datagram into which frames are packed.
	DatagramBytes int
	// Rebirth makes the engine anew from the promise on disk, after its group's memory was given up.
	Rebirth func() (Engine, error)
	// Offloads is what the fast path is to do, as far as it offers it.
	Offloads Offloads
	// Clock, if set, measures how long fences take.
	Clock Clock
	// Lost, if set, is told once per engine that the group has lost its memory.
	Lost func(State)
	// Disagrees, if set, is told of a replica that has another layout of the cluster.
	Disagrees func(wire.ReplicaID)
	// Misplaced, if set, is told now and then of a replica's frame that came from elsewhere than the replica lives.
	Misplaced func(who wire.ReplicaID, from wire.Addr)
	// ClockSet, if set, is told by how much the wall clock was set, ahead or back.
	ClockSet func(by wire.Duration)
}

// Disk keeps the promise of one replica. Save returns when the promise is on stable storage.
type Disk interface {
	// Load returns what was saved last, and false if nothing ever was.
	Load() (paxos.Promise, bool, error)
	Save(paxos.Promise) error
}

// Counters counts what happened to frames at one replica. They only grow.
type Counters struct {
	FramesIn, FramesOut uint64
	// BadFrames counts what is not of our protocol or carries a wrong MAC, by reason.
	BadFrames     [transport.Rejects]uint64
	NotForServers uint64 // answers, which only clients take
	Dropped       uint64 // frames that one turn had no room for
	WrongCluster  uint64
	WrongGroup    uint64
	WrongSource   uint64 // a replica's frame from an address that is not the replica's
	NoAddress     uint64 // frames for a replica of another group whose address is not known
	Promises      uint64
	ClockSets     uint64 // how often the wall clock was set by more than half a second
}

// Replica is one engine with its ports. It is owned by one goroutine.
type Replica struct {
	cfg    Config
	engine Engine
	disk   Disk
	fast   kernelPath
	out    *transport.Outbox
	others []wire.Addr

	tickAt wire.Time
	told   bool // that the group is lost
	// misplacedAt is when a frame from a wrong address may be told of again.
	misplacedAt wire.Time
	wall        wall
	counters    Counters
}

// New makes a replica of its parts.
func New(cfg Config, engine Engine, disk Disk, fast FastPath) *Replica {
	r := &Replica{cfg: cfg, engine: engine, disk: disk, out: transport.NewOutbox(cfg.DatagramBytes)}
	r.fast = kernelPath{port: fast, wish: cfg.Offloads}
	engine.SetClaim(r.claim)
	for i, a := range cfg.Peers {
		if wire.ReplicaID(i) != cfg.Self {
			r.others = append(r.others, a)
		}
	}
	return r
}

// Step is one turn of the loop: the datagrams that have arrived, time, the fast path, the duties, and what is
// to be sent. An error means that the disk failed: the replica must not go on, for it could not keep a promise.
func (r *Replica) Step(t Instant, in []transport.Datagram, conn transport.Sender) error {
	r.beginFast(t, len(in))
	for i := range in {
		r.receive(t, &in[i])
	}
	if t.Now >= r.tickAt {
		r.tickAt = t.Now.Add(tickEvery)
		r.watchClock(t)
		r.engine.Tick(t)
	}
	if err := r.work(t); err != nil {
		return err
	}
	r.endFast()
	if err := r.out.Flush(conn); err != nil && !errors.Is(err, transport.ErrAddress) {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

func (r *Replica) receive(t Instant, d *transport.Datagram) {
	_, bad := transport.Each(d.Data, r.cfg.Keys, func(f wire.Frame) {
		r.counters.FramesIn++
		if r.acceptable(t, d.Addr, &f) {
			if f.Kind.FromReplica() {
				r.drainFast(t) // what was stored came before what was passed on
			}
			r.engine.Step(t, d.Addr, f)
		}
	})
	if bad != transport.RejectNone {
		r.counters.BadFrames[bad]++
	}
}

// acceptable checks what only the replica knows: its cluster, its group, and where its peers speak from.
func (r *Replica) acceptable(t Instant, from wire.Addr, f *wire.Frame) bool {
	switch {
	case f.Cluster != r.cfg.Cluster:
		r.counters.WrongCluster++
	case f.Kind.AcrossGroups():
		if a, known := r.abroad(f.Group, f.Sender); known && a == from && f.Group != r.cfg.Group {
			return true
		}
		r.counters.WrongSource++
	case f.Group != r.cfg.Group:
		r.counters.WrongGroup++
	case f.Kind.FromReplica() && (int(f.Sender) >= len(r.cfg.Peers) || r.cfg.Peers[f.Sender] != from):
		r.counters.WrongSource++
		r.misplaced(t, f.Sender, from)
	case !f.Kind.FromReplica() && !f.Kind.FromClient():
		r.counters.NotForServers++
	default:
		return true
	}
	return false
}

// misplaced tells of a frame from a wrong address. It carries the replicas' key, so that this is more likely a mistake in a
// file, or a host with several addresses, than an attack.
func (r *Replica) misplaced(t Instant, who wire.ReplicaID, from wire.Addr) {
	if r.cfg.Misplaced != nil && t.Now >= r.misplacedAt {
		r.misplacedAt = t.Now.Add(misplacedEvery)
		r.cfg.Misplaced(who, from)
	}
}

// abroad is the address of a replica of any group.
func (r *Replica) abroad(g wire.GroupID, i wire.ReplicaID) (wire.Addr, bool) {
	if int64(g) >= int64(len(r.cfg.Groups)) || int(i) >= len(r.cfg.Groups[g]) {
		return wire.Addr{}, false
	}
	return r.cfg.Groups[g][i], true
}

// work carries out the engine's duties until there are none.
func (r *Replica) work(t Instant) error {
	for {
		d := r.engine.Ready(t)
		var acknowledged wire.Time
		if d.Fence {
			acknowledged = r.fenceFast(t)
		}
		if err := r.keep(d.Persist); err != nil {
			return err
		}
		if d.Over {
			if err := r.rebirth(); err != nil {
				return err
			}
			continue
		}
		r.carryOut(t, &d)
		if d.Fence {
			r.engine.Drained(t, acknowledged)
		} else if !d.More {
			return nil
		}
	}
}

// keep writes a promise.
func (r *Replica) keep(p *paxos.Promise) error {
	if p == nil {
		return nil
	}
	r.counters.Promises++
	if err := r.disk.Save(*p); err != nil {
		return fmt.Errorf("%v of %v cannot keep its promise of view %d, and stops: %w", r.cfg.Self, r.cfg.Group, p.View, err)
	}
	return nil
}

// rebirth replaces the engine by one that knows nothing. What the fast path holds belongs to a log that was
// given up, and goes with it.
func (r *Replica) rebirth() error {
	r.retireFast()
	r.fast.port.Fence(func(wire.Frame) {})
	r.fast.armed = false
	engine, err := r.cfg.Rebirth()
	if err != nil {
		return fmt.Errorf("%v of %v cannot start anew: %w", r.cfg.Self, r.cfg.Group, err)
	}
	r.engine, r.told = engine, false
	engine.SetClaim(r.claim)
	return nil
}

// carryOut does all duties but those that concern the disk.
func (r *Replica) carryOut(t Instant, d *Ready) {
	if d.Lost && !r.told && r.cfg.Lost != nil {
		r.told = true
		r.cfg.Lost(r.engine.State())
	}
	for _, other := range d.Disagrees {
		if r.cfg.Disagrees != nil {
			r.cfg.Disagrees(other)
		}
	}
	for _, e := range d.Send {
		r.send(e)
	}
	if d.Arm {
		r.armFast(t)
	}
	for _, m := range d.Abroad {
		if to, known := r.abroad(m.Group, m.Replica); known {
			r.reply(Reply{to, m.Kind, m.Body})
		} else {
			r.counters.NoAddress++
		}
	}
	for _, reply := range d.Replies {
		r.reply(reply)
	}
}

func (r *Replica) send(e paxos.Envelope) {
	key := r.cfg.Keys.For(e.Frame.Kind)
	r.counters.FramesOut++
	var err error
	if e.To != paxos.Everyone {
		err = r.out.Put(r.cfg.Peers[e.To], &e.Frame, key)
	} else if via, ok := r.broadcast(&e.Frame); ok {
		e.Frame.Flags |= wire.FlagBroadcast
		err = r.out.Put(via, &e.Frame, key)
	} else {
		err = r.out.PutAll(r.others, &e.Frame, key)
	}
	r.queued(err)
}

// reply sends a client, or a replica of another group, an answer. An answer too large for a frame cannot happen:
// what is stored is bounded below a frame, and reads are cut to one.
func (r *Replica) reply(a Reply) {
	view, incarnation := r.engine.Standing()
	f := wire.Frame{Header: wire.Header{Kind: a.Kind, Cluster: r.cfg.Cluster, Group: r.cfg.Group,
		View: view, Sender: r.cfg.Self, Incarnation: incarnation}, Body: a.Body}
	r.counters.FramesOut++
	r.queued(r.out.Put(a.To, &f, r.cfg.Keys.For(a.Kind)))
}

// queued judges the outcome of queueing a frame. A full outbox is a loss like any other; a frame that can
// never be sent is a bug.
func (r *Replica) queued(err error) {
	switch {
	case err == nil:
	case errors.Is(err, wire.ErrTooLarge):
		panic(fmt.Sprintf("replica: a frame of ours does not fit: %v", err))
	default:
		r.counters.Dropped++
	}
}

// Engine is the protocol that the replica runs.
func (r *Replica) Engine() Engine { return r.engine }

// Counters returns the counts so far.
func (r *Replica) Counters() Counters { return r.counters }
