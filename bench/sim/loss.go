package sim

import (
	"fmt"
	"slices"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// What a run across the loss of one group may meet.
const (
	lostWhilePrepared = "group lost while transactions are prepared there and elsewhere"
	settledLost       = "transactions given up with a lost group"
	kernelAfterLoss   = "entry stored by the kernel path in an epoch after a loss"
)

const (
	// lossAfter is how long the cluster runs before a group is lost, lossWithin how long a moment is waited for
	// in which transactions are prepared there and elsewhere, and acceptWithin how long the group may take to say
	// that it is lost.
	lossAfter    = wire.Second
	lossWithin   = 5 * wire.Second
	acceptWithin = 10 * wire.Second
	lossRetry    = 100 * wire.Millisecond
	lossLasts    = 2 * wire.Second
)

// loss is a run in which one group of several loses its memory, while the others go on and hold what they had
// prepared with it. The operator accepts the loss. Then everything must be settled, the participants that remember must
// agree, and what the clients saw of the other groups must be strictly serializable; only what they were told
// about transactions that the lost group took part in, shortly before, may turn out not to be so.
type loss struct {
	*simulation
	group    wire.GroupID
	struckAt wire.Time
}

// RunLoss plays one seed of a run across a loss.
func RunLoss(seed int64) (Report, error) {
	return guarded(seed, func() (Report, error) { return newLoss(seed).run() })
}

// newLoss draws plans until one has several groups.
func newLoss(seed int64) *loss {
	s := newSimulation(seed)
	for next := seed; s.plan().Groups < 2; {
		next += 1 << 32 // another plan that belongs to the same seed
		s = newSimulation(next)
	}
	s.report.Seed = seed
	return &loss{simulation: s, group: wire.GroupID(s.w.rand.Intn(s.plan().Groups))}
}

func (l *loss) run() (Report, error) { return l.finish(l.play()) }

func (l *loss) play() error {
	for _, c := range l.clients {
		l.w.after(l.w.between(0, 20*wire.Millisecond), c.next)
	}
	l.nemesis.start()
	l.w.run(wire.Time(lossAfter), func() bool { return false })
	l.w.run(wire.Time(lossAfter+lossWithin), func() bool { return l.c.away() == 0 && l.prepared() })
	l.nemesis.over = true
	if l.prepared() {
		l.c.situations[lostWhilePrepared]++
	}
	l.strike()
	if !l.w.run(l.w.now.Add(acceptWithin), l.saidLost) {
		return l.failed("the group does not say that it is lost")
	}
	if err := l.accept(); err != nil {
		return err
	}
	l.w.run(l.w.now.Add(lossLasts), func() bool { return false })
	l.nemesis.heal()
	l.c.calmKernels()
	l.healed, l.stopping = true, true
	l.c.expectNoDoubt()
	if !l.w.run(l.w.now.Add(healing), l.quiet) {
		return l.failed("no rest: " + l.unrest())
	}
	if err := l.kernelGoesOn(); err != nil {
		return err
	}
	if what := l.c.contradictions(); what != "" {
		return fmt.Errorf("%s", what)
	}
	return l.judge()
}

// kernelGoesOn demands that the kernel path has come back, and for the group that was lost as for any other.
func (l *loss) kernelGoesOn() error {
	lost := l.c.groups[l.group : l.group+1]
	before := fastPaths(lost)
	if err := l.goOn(); err != nil {
		return err
	}
	k, did := l.plan().Kernel, fastPaths(lost)
	did.minus(before)
	if k.Words != 0 || did.entries() == 0 {
		return nil
	}
	l.c.situations[kernelAfterLoss] += int(did.stored)
	if err := did.resumed(k.Offloads); err != nil {
		return fmt.Errorf("group %d, whose loss was accepted: %w", l.group, err)
	}
	return nil
}

func (l *loss) failed(what string) error {
	if l.w.failed != nil {
		return l.w.failed
	}
	return fmt.Errorf("%s", what)
}

// prepared reports whether the group and another one hold the same transaction prepared.
func (l *loss) prepared() bool {
	var here, elsewhere []txn.ID
	for g, group := range l.c.groups {
		for _, s := range group {
			switch {
			case s.engine == nil:
			case wire.GroupID(g) == l.group:
				here = append(here, s.engine.Participant().Prepared()...)
			default:
				elsewhere = append(elsewhere, s.engine.Participant().Prepared()...)
			}
		}
	}
	return slices.ContainsFunc(here, func(id txn.ID) bool { return slices.Contains(elsewhere, id) })
}

// strike takes the memory of all replicas of the group, and of nobody else. The clients' proofs of the past are of no
// more use: what they were told may have been given up.
func (l *loss) strike() {
	l.struckAt = l.w.now
	l.memory.void = true
	for _, s := range l.c.groups[l.group] {
		if s.host.down {
			continue // its memory is gone already
		}
		s.forget()
		s.kill()
		l.w.after(l.w.between(0, 200*wire.Millisecond), func() {
			if s.replica == nil && !s.host.down {
				s.boot()
			}
		})
	}
}

func (l *loss) saidLost() bool {
	return slices.ContainsFunc(l.c.groups[l.group], func(s *seat) bool {
		return s.engine != nil && s.engine.State().Lost
	})
}

// accept decides at a replica that says that the group is lost. It refuses until all replicas have told it that they
// are without memory.
func (l *loss) accept() (err error) {
	for end := l.w.now.Add(acceptWithin); l.w.now < end && l.w.failed == nil; {
		group := l.c.groups[l.group]
		i := slices.IndexFunc(group, func(s *seat) bool { return s.engine != nil && s.engine.State().Lost })
		if i >= 0 {
			s := group[i]
			if err = s.engine.AcceptLoss(s.host.clock.read(l.w.now)); err == nil {
				l.c.decided[l.group] = s.engine.State().Epoch + 1
				return nil
			}
		}
		l.w.run(l.w.now.Add(lossRetry), func() bool { return false })
	}
	return l.failed(fmt.Sprint("the loss is not accepted: ", err))
}

// judge checks what the clients saw of the groups that remember.
func (l *loss) judge() error {
	var kept check.History
	committed := 0
	for _, t := range l.history {
		touched := false
		ops := t.Ops
		t.Ops = nil
		for _, op := range ops {
			if wire.GroupID(l.c.topology.Map.Of([]byte(op.Key))) == l.group {
				touched = true
			} else {
				t.Ops = append(t.Ops, op)
			}
		}
		if touched && t.Outcome == check.Committed && t.Start <= int64(l.struckAt) && t.End > int64(l.struckAt)-int64(lossAfter) {
			t.Outcome = check.Unknown // it may have been given up
			t = onlyWrites(t)
		}
		if t.Outcome == check.Committed && t.Start > int64(l.struckAt) {
			committed++
		}
		if len(t.Ops) > 0 {
			kept = append(kept, t)
		}
	}
	if committed < 20 {
		return fmt.Errorf("only %d transactions have committed since the loss", committed)
	}
	for name, v := range map[string]check.Verdict{"registers": check.Registers(kept), "transactions": check.Transactions(kept)} {
		if !v.OK {
			return fmt.Errorf("the history of what was not lost is wrong: %s: %s", name, v)
		}
	}
	return nil
}

// onlyWrites is a transaction without what it read.
func onlyWrites(t check.Txn) check.Txn {
	ops := t.Ops
	t.Ops = nil
	for _, op := range ops {
		if op.Kind != check.KindRead {
			t.Ops = append(t.Ops, op)
		}
	}
	return t
}
