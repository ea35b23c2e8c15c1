package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// Core is one replica. It is owned by one goroutine.
type Core struct {
	cfg Config
	f   int // failures the group survives; n = 2f+1
	now Time

	incarnation Incarnation
	// vector is the latest incarnation known of every replica (a crash vector, DISC 2017). What comes from
	// an older incarnation is dropped. Invariant: vector[self] == incarnation.
	vector []Incarnation

	// charter says to which life of the group this replica belongs. Invariant: its epoch is that of promised.
	charter Charter

	status Status
	// promised is the highest view promised; lastNormal is the view that last changed the log.
	// Invariant: lastNormal <= promised, and they are equal while the status is Normal.
	promised, lastNormal View
	// start is the last op of the log with which lastNormal began.
	start Op
	log   oplog
	early early // what came before its turn
	// delivered is the last op given in Ready.Chosen. Invariant: log.base <= delivered <= log.chosen.
	delivered Op
	kept      int // bytes that the entries in the log take that were delivered
	pins      pins

	// fencing is set from the request of a fence until Drained; target is promised then. If it is promised
	// already, the fence was for an image.
	fencing bool
	target  View
	// fast is set while the fast path may act; rearm, when it is to be told with what. tail is the last op that a
	// follower handed over, the fast path took, or owned gave to user space. Invariant: while the fast path may act
	// for a follower, tail is the end of its log.
	fast, rearm bool
	tail        Op
	owned       func(Op) bool

	// voteAt is when no lease is out any more that this replica has granted: no vote leaves before.
	voteAt Time

	lead    leading    // used while this replica leads lastNormal
	hearing hearing    // when the leader was last heard, and what the others say
	change  change     // the view change under way
	xfer    *transfer  // the copying of entries under way
	copied  leftover   // what an abandoned copying leaves to the next, see dropTransfer
	image   imageCopy  // the image being received, or that such a copying has left
	recover recovering // used while Recovering
	forming forming    // the questions to all others, used while Forming or Recovering
	census  census     // who is without memory, used while Recovering
	// stranger: the disk stands in the place of a lost one, and the incarnation is not known yet.
	stranger bool
	// over: the group's memory has been given up, and this core with it.
	over bool
	// disagree marks replicas that have another layout of the cluster.
	disagree [wire.MaxReplicas]bool
	// absent marks replicas that are known to be recovering: views that they would lead are skipped.
	absent [wire.MaxReplicas]bool

	in      Message // the message being stepped: here it need not be allocated
	out     Ready
	spent   Ready // the lists of what Ready returned last
	told    Role
	reads   ReadCounts
	ignored Ignored
}

// New starts a replica from its promise, which the caller has already synced with [Promise.NextLife]. now was
// read when nothing could acknowledge in the name of its life before any more, not even a fast path. By its
// charter the group has served, then the replica has lost its memory and recovers; or it has not as far as
// this disk knows, then the replica helps to form it.
func New(cfg Config, promise Promise, now Time) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := promise.validate(&cfg); err != nil {
		return nil, err
	}
	cfg.Limits.setDefaults()
	c := &Core{
		cfg:         cfg,
		f:           cfg.Replicas / 2,
		now:         now,
		incarnation: promise.Incarnation,
		vector:      make([]Incarnation, cfg.Replicas),
		promised:    promise.View,
		charter:     promise.Charter,
	}
	c.charter.Layout = cfg.Layout
	c.vector[cfg.Self] = c.incarnation
	if mutant.On("forget-promise") {
		c.promised = 0
	}
	c.abstain(now, cfg.Timing.Lease) // what its life before granted just before it ended
	c.boot()
	return c, nil
}

// boot begins as what the charter says.
func (c *Core) boot() {
	switch {
	case c.charter.Stage == Served && !mutant.On("restart-as-new"):
		c.status = Recovering
		c.emptyLog()
		c.startCensus()
		c.startRecovery()
	case c.charter.Birth == 0:
		c.charter.Birth = c.cfg.Rand.Uint64() | 1
		c.save()
		fallthrough
	default:
		c.status = Forming
		c.startForming()
	}
}

// emptyLog is the log with which the epoch begins.
func (c *Core) emptyLog() {
	c.delivered = c.charter.Epoch.Base()
	c.log = oplog{base: c.delivered, chosen: c.delivered, pages: newPages(&c.cfg.Limits)}
}

// become moves to another status; only the edges of the drawing in doc.go are legal.
func (c *Core) become(s Status) {
	legal := s == Changing && (c.status == Normal || c.status == Changing) || s == Normal && c.status != Normal ||
		s == Recovering && c.status == Forming
	assert(legal, "replica %d goes from %v to %v", c.cfg.Self, c.status, s)
	c.status = s
}

// enterView begins normal operation in the promised view, as its leader or a follower of it.
func (c *Core) enterView() {
	c.lastNormal = c.promised
	c.xfer, c.copied = nil, leftover{}
	c.dropImage()
	c.change = change{}
	c.forming, c.census = forming{}, census{}
	c.listen()
	if c.leader(c.promised) == c.cfg.Self {
		c.startLeading()
	}
	c.arm()
}

func (c *Core) leader(v View) ReplicaID { return ReplicaID(v % View(c.cfg.Replicas)) }

// leads reports whether this replica is the normal leader of its view.
func (c *Core) leads() bool {
	return c.status == Normal && !c.fencing && c.leader(c.lastNormal) == c.cfg.Self
}

// follows reports whether this replica is a normal follower of its view.
func (c *Core) follows() bool {
	return c.status == Normal && !c.fencing && c.leader(c.lastNormal) != c.cfg.Self
}

// handlers maps each kind to its handler. A kind that is absent is not one of this protocol.
var handlers = map[wire.Kind]func(*Core, *Message){
	wire.KindAccept:       (*Core).stepAccept,
	wire.KindAccepted:     (*Core).stepAccepted,
	wire.KindGap:          (*Core).stepGap,
	wire.KindHeartbeat:    (*Core).stepHeartbeat,
	wire.KindEcho:         (*Core).stepEcho,
	wire.KindProbe:        (*Core).stepProbe,
	wire.KindSign:         (*Core).stepSign,
	wire.KindAsk:          (*Core).stepAsk,
	wire.KindAnswer:       (*Core).stepAnswer,
	wire.KindSuspect:      (*Core).stepSuspect,
	wire.KindViewChange:   (*Core).stepViewChange,
	wire.KindNewView:      (*Core).stepNewView,
	wire.KindFetch:        (*Core).stepFetch,
	wire.KindEntries:      (*Core).stepEntries,
	wire.KindImage:        (*Core).stepImage,
	wire.KindRecover:      (*Core).stepRecover,
	wire.KindRecoverReply: (*Core).stepRecoverReply,
	wire.KindForm:         (*Core).stepForm,
	wire.KindFormReply:    (*Core).stepFormReply,
}

// maxView bounds the views of an epoch that are believed. From the last one there would be no next; half of them
// leaves a replica that believed a liar 2^31 elections.
const maxView = 1 << 31

// Step takes one message. Its cluster and group are this core's, and its MAC has been verified.
func (c *Core) Step(now Time, m Message) {
	c.now, c.in = now, m
	handle, known := handlers[m.Kind]
	switch {
	case c.over:
	case !known || int(m.Sender) >= c.cfg.Replicas || m.Sender == c.cfg.Self:
		c.ignore(IgnoredStranger)
	case m.View-m.View.Epoch().First() > maxView:
		c.ignore(IgnoredMalformed)
	case m.Kind == wire.KindForm || m.Kind == wire.KindFormReply:
		handle(c, &c.in) // between replicas that may not know their incarnations, nor one epoch
	case m.Acked && !(mutant.On("drop-acked-of-old") && m.Incarnation < c.vector[m.Sender]):
		// It was acknowledged when it came. Whatever is known of its sender by now, a vote must cover it.
		c.takeAcked(&c.in)
	case m.View.Epoch() < c.charter.Epoch:
		c.ignore(IgnoredOldEpoch)
	case m.View.Epoch() > c.charter.Epoch:
		c.ignore(IgnoredFutureEpoch)
	case c.status == Forming || c.stranger:
		c.ignore(IgnoredWrongStatus)
	case m.Incarnation < c.vector[m.Sender] && !mutant.On("ignore-incarnations"):
		c.ignore(IgnoredOldIncarnation)
	default:
		c.learnIncarnation(m.Sender, m.Incarnation)
		if m.Kind != wire.KindRecover && m.Kind != wire.KindFetch {
			c.absent[m.Sender] = false // all else is said by replicas that have their memory
		}
		handle(c, &c.in)
	}
	c.in = Message{}
	c.check()
}

// Tick tells the core what time it is. It is called every few milliseconds, after the messages that had
// arrived were stepped: a replica that was paused must hear what it missed before it judges the silence.
func (c *Core) Tick(now Time) {
	c.now = now
	switch {
	case c.over:
	case c.status == Forming:
		c.tickForming()
	case c.status == Recovering:
		c.tickCensus()
		c.tickRecovering()
	case c.status == Changing:
		c.tickChanging()
	case c.leads():
		c.tickLeading()
		c.tickHearing()
	case c.follows():
		c.tickHearing()
		c.fetchDue()
	}
	c.check()
}

// Drained tells that the fence which Ready asked for stands, and that everything the fast path had
// accepted before has been stepped. Only now may the core change its view. acknowledged is when the fast path
// acknowledged last, be it a repetition, by the clock of now and read after the fence; 0 if it never did.
func (c *Core) Drained(now, acknowledged Time) {
	c.now = now
	if acknowledged > 0 && !mutant.On("kernel-grant-forgotten") {
		c.abstain(acknowledged, c.cfg.Timing.Lease)
	}
	if c.over {
		return
	}
	assert(c.fencing, "drained without a fence")
	c.fencing, c.fast = false, false
	if c.target > c.promised {
		c.enterChange(c.target)
	} else {
		c.adopt()
	}
	c.check()
}

// Ready returns what must be done now and forgets it: the caller carries it out before it steps again. The lists Send, Chosen and
// Confirmed, and the bodies in them, are used again by the next call.
func (c *Core) Ready() Ready {
	c.log.pages.rest()
	if !c.over {
		c.gather()
	}
	out := c.out
	c.out = Ready{Send: emptied(c.spent.Send), Chosen: emptied(c.spent.Chosen), Confirmed: emptied(c.spent.Confirmed)}
	c.spent = Ready{Send: out.Send, Chosen: out.Chosen, Confirmed: out.Confirmed}
	return out
}

// emptied is a list to be used again, unless it is larger than usual.
func emptied[T any](list []T) []T {
	const usual = 1024
	if cap(list) > usual {
		return nil
	}
	clear(list)
	return list[:0]
}

// gather adds to the duties what is due since the last time.
func (c *Core) gather() {
	c.appendEarly(true)
	c.flush()
	c.armDue()
	for c.delivered < c.log.chosen {
		c.delivered++
		body := c.log.at(c.delivered)
		c.kept += len(body) + entryOverhead
		c.out.Chosen = append(c.out.Chosen, Entry{c.delivered, body})
	}
	c.trim()
	if c.Role() != c.told {
		c.told = c.Role()
		role := c.told
		c.out.Role = &role
	}
}

// Role is the current role. It is also told by Ready, whenever it changes.
func (c *Core) Role() Role {
	v := c.promised
	leads := c.leader(v) == c.cfg.Self && !c.lead.silent && c.status != Forming && !c.over
	return Role{View: v, Leads: leads, Serving: c.serving(), Lost: c.census.lost}
}

// send queues a frame; the identity of the sender is filled in here.
func (c *Core) send(to ReplicaID, f wire.Frame) {
	if to == Everyone && c.cfg.Replicas == 1 {
		return
	}
	f.Cluster, f.Group, f.Sender, f.Incarnation = c.cfg.Cluster, c.cfg.Group, c.cfg.Self, c.incarnation
	c.out.Send = append(c.out.Send, Envelope{to, f})
}

func frame(kind wire.Kind, view View, op, chosen Op, body []byte) wire.Frame {
	return wire.Frame{Header: wire.Header{Kind: kind, View: view, Op: op, Chosen: chosen}, Body: body}
}

// learnIncarnation notes that a replica has started anew; what it said before is void.
func (c *Core) learnIncarnation(r ReplicaID, i Incarnation) {
	if i <= c.vector[r] {
		return
	}
	c.vector[r] = i
	if mutant.On("ignore-incarnations") {
		return
	}
	c.change.forget(r)
	c.recover.forget(r)
	c.lead.forget(r)
	c.reborn(r)
}

// learnVector merges what another replica knows. It reports whether the vector is usable.
func (c *Core) learnVector(v []Incarnation) bool {
	if len(v) != c.cfg.Replicas {
		c.ignore(IgnoredMalformed)
		return false
	}
	for r, i := range v {
		if ReplicaID(r) != c.cfg.Self {
			c.learnIncarnation(ReplicaID(r), i)
		}
	}
	return true
}

func (c *Core) vectorCopy() []Incarnation { return append([]Incarnation(nil), c.vector...) }

// check asserts the invariants that bind the fields.
func (c *Core) check() {
	if c.over {
		return
	}
	switch l := &c.log; {
	case l.base > l.chosen || l.chosen > l.last():
		violated("base %d, chosen %d, last %d", l.base, l.chosen, l.last())
	case c.delivered < l.base || c.delivered > l.chosen:
		violated("delivered %d, log from %d, chosen %d", c.delivered, l.base, l.chosen)
	case c.lastNormal > c.promised:
		violated("last normal view %d above promised %d", c.lastNormal, c.promised)
	case c.status == Normal && c.lastNormal != c.promised:
		violated("normal in view %d, promised %d", c.lastNormal, c.promised)
	case c.promised.Epoch() != c.charter.Epoch:
		violated("promised view %d in epoch %d", c.promised, c.charter.Epoch)
	case (c.status == Normal || c.status == Changing) && c.charter.Stage != Served:
		violated("%v in a group that is %v", c.status, c.charter.Stage)
	case c.vector[c.cfg.Self] != c.incarnation:
		violated("own incarnation %d, vector %v", c.incarnation, c.vector)
	case c.fencing && (c.status != Normal || c.target < c.promised || c.target == c.promised && c.xfer == nil):
		violated("fencing for view %d in status %v", c.target, c.status)
	}
	c.checkTail()
}

// State is a view of the core for operators, tests and invariants.
type State struct {
	Status               Status
	Promised, LastNormal View
	Base, Chosen, Last   Op
	Incarnation          Incarnation
	Role                 Role
	Epoch                Epoch
	Stage                Stage
	// Reads counts those that this replica has confirmed as leader.
	Reads ReadCounts
	// Lost: more than f replicas are without memory, and the group is closed until an operator decides.
	Lost bool
	// Disagrees marks the replicas that have another layout of the cluster than this one.
	Disagrees [wire.MaxReplicas]bool
}

// Standing is the view promised and the incarnation.
func (c *Core) Standing() (View, Incarnation) { return c.promised, c.incarnation }

// State returns the current state.
func (c *Core) State() State {
	return State{
		Status: c.status, Promised: c.promised, LastNormal: c.lastNormal,
		Base: c.log.base, Chosen: c.log.chosen, Last: c.log.last(),
		Incarnation: c.incarnation, Role: c.Role(), Epoch: c.charter.Epoch, Stage: c.charter.Stage,
		Reads: c.reads, Lost: c.census.lost, Disagrees: c.disagree,
	}
}

// Body returns the body of an op that the replica holds, or nil.
func (c *Core) Body(op Op) []byte {
	if op <= c.log.base || op > c.log.last() {
		return nil
	}
	return c.log.at(op)
}
