package paxos

import (
	"errors"
	"fmt"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// viewName prints a view: its number within the epoch, and the epoch unless it is the first.
func viewName(v View) string {
	if e := v.Epoch(); e > 0 {
		return fmt.Sprintf("%d.%d", e, v-e.First())
	}
	return fmt.Sprint(uint64(v))
}

// opName is the number of an op within its epoch.
func opName(op Op) Op { return op & (Epoch(1).Base() - 1) }

func charterName(ch *Charter) string {
	s := fmt.Sprintf("%v in epoch %d", ch.Stage, ch.Epoch)
	if ch.Loss > 0 {
		s += fmt.Sprintf(" after the loss of %d", ch.Loss-1)
	}
	return s
}

// tellPromise says what of a promise is new.
func (g *group) tellPromise(h *host, p *Promise) {
	was, is := &h.disk.Charter, &p.Charter
	switch {
	case was.Birth == 0:
		g.say("%d has a new disk", h.id)
	case is.Stage != was.Stage || is.Epoch != was.Epoch:
		g.say("%d notes: %s", h.id, charterName(is))
	}
	if p.Incarnation != h.disk.Incarnation && was.Birth != 0 {
		g.say("%d takes incarnation %d", h.id, p.Incarnation)
	}
	if p.View != h.disk.View && is.Stage == Served && is.Stage == was.Stage {
		g.say("%d promises view %s", h.id, viewName(p.View))
	}
}

// wipe takes everything from a replica, its disk too.
func (g *group) wipe(h *host) {
	g.crash(h)
	h.lost = true
	h.disk = Promise{Cluster: 1, Group: 1, Replica: h.id}
}

// acceptLoss is the operator's decision, given to one replica.
func (g *group) acceptLoss(h *host) error {
	decided := h.core.State().Epoch + 1
	if err := h.core.AcceptLoss(h.clock(g.now)); err != nil {
		return err
	}
	g.auditor.decided = max(g.auditor.decided, decided)
	g.carryOut(h)
	return nil
}

func (s *story) wipe(a *arguments) { s.group.wipe(s.host(a)) }

func (s *story) acceptLoss(a *arguments) {
	h := s.host(a)
	s.loud(func() {
		if err := s.group.acceptLoss(h); err != nil {
			s.printf("%v", err)
		}
	})
}

// tempt asks a replica to give up what a group with a majority holds. None may.
func (e *explorer) tempt(h *host) {
	if h.core != nil && e.paused[h.id] <= e.now {
		err := e.acceptLoss(h)
		e.auditor.demand(errors.Is(err, ErrNotLost), "replica %d: gives up what the group holds: %v", h.id, err)
	}
}

// loseAll takes the memory of more than f replicas at once. The group must stay closed and say so; and when
// that is accepted it must begin anew.
func (e *explorer) loseAll() error {
	stay := e.rng.Intn(e.n/2 + 1)
	order := e.rng.Perm(e.n)
	for _, id := range order[stay:] {
		if h := e.hosts[id]; e.rng.Intn(3) == 0 {
			e.wipe(h)
		} else {
			e.crash(h)
		}
	}
	e.auditor.disasters++
	if stay == 0 && !slices.ContainsFunc(e.hosts, func(h *host) bool { return h.disk.Charter.Stage == Served }) {
		return nil // nobody can know that there was a group
	}
	for _, id := range order[stay:] {
		e.start(e.hosts[id])
	}
	// By then the last words of the others have arrived, and a leader that still remembers has missed them.
	silent := e.now.Add(2*e.timing.Election + 45*e.weather.delay)
	for end := e.now.Add(patienceFor / 2); e.now < end; e.advance() {
		if h := e.serving(); h != nil && e.now > silent {
			return fmt.Errorf("at %d µs: replica %d serves a group that has lost its memory", e.micros(), h.id)
		}
	}
	for _, h := range e.hosts {
		if s := h.core.State(); s.Status == Recovering && !s.Lost {
			return fmt.Errorf("replica %d does not see that the group is lost:%s", h.id, e.standings())
		}
	}
	last := e.hosts[order[e.n-1]]
	if err := e.acceptLoss(last); err != nil {
		return fmt.Errorf("replica %d: %w:%s", last.id, err, e.standings())
	}
	return e.converge()
}

// hinderBirth works faults much faster than mischief does, while the group is being formed.
func (e *explorer) hinderBirth() {
	if e.now >= e.laborTil || e.rng.Intn(8) > 0 {
		return
	}
	h := e.hosts[e.rng.Intn(e.n)]
	switch e.rng.Intn(4) {
	case 0:
		e.crashForAWhile(h, e.rng.Intn(3) > 0)
		e.downTil[h.id] = min(e.downTil[h.id], e.now.Add(20*wire.Millisecond))
	case 1:
		e.isolate(h.id, e.rng.Intn(3))
	case 2:
		e.split()
	default:
		e.cuts = [wire.MaxReplicas][wire.MaxReplicas]bool{}
	}
}
