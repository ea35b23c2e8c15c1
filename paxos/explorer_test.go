package paxos

import (
	"container/heap"
	"fmt"
	"math/rand"

	"github.com/anodekv/anode/paxos/wire"
)

// explorer drives a group by chance: first with faults, then without, when it demands that the group comes
// together and goes on. Everything follows from the seed.
type explorer struct {
	*group
	rng     *rand.Rand
	queue   packetQueue
	order   int
	weather weather
	inboxes [][]packet // what arrived while a replica was paused
	paused  []Time     // until when
	heldTil []Time     // until when the drains are kept back
	downTil []Time     // until when a crashed replica stays down
	cuts    [wire.MaxReplicas][wire.MaxReplicas]bool
	leisure int // clients come once in so many quanta
	calm    int // and faults once in so many
	counter int
	faults  int
	// laborTil is until when the forming of the group is made hard.
	laborTil Time
	rebels   rebels
}

// weather is how bad the network is.
type weather struct {
	loss, duplication, stray float64 // a stray copy arrives after seconds
	delay                    Duration
}

const (
	quantum     = 500 * wire.Microsecond
	tickEvery   = 5 // quanta
	stormTime   = 2500 * wire.Millisecond
	patienceFor = 10 * wire.Second // for convergence once all faults are healed
)

func newExplorer(seed int64) *explorer {
	rng := rand.New(rand.NewSource(seed))
	n := []int{3, 3, 5}[rng.Intn(3)]
	timing := Timing{
		Heartbeat: 10 * wire.Millisecond, Election: Duration(30+rng.Intn(70)) * wire.Millisecond,
		Retransmit: 10 * wire.Millisecond, RetransmitMax: 80 * wire.Millisecond,
	}
	limits := Limits{
		BatchBytes: 40 + rng.Intn(100), Window: 1 + rng.Intn(8), QueueCommands: 64, QueueBytes: 1 << 12,
		Reads: 64, Burst: 1 + rng.Intn(4),
	}
	if rng.Intn(2) == 0 {
		limits.KeepEntries = 1 + rng.Intn(16)
	}
	e := &explorer{group: newGroup(n, seed, timing, limits), rng: rng}
	e.carry = e.transmit
	e.inboxes, e.paused = make([][]packet, n), make([]Time, n)
	e.heldTil, e.downTil = make([]Time, n), make([]Time, n)
	e.weather = weather{
		loss: rng.Float64() * 0.15, duplication: rng.Float64() * 0.1, stray: rng.Float64() * 0.01,
		delay: Duration(100+rng.Intn(4000)) * wire.Microsecond,
	}
	e.leisure = 2 + rng.Intn(2)*rng.Intn(60)
	e.calm = 20 + rng.Intn(120)
	if rng.Intn(3) == 0 {
		e.laborTil = Time(rng.Int63n(int64(500 * wire.Millisecond)))
	}
	e.drawLeases(seed)
	for _, h := range e.hosts {
		h.skew = Duration(rng.Int63n(int64(wire.Second)))
		h.drift = Duration(rng.Intn(201) - 100)
		h.fast.willing = e.willingness()
	}
	return e
}

// willingness decides how often a fast path takes an Accept.
func (e *explorer) willingness() func() bool {
	p := []float64{0, 0.5, 0.95}[e.rng.Intn(3)]
	if p == 0 {
		return nil
	}
	return func() bool { return e.rng.Float64() < p }
}

// run explores, and returns the first violation; a panic of a core is one.
func (e *explorer) run() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("at %d µs: panic: %v", e.micros(), p)
		}
	}()
	e.startAll()
	for e.now < Time(stormTime) {
		e.hinderBirth()
		e.mischief()
		e.coup()
		e.clients()
		e.advance()
		if e.auditor.err != nil {
			return fmt.Errorf("at %d µs: %w", e.micros(), e.auditor.err)
		}
	}
	if err := e.converge(); err != nil || e.rng.Intn(4) > 0 {
		return err
	}
	return e.loseAll()
}

func (e *explorer) micros() int64 { return int64(e.now) / int64(wire.Microsecond) }

// advance lets one quantum pass: what is due arrives, the clocks are looked at.
func (e *explorer) advance() {
	e.now = e.now.Add(quantum)
	for e.queue.Len() > 0 && e.queue[0].due <= e.now {
		p := heap.Pop(&e.queue).(scheduled).packet
		if e.paused[p.to] > e.now {
			e.inboxes[p.to] = append(e.inboxes[p.to], p)
		} else {
			e.deliver(p)
		}
	}
	for _, h := range e.hosts {
		e.wake(h)
	}
}

// wake does what a replica does by itself. After a pause it first takes what has arrived.
func (e *explorer) wake(h *host) {
	if h.core == nil || e.paused[h.id] > e.now {
		return
	}
	inbox := e.inboxes[h.id]
	e.inboxes[h.id] = nil
	if len(inbox) > 0 && e.rng.Intn(2) == 0 {
		e.callOn(h) // a request may have come before all that
	}
	for _, p := range inbox {
		e.deliver(p)
	}
	if h.fast.held && e.heldTil[h.id] <= e.now {
		e.letDrain(h)
	}
	if (int64(e.now)/int64(quantum)+int64(h.id))%tickEvery == 0 {
		e.tick(h)
	}
}

// letDrain ends the time in which a drain is kept back.
func (e *explorer) letDrain(h *host) {
	h.fast.held = false
	if h.fast.awaited {
		e.finishFence(h)
	}
	e.carryOut(h)
}

// transmit gives a packet its fate.
func (e *explorer) transmit(p packet) {
	if e.cuts[p.from][p.to] || e.rng.Float64() < e.weather.loss {
		return
	}
	e.schedule(p, e.delay())
	if e.rng.Float64() < e.weather.duplication {
		e.schedule(p, e.delay())
	}
	if e.rng.Float64() < e.weather.stray {
		e.schedule(p, Duration(e.rng.Int63n(int64(2*wire.Second))))
	}
}

// delay is mostly short and sometimes long, so that packets overtake each other.
func (e *explorer) delay() Duration {
	d := e.weather.delay/2 + Duration(e.rng.Int63n(int64(e.weather.delay)))
	if e.rng.Intn(50) == 0 {
		d *= Duration(1 + e.rng.Intn(30))
	}
	return d
}

func (e *explorer) schedule(p packet, after Duration) {
	e.order++
	heap.Push(&e.queue, scheduled{p, e.now.Add(after), e.order})
}

// clients propose and read, at whoever would have it.
func (e *explorer) clients() {
	h := e.hosts[e.rng.Intn(e.n)]
	if e.rng.Intn(e.leisure) == 0 && h.core != nil && e.paused[h.id] <= e.now {
		e.callOn(h)
	}
}

func (e *explorer) callOn(h *host) {
	for range 1 + e.rng.Intn(3) {
		_ = e.propose(h, e.command())
	}
	if e.rng.Intn(3) == 0 {
		e.counter++
		_ = e.read(h, uint64(e.counter))
	}
	e.carryOut(h)
}

// command is one that was never proposed before.
func (e *explorer) command() string {
	e.counter++
	return fmt.Sprintf("%d%.*s", e.counter, e.rng.Intn(40), "----------------------------------------")
}

// mischief works a fault now and then, on the leader in every other case, and ends those whose time has come.
func (e *explorer) mischief() {
	for _, h := range e.hosts {
		if h.core == nil && e.downTil[h.id] <= e.now {
			e.start(h)
		}
	}
	if e.rng.Intn(e.calm) != 0 {
		return
	}
	e.faults++
	h := e.hosts[e.rng.Intn(e.n)]
	if s := e.serving(); s != nil && e.rng.Intn(2) == 0 {
		h = s
	}
	switch e.rng.Intn(12) {
	case 0, 1, 2:
		e.crashForAWhile(h, e.rng.Intn(3) == 0)
	case 3:
		e.paused[h.id] = e.now.Add(Duration(e.rng.Int63n(int64(4 * e.timing.Election))))
	case 4:
		e.isolate(h.id, e.rng.Intn(3))
	case 5:
		e.cuts[h.id][e.rng.Intn(e.n)] = true
	case 6:
		e.split()
	case 7:
		h.fast.willing = e.willingness()
	case 8:
		h.fast.held = true
		e.heldTil[h.id] = e.now.Add(Duration(e.rng.Int63n(int64(3 * e.timing.Election))))
	case 9:
		e.tempt(h)
	default:
		e.cuts = [wire.MaxReplicas][wire.MaxReplicas]bool{}
	}
}

// crashForAWhile takes the memory of a replica, and sometimes its disk, unless f are without already.
func (e *explorer) crashForAWhile(h *host, disk bool) {
	if h.core == nil || !h.lost && e.memoryless() >= e.n/2 {
		return
	}
	if disk {
		e.wipe(h)
		e.auditor.wipes++
	} else {
		e.crash(h)
	}
	e.inboxes[h.id], e.paused[h.id] = nil, 0
	e.downTil[h.id] = e.now.Add(Duration(e.rng.Int63n(int64(3 * e.timing.Election))))
}

// isolate cuts what a replica hears (0), what it says (1), or both.
func (e *explorer) isolate(r ReplicaID, how int) {
	for other := range e.n {
		if how != 1 {
			e.cuts[other][r] = true
		}
		if how != 0 {
			e.cuts[r][other] = true
		}
	}
}

// split cuts the group in two.
func (e *explorer) split() {
	side := e.rng.Intn(1 << e.n)
	for x := range e.n {
		for y := range e.n {
			e.cuts[x][y] = side>>x&1 != side>>y&1
		}
	}
}

// converge heals everything and demands one view, one log, and that new commands are chosen.
func (e *explorer) converge() error {
	e.cuts = [wire.MaxReplicas][wire.MaxReplicas]bool{}
	e.weather.loss, e.weather.duplication, e.weather.stray = 0, 0, 0
	clear(e.paused)
	for _, h := range e.hosts {
		if h.core == nil {
			e.start(h)
		}
		e.letDrain(h)
	}
	last := e.command()
	nextView := View(0)
	for end := e.now.Add(patienceFor); e.now < end; e.advance() {
		if e.auditor.err != nil {
			return fmt.Errorf("at %d µs, all healed: %w", e.micros(), e.auditor.err)
		}
		if e.auditor.offered[last] && e.inView() {
			return nil
		}
		if h := e.serving(); h != nil && h.role.View >= nextView && e.propose(h, last) == nil {
			nextView = h.role.View + 1 // what was only queued is lost with the leadership
			e.carryOut(h)
		}
	}
	return fmt.Errorf("all is healed for %d s, and the group has not come together:%s", patienceFor/wire.Second, e.standings())
}

func (e *explorer) standings() (all string) {
	for _, h := range e.hosts {
		all += "\n\t" + h.standing() + fmt.Sprintf(", applied %d", h.applied)
	}
	return all
}

// scheduled is a packet under way.
type scheduled struct {
	packet
	due   Time
	order int
}

// packetQueue is a heap: what is due first, and of those what was sent first.
type packetQueue []scheduled

func (q packetQueue) Len() int { return len(q) }
func (q packetQueue) Less(i, j int) bool {
	return q[i].due < q[j].due || q[i].due == q[j].due && q[i].order < q[j].order
}
func (q packetQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *packetQueue) Push(x any)   { *q = append(*q, x.(scheduled)) }
func (q *packetQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
