package paxos

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
)

// auditor checks the invariants of the protocol after every step, knowing all replicas at once. The first
// violation is kept.
type auditor struct {
	g   *group
	err error

	// ledger holds every op that any replica ever called chosen, from op 1.
	ledger []choice
	// logs holds what stands at an op in the logs of replicas that were normal in a view.
	logs map[place]string
	// claims holds, per replica and view, the highest op that it or its fast path acknowledged.
	claims []map[View]Op
	// bound holds, per replica and epoch, the highest incarnation under which it bound itself to anything.
	bound  []map[Epoch]Incarnation
	seen   []sighting
	before []Status // what replicas did before their log's base last moved
	// reads holds how much was chosen when a read was asked.
	reads map[uint64]Op
	// offered holds the commands that were proposed, and whether they have been chosen.
	offered map[string]bool
	leases  leaseAudit

	// epoch is the latest in which a replica has become normal, decided the latest that an operator opened.
	epoch, decided Epoch

	formations, wipes, disasters int
	// digests holds the state after each op of the ledger, that after no op first.
	digests []uint64

	viewChanges, recoveries, confirmations, taken int
	// again counts the disks that formed in a later epoch, back those that returned from there.
	again, back int
	// images counts bursts of images; restores those that replaced a state, by what the replica did then;
	// abandoned those that were thrown away.
	images, abandoned int
	restores          map[Status]int
}

// choice is a chosen entry; by is the view of the replica that was first to call it chosen.
type choice struct {
	body string
	by   View
}

type place struct {
	view View
	op   Op
}

// sighting is what was last seen of a replica.
type sighting struct {
	incarnation  Incarnation
	status       Status
	lastNormal   View
	base         Op
	last, chosen Op
}

func newAuditor(g *group) *auditor {
	a := &auditor{
		g: g, logs: map[place]string{}, reads: map[uint64]Op{}, offered: map[string]bool{},
		digests: []uint64{0}, restores: map[Status]int{},
		leases: leaseAudit{byLease: map[uint64]bool{}},
	}
	for range g.n {
		a.claims = append(a.claims, map[View]Op{})
		a.bound = append(a.bound, map[Epoch]Incarnation{})
	}
	a.seen, a.before = make([]sighting, g.n), make([]Status, g.n)
	return a
}

func (a *auditor) demand(ok bool, format string, args ...any) {
	if !ok {
		a.err = errors.Join(a.err, fmt.Errorf(format, args...))
	}
}

func (a *auditor) started(h *host) {
	s := h.core.State()
	a.seen[h.id] = sighting{incarnation: s.Incarnation, status: s.Status}
	a.stepped(h)
}

// stepped looks at a replica after it did something.
func (a *auditor) stepped(h *host) {
	s, was := h.core.State(), a.seen[h.id]
	a.seen[h.id] = sighting{s.Incarnation, s.Status, s.LastNormal, s.Base, s.Last, s.Chosen}
	if s.Base != was.base {
		a.before[h.id] = was.status
	}
	op, some := h.core.log.inPages()
	a.demand(!some, "replica %d: op %d lies in memory that is used again", h.id, op)
	a.demand(s.Chosen >= was.chosen, "replica %d: chosen shrinks from %d to %d", h.id, was.chosen, s.Chosen)
	a.demand(was.status == Recovering || was.status == Forming || s.Status != Recovering, "replica %d: recovers again", h.id)
	if s.Status == Recovering || s.Status == Forming {
		return
	}
	if a.lives(h, s); was.status == Forming {
		a.formations++
	}
	from := was.last
	if s.LastNormal != was.lastNormal || was.status == Recovering || was.status == Forming {
		a.entered(h, s)
		from = 0
	} else {
		a.demand(s.Last >= was.last, "replica %d: its log of view %d shrinks from %d to %d", h.id, s.LastNormal, was.last, s.Last)
	}
	if was.status == Recovering {
		a.recoveries++
	}
	a.compare(h, s.LastNormal, max(from, s.Base), s.Last)
}

// lives looks at the epoch of a replica that takes part in its group. A later one begins with nothing,
// and nobody goes on in the earlier one.
func (a *auditor) lives(h *host, s State) {
	h.lost = false
	if s.Epoch > a.epoch {
		a.demand(len(a.ledger) == 0 || s.Epoch <= a.decided, "replica %d: begins epoch %d with %d ops chosen", h.id, s.Epoch, len(a.ledger))
		a.epoch, a.ledger, a.digests = s.Epoch, nil, []uint64{0}
		clear(a.reads)
	}
	a.demand(s.Epoch == a.epoch, "replica %d: goes on in epoch %d, and epoch %d has begun", h.id, s.Epoch, a.epoch)
}

// base and top are the ops at the ends of the ledger.
func (a *auditor) base() Op { return a.epoch.Base() }
func (a *auditor) top() Op  { return a.base() + Op(len(a.ledger)) }

// compare holds the ops of a log against those of the others in the same view: one is a prefix of the other.
func (a *auditor) compare(h *host, v View, from, to Op) {
	for op := from + 1; op <= to; op++ {
		at, body := place{v, op}, string(h.core.Body(op))
		other, ok := a.logs[at]
		if ok && other != body {
			a.demand(false, "op %d of view %d is %s here and %s at replica %d", op, v,
				commands([]byte(other)), commands([]byte(body)), h.id)
		}
		a.logs[at] = body
	}
}

// entered looks at a replica that has become normal in a view: the log of a view begins with all that was
// chosen in the views before.
func (a *auditor) entered(h *host, s State) {
	if ReplicaID(s.LastNormal%View(a.g.n)) != h.id {
		return
	}
	a.viewChanges++
	a.leases.opened = max(a.leases.opened, s.LastNormal)
	for i, c := range a.ledger {
		held := string(h.core.Body(a.base() + Op(i+1)))
		a.demand(c.by >= s.LastNormal || held == c.body || Op(i) < s.Base, "replica %d leads view %d without the chosen op %d", h.id, s.LastNormal, i+1)
	}
}

func (a *auditor) persisted(h *host, p *Promise) {
	was, is := &h.disk.Charter, &p.Charter
	switch {
	case was.Stage != Served:
		if is.Epoch > was.Epoch {
			a.again++
		} else if is.Epoch < was.Epoch {
			a.back++
		}
		a.demand(p.Incarnation >= h.disk.Incarnation, "replica %d: writes incarnation %d over %d", h.id, p.Incarnation, h.disk.Incarnation)
		a.demand(is.Stage != Served || is.founder(h.id, was.Birth) || p.Incarnation > a.bound[h.id][is.Epoch],
			"replica %d: returns under incarnation %d, and %d may count yet", h.id, p.Incarnation, a.bound[h.id][is.Epoch])
	case is.Epoch == was.Epoch:
		a.demand(p.View > h.disk.View, "replica %d: promises view %d after view %d", h.id, p.View, h.disk.View)
		a.demand(p.Incarnation == h.disk.Incarnation, "replica %d: writes incarnation %d over %d", h.id, p.Incarnation, h.disk.Incarnation)
		a.demand(is.Stage == Served && is.Birth == was.Birth && is.sameGroup(was), "replica %d: writes %+v over %+v", h.id, *is, *was)
	default:
		a.demand(is.Loss == is.Epoch && is.Loss <= a.decided, "replica %d: gives up %+v for %+v, and nobody decided so", h.id, *was, *is)
	}
}

func (a *auditor) armed(h *host) {
	k := &h.fast
	a.demand(!k.awaited && len(k.slots) == 0, "replica %d: armed between fence and drained", h.id)
}

// claimKinds are the frames that acknowledge every op up to Header.Op.
var claimKinds = map[wire.Kind]bool{wire.KindAccepted: true, wire.KindEcho: true, wire.KindGap: true}

// needsPromise are the frames that must not leave before Header.View is on disk.
var needsPromise = map[wire.Kind]bool{
	wire.KindSuspect: true, wire.KindViewChange: true, wire.KindNewView: true, wire.KindAccept: true,
	wire.KindAccepted: true, wire.KindEcho: true, wire.KindGap: true, wire.KindHeartbeat: true, wire.KindRecoverReply: true,
	wire.KindProbe: true, wire.KindSign: true,
}

// sent looks at a frame as it leaves.
func (a *auditor) sent(h *host, f *wire.Frame) {
	a.demand(len(f.Body) <= wire.MaxStreamBody, "replica %d: %v of %d bytes", h.id, f.Kind, len(f.Body))
	a.demand(f.Incarnation == h.disk.Incarnation, "replica %d: %v of incarnation %d, disk says %d", h.id, f.Kind, f.Incarnation, h.disk.Incarnation)
	if needsPromise[f.Kind] {
		a.bound[h.id][f.View.Epoch()] = max(a.bound[h.id][f.View.Epoch()], f.Incarnation)
		a.demand(f.View <= h.disk.View, "replica %d: %v of view %d, promised on disk is %d", h.id, f.Kind, f.View, h.disk.View)
		a.demand(h.core.State().Status != Recovering, "replica %d: %v while it recovers", h.id, f.Kind)
	}
	switch {
	case claimKinds[f.Kind]:
		a.demand(f.View >= h.disk.View, "replica %d: acknowledges in view %d, promised is %d", h.id, f.View, h.disk.View)
		a.claims[h.id][f.View] = max(a.claims[h.id][f.View], f.Op)
	case f.Kind == wire.KindViewChange:
		a.voted(h, f)
	}
}

// voted holds a vote against all that was ever acknowledged in the view that it speaks for.
func (a *auditor) voted(h *host, f *wire.Frame) {
	v, err := wire.DecodeBody(f.Kind, f.Body)
	if err != nil {
		a.demand(false, "replica %d: %v", h.id, err)
		return
	}
	view := v.(*ViewChange).LastNormal
	claimed := a.claims[h.id][view]
	a.demand(f.Op >= claimed, "replica %d: votes with %d ops of view %d after acknowledging %d", h.id, f.Op, view, claimed)
}

// restored holds an image that replaces the state against the state that the others had after that op.
func (a *auditor) restored(h *host, op Op) {
	was := h.applied
	a.demand(op > was, "replica %d: goes back from op %d to the state after op %d", h.id, was, op)
	if err := h.restore(op); err != nil {
		a.demand(false, "replica %d: %v", h.id, err)
		return
	}
	if op < a.base() || op > a.top() {
		a.demand(false, "replica %d: restores op %d, and chosen is op %d", h.id, op, a.top())
		return
	}
	a.demand(h.digest == a.digests[op-a.base()], "replica %d: the state after op %d is another than elsewhere", h.id, op)
	a.restores[a.before[h.id]]++
}

// unstaged counts images thrown away.
func (a *auditor) unstaged(h *host) {
	if h.stagedOp != 0 {
		a.abandoned++
	}
}

// chose takes a chosen entry into the ledger, or compares it with what stands there.
func (a *auditor) chose(h *host, e Entry) {
	a.demand(e.Op == h.applied, "replica %d: applies op %d as number %d", h.id, e.Op, h.applied)
	switch next := a.top() + 1; {
	case e.Op < next:
		if was := a.ledger[e.Op-a.base()-1].body; was != string(e.Body) {
			a.demand(false, "replica %d: op %d is chosen as %s and was %s", h.id, e.Op,
				commands(e.Body), commands([]byte(was)))
		}
	case e.Op == next:
		a.ledger = append(a.ledger, choice{string(e.Body), h.core.State().LastNormal})
		a.digests = append(a.digests, link(a.digests[len(a.digests)-1], e.Body))
		a.first(e)
	default:
		a.demand(false, "replica %d: op %d is chosen before op %d", h.id, e.Op, next)
	}
}

// first checks that the commands of an entry were proposed, and are chosen once.
func (a *auditor) first(e Entry) {
	var b Batch
	err := DecodeBatch(e.Body, &b)
	a.demand(err == nil, "op %d: %v", e.Op, err)
	for _, c := range b.Commands {
		done, ok := a.offered[string(c)]
		a.demand(ok, "op %d holds %q, which nobody proposed", e.Op, c)
		a.demand(!done, "op %d holds %q a second time", e.Op, c)
		a.offered[string(c)] = true
	}
}

func (a *auditor) proposed(command string) { a.offered[command] = false }

// serves checks that a replica which begins to serve has applied everything that was chosen in earlier
// views. A later one may exist already, without its knowledge.
func (a *auditor) serves(h *host) {
	for i, c := range a.ledger[min(h.applied, a.top())-a.base():] {
		a.demand(c.by > h.core.State().LastNormal, "replica %d: serves with %d ops applied, and %d is chosen", h.id, h.applied, int(h.applied)+i+1)
	}
}

func (a *auditor) asked(ticket uint64) { a.reads[ticket] = a.top() }

// confirmed checks that a read sees everything that was chosen, anywhere, when it was asked.
func (a *auditor) confirmed(h *host, ticket uint64) {
	need, ok := a.reads[ticket]
	a.demand(ok, "replica %d: confirms read %d, which nobody asked", h.id, ticket)
	a.demand(h.applied >= need, "replica %d: read %d is confirmed at op %d and was asked after op %d", h.id, ticket, h.applied, need)
	delete(a.reads, ticket)
	a.answered(h, ticket)
	a.confirmations++
}
