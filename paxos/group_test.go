package paxos

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// group is a group of cores with everything that surrounds them: the disks that hold their promises, the
// network, the fast path of each, and the time. Stories and the explorer drive it; nothing happens in it
// by itself. The auditor looks on at every step.
type group struct {
	n       int
	timing  Timing
	limits  Limits
	seed    int64
	now     Time
	hosts   []*host
	auditor *auditor

	// carry takes what is sent into the network.
	carry func(p packet)
	// tell, when set, hears of everything noteworthy; tellSent of every frame sent.
	tell, tellSent func(format string, args ...any)
	trace          trace
	// watch, when set, stands around every message that is stepped.
	watch func(h *host, f *wire.Frame, step func())
	// leaseOf, when set, is the length of the leases of a replica that starts.
	leaseOf func(*host) Duration
}

// host is where one replica lives. Its disk survives a crash, all else does not.
type host struct {
	id     ReplicaID
	core   *Core // nil while crashed
	disk   Promise
	starts int64
	role   Role
	fast   fastPath
	// lost: it had memory, or a disk, and has not taken part in the group since it lost it.
	lost bool
	toy
	gallery gallery
	// skew and drift make its clock differ from the group's: an offset, and a rate in thousandths.
	skew, drift Duration
}

// packet is a frame on its way to one replica.
type packet struct {
	from, to ReplicaID
	frame    wire.Frame
}

func newGroup(n int, seed int64, timing Timing, limits Limits) *group {
	g := &group{n: n, timing: timing, limits: limits, seed: seed, trace: newTrace()}
	g.auditor = newAuditor(g)
	for id := range n {
		g.hosts = append(g.hosts, &host{id: ReplicaID(id), disk: Promise{Cluster: 1, Group: 1, Replica: ReplicaID(id)}})
	}
	return g
}

// startAll starts all replicas for the first time.
func (g *group) startAll() {
	for _, h := range g.hosts {
		g.start(h)
	}
}

// startFormed starts all replicas for the first time, and lets them form their group undisturbed.
func (g *group) startFormed() {
	carry := g.carry
	var queue []packet
	g.carry = func(p packet) { queue = append(queue, p) }
	g.startAll()
	for ; len(queue) > 0; queue = queue[1:] {
		g.deliver(queue[0])
	}
	g.carry = carry
}

// start begins a new life of the replica, on disk first.
func (g *group) start(h *host) {
	h.starts++
	h.disk = h.disk.NextLife()
	cfg := Config{
		Cluster: 1, Group: 1, Self: h.id, Replicas: g.n, Timing: g.timing, Limits: g.limits,
		Rand: rand.New(rand.NewSource(g.seed<<16 + int64(h.id)<<8 + h.starts)),
	}
	if g.leaseOf != nil {
		cfg.Timing.Lease = g.leaseOf(h)
	}
	core, err := New(cfg, h.disk, h.clock(g.now))
	if err != nil {
		panic(err)
	}
	h.core, h.role, h.toy, h.gallery = core, Role{}, toy{}, nil
	h.fast = fastPath{willing: h.fast.willing}
	core.SetClaim(h.fast.claim)
	g.auditor.started(h)
	g.carryOut(h)
}

// crash takes everything from a replica but its disk.
func (g *group) crash(h *host) {
	h.lost = h.lost || h.disk.Charter.Stage == Served
	h.core, h.role, h.toy, h.gallery = nil, Role{}, toy{}, nil
	h.fast = fastPath{willing: h.fast.willing}
}

func (h *host) clock(now Time) Time { return now.Add(h.skew + Duration(now)*h.drift/1000) }

// deliver hands a packet to its receiver: to the fast path first, to the core when that passes it on.
func (g *group) deliver(p packet) {
	h := g.hosts[p.to]
	if h.core == nil {
		return
	}
	g.trace.add("deliver", p.to, &p.frame)
	if p.frame.Kind != wire.KindAccept {
		g.step(h, p.frame, false)
	} else if !g.offerToFastPath(h, p.frame) {
		if !h.fast.held {
			g.drain(h) // what the fast path holds comes before what it passes on
		}
		g.step(h, p.frame, false)
	}
	g.carryOut(h)
}

// step hands a frame to the core, in a buffer that is reused for something else afterwards, as the
// buffers of a network are.
func (g *group) step(h *host, f wire.Frame, acked bool) {
	buffer := bytes.Clone(f.Body)
	f.Body = buffer
	step := func() { h.core.Step(h.clock(g.now), Message{Frame: f, Acked: acked}) }
	if g.watch != nil {
		g.watch(h, &f, step)
	} else {
		step()
	}
	for i := range buffer {
		buffer[i] = 0xEE
	}
	g.auditor.stepped(h)
}

func (g *group) tick(h *host) {
	if h.core == nil {
		return
	}
	if !h.fast.held {
		g.drain(h)
	}
	h.core.Tick(h.clock(g.now))
	g.auditor.stepped(h)
	g.carryOut(h)
}

func (g *group) propose(h *host, command string) error {
	err := h.core.Propose(h.clock(g.now), int64(g.now), []byte(command))
	if err == nil {
		g.auditor.proposed(command)
	}
	return err
}

func (g *group) read(h *host, ticket uint64) error {
	before := h.core.State().Reads.ByLease
	err := h.core.Read(h.clock(g.now), ticket, 1)
	if err == nil {
		g.auditor.asked(ticket)
		g.auditor.readBy(h, ticket, h.core.State().Reads.ByLease > before)
	}
	return err
}

// carryOut does what the core demands, field by field in the order of the struct.
func (g *group) carryOut(h *host) {
	for {
		r := h.core.Ready()
		if r.Empty() {
			return
		}
		if r.Fence {
			h.fast.fence()
			g.say("%d fences its fast path", h.id)
		}
		if r.Persist != nil {
			g.auditor.persisted(h, r.Persist)
			g.tellPromise(h, r.Persist)
			h.disk = *r.Persist
		}
		if r.Over {
			g.crash(h)
			g.start(h)
			return
		}
		for _, e := range r.Send {
			g.send(h, e)
		}
		g.carryOutRest(h, &r)
		if h.fast.awaited && !h.fast.held {
			g.finishFence(h)
		}
	}
}

func (g *group) carryOutRest(h *host, r *Ready) {
	if r.Arm != nil {
		h.applied = max(h.applied, r.Arm.View.Epoch().Base())
		if h.fast.now == nil {
			g.say("%d is normal in view %s with %d ops", h.id, viewName(r.Arm.View), opName(r.Arm.Last))
		} else {
			g.say("%d arms its fast path anew", h.id)
		}
		g.arm(h)
	}
	if r.Restore != 0 {
		g.auditor.restored(h, r.Restore)
		g.say("%d restores the state after op %d", h.id, r.Restore)
	}
	for _, e := range r.Chosen {
		h.apply(e.Body)
		g.auditor.chose(h, e)
		g.say("%d applies op %d %s", h.id, opName(e.Op), commands(e.Body))
	}
	g.carryOutImages(h, r)
	for _, ticket := range r.Confirmed {
		g.auditor.confirmed(h, ticket)
		g.say("%d confirms read %d", h.id, ticket)
	}
	if r.Role != nil {
		switch {
		case r.Role.Serving:
			g.auditor.serves(h)
			g.say("%d serves view %s", h.id, viewName(r.Role.View))
		case h.role.Serving:
			g.say("%d serves no more", h.id)
		}
		h.role = *r.Role
	}
}

// carryOutImages stages what has come of an image and sends what others want of one.
func (g *group) carryOutImages(h *host, r *Ready) {
	if r.Unstage {
		g.auditor.unstaged(h)
		h.staged, h.stagedOp = nil, 0
	}
	for _, s := range r.Stage {
		h.stage(s)
		if s.Last {
			ok := h.complete()
			g.say("%d holds an image of op %d", h.id, s.Op)
			g.auditor.demand(ok, "replica %d: staged something else than the image of op %d", h.id, s.Op)
			h.core.Staged(h.clock(g.now), s.Op, ok)
			g.auditor.stepped(h)
		}
	}
	for _, want := range r.Images {
		p := h.gallery.find(&h.toy, want.At, h.core.State().Base)
		g.auditor.images++
		h.core.SendImage(h.clock(g.now), want, pieceOf(p.op, p.stream, want))
	}
}

func (g *group) send(h *host, e Envelope) {
	g.auditor.sent(h, &e.Frame)
	g.trace.add("send", e.To, &e.Frame)
	if g.tellSent != nil {
		g.tellSent("%s", describe(h.id, e.To, &e.Frame))
	}
	e.Frame.Body = bytes.Clone(e.Frame.Body) // a network has a copy
	for _, to := range g.hosts {
		if to.id != h.id && (e.To == Everyone || e.To == to.id) {
			g.carry(packet{h.id, to.id, e.Frame})
		}
	}
}

func (g *group) say(format string, args ...any) {
	if g.tell != nil {
		g.tell(format, args...)
	}
}

// commands prints the batch in an entry.
func commands(body []byte) string {
	var b Batch
	err := DecodeBatch(body, &b)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s", b.Commands)
}

// trace is a hash over everything that was sent and delivered. Two runs of one seed have the same.
type trace struct {
	hash interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
	buffer []byte
}

func newTrace() trace { return trace{hash: fnv.New64a()} }

func (t *trace) add(event string, to ReplicaID, f *wire.Frame) {
	b, err := f.Append(append(t.buffer[:0], event...))
	if err != nil {
		panic(err)
	}
	t.buffer = append(b, byte(to))
	_, _ = t.hash.Write(t.buffer)
}

// fastPath models the kernel's part at a follower: it stores and acknowledges Accepts by itself, and gives
// them to the core later.
type fastPath struct {
	// willing says whether the next Accept is taken; otherwise it is passed on, as when the kernel is in doubt.
	willing func() bool
	now     *Arm
	last    Op
	slots   []wire.Frame
	// awaited: fenced, and the core waits for Drained; held: what was taken is kept back for a while.
	awaited, held bool
	// acknowledged is when it answered last, by the clock of its host.
	acknowledged Time
}

func (f *fastPath) fence() { f.now, f.awaited = nil, true }

// claim takes an op for the core, as the fast path takes ops for itself.
func (f *fastPath) claim(op Op) bool {
	switch {
	case f.now == nil:
		return true
	case op != f.last+1:
		return false
	}
	f.last++
	return true
}

// arm arms a fast path, or arms it anew: fenced and drained first, because what it has taken it has taken.
func (g *group) arm(h *host) {
	if h.fast.now != nil {
		h.fast.now = nil
		g.stepSlots(h)
	}
	g.auditor.armed(h)
	if a, may := h.core.Armament(); may {
		h.fast.now, h.fast.last = &a, a.Last
	}
}

// offerToFastPath reports whether the fast path has dealt with an Accept.
func (g *group) offerToFastPath(h *host, f wire.Frame) bool {
	k := &h.fast
	a := k.now
	if a == nil || k.willing == nil || f.View != a.View || f.Sender != a.Leader || f.Incarnation < a.Vector[f.Sender] {
		return false
	}
	if f.Op > k.last+1 || !k.willing() {
		return false
	}
	if f.Op == k.last+1 {
		k.last++
		k.slots = append(k.slots, f)
		g.auditor.taken++
		g.say("%d takes op %d on its fast path", h.id, opName(f.Op))
	}
	k.acknowledged = h.clock(g.now)
	answer := frame(wire.KindAccepted, f.View, f.Op, 0, nil)
	answer.Cluster, answer.Group, answer.Sender, answer.Incarnation = 1, 1, h.id, h.disk.Incarnation
	g.send(h, Envelope{f.Sender, answer})
	return true
}

// drain gives the core what the fast path has taken. While the core waits for Drained that is left to
// finishFence.
func (g *group) drain(h *host) {
	if !h.fast.awaited {
		g.stepSlots(h)
	}
}

func (g *group) stepSlots(h *host) {
	slots := h.fast.slots
	h.fast.slots = nil
	for _, f := range slots {
		g.step(h, f, true)
	}
}

// finishFence drains after a fence and tells the core.
func (g *group) finishFence(h *host) {
	h.fast.awaited, h.fast.held = false, false
	g.stepSlots(h)
	h.core.Drained(h.clock(g.now), h.fast.acknowledged)
	g.auditor.stepped(h)
}

// serving returns the replica that serves the highest view, or nil.
func (g *group) serving() *host {
	var best *host
	for _, h := range g.hosts {
		if h.core != nil && h.core.Role().Serving && (best == nil || h.role.View > best.role.View) {
			best = h
		}
	}
	return best
}

// memoryless counts the replicas that are down, or have lost something and not recovered yet.
func (g *group) memoryless() (n int) {
	for _, h := range g.hosts {
		if h.core == nil || h.lost {
			n++
		}
	}
	return n
}

// inView reports whether all replicas are normal in one view and have applied the same, and everything.
func (g *group) inView() bool {
	return !slices.ContainsFunc(g.hosts, func(h *host) bool {
		if h.core == nil {
			return true
		}
		s, first := h.core.State(), g.hosts[0].core.State()
		return s.Status != Normal || s.Promised != first.Promised || h.applied != s.Last || s.Last != first.Last
	})
}
