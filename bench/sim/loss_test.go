package sim

import (
	"errors"
	"fmt"
	"testing"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Every host restarts at once, some with new disks. Whatever the clients were told before stays judged by
// itself; then the groups must be closed and say so, nobody may be told anything false, and when the loss
// is accepted the clients go on with groups that hold nothing.
func TestAllDownAtOnce(t *testing.T) {
	for seed := int64(1); seed <= 10; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if err := newDisaster(seed).play(); err != nil {
				t.Errorf("seed %d: %v\nrepeat it with: go test ./bench/sim -run 'TestAllDownAtOnce/^%d$'", seed, err, seed)
			}
		})
	}
}

// One group of several is lost. Within a few seeds that happens while transactions are prepared there and elsewhere, and
// some of those are given up.
func TestAGroupIsLost(t *testing.T) {
	met := map[string]int{}
	for seed := int64(1); seed <= 20; seed++ {
		report, err := RunLoss(seed)
		if err != nil {
			t.Errorf("%v\nrepeat it with: go run ./cmd/anode-lab sim --loss --seeds 1 --seed %d", err, seed)
		}
		for name, n := range report.Situations {
			met[name] += n
		}
	}
	for _, name := range []string{lostWhilePrepared, settledLost, kernelAfterLoss} {
		if met[name] == 0 {
			t.Errorf("never met: %s", name)
		}
		t.Logf("%d %s", met[name], name)
	}
}

// disaster is a run across a loss.
type disaster struct {
	*simulation
	struck, accepted wire.Time
	firstLife        check.History
}

func newDisaster(seed int64) *disaster { return &disaster{simulation: newSimulation(seed)} }

func (d *disaster) play() error {
	for _, c := range d.clients {
		d.w.after(d.w.between(0, 20*wire.Millisecond), c.next)
	}
	if err := d.passes(wire.Second, nil); err != nil {
		return err
	}
	d.strike()
	if err := d.passes(5*wire.Second, d.allSayLost); err != nil {
		return err
	}
	if err := d.closed(); err != nil {
		return err
	}
	if err := d.accept(); err != nil {
		return err
	}
	if err := d.passes(10*wire.Second, d.allServe); err != nil {
		return err
	}
	if err := d.passes(2*wire.Second, nil); err != nil {
		return err
	}
	d.nemesis.heal()
	d.healed, d.stopping = true, true
	if err := d.passes(healing, d.idle); err != nil {
		return err
	}
	return d.judgeLives()
}

// passes lets time pass, all of it or until a condition holds.
func (d *disaster) passes(t wire.Duration, until func() string) error {
	why := "time"
	held := d.w.run(d.w.now.Add(t), func() bool {
		if until == nil {
			return false
		}
		why = until()
		return why == ""
	})
	switch {
	case d.w.failed != nil:
		return d.w.failed
	case until != nil && !held:
		return fmt.Errorf("after %d ms: %s", t/wire.Millisecond, why)
	}
	return nil
}

// strike kills all hosts, and starts them again; a minority of them with new disks.
func (d *disaster) strike() {
	d.struck = d.w.now
	wiped := d.w.rand.Intn(d.plan().Replicas/2 + 1)
	for i, h := range d.c.hosts {
		d.c.kill(h)
		if i < wiped {
			h.wipe()
		}
		d.w.after(d.w.between(0, 200*wire.Millisecond), func() { d.c.start(h) })
	}
}

func (d *disaster) allSayLost() string {
	for _, group := range d.c.groups {
		for _, s := range group {
			if s.engine == nil || !s.engine.State().Lost {
				return fmt.Sprintf("%v does not say that its group is lost", s)
			}
		}
	}
	return ""
}

// closed checks that nobody serves, and that nothing which began after the strike was answered.
func (d *disaster) closed() error {
	for _, group := range d.c.groups {
		for _, s := range group {
			if st := s.engine.State(); st.Role.Serving || st.Status != paxos.Recovering {
				return fmt.Errorf("%v is %v", s, st.Status)
			}
		}
	}
	d.firstLife = append(d.firstLife, d.history...)
	for _, t := range d.firstLife {
		if t.Outcome == check.Committed && t.Start > int64(d.struck) {
			return fmt.Errorf("committed at %d ms by nobody: %+v", t.End/int64(wire.Millisecond), t)
		}
	}
	return nil
}

// accept decides at one replica of each group.
func (d *disaster) accept() error {
	d.accepted = d.w.now
	d.memory = memory{seen: map[txn.Timestamp]string{}} // there is no such past any more
	for g, group := range d.c.groups {
		s := group[d.w.rand.Intn(len(group))]
		d.c.decided[g] = s.engine.State().Epoch + 1
		t := s.host.clock.read(d.w.now)
		if err := s.engine.AcceptLoss(t); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
		if err := s.engine.AcceptLoss(t); !errors.Is(err, paxos.ErrNotLost) {
			return fmt.Errorf("%v accepts a loss twice: %w", s, err)
		}
	}
	return nil
}

func (d *disaster) allServe() string {
	for g, group := range d.c.groups {
		serves := false
		for _, s := range group {
			st := s.engine.State()
			serves = serves || st.Role.Serving
			if st.Status != paxos.Normal || st.Epoch != d.c.decided[g] {
				return fmt.Sprintf("%v is %v in epoch %d", s, st.Status, st.Epoch)
			}
		}
		if !serves {
			return fmt.Sprintf("nobody serves group %d", g)
		}
	}
	return ""
}

// idle says what is not finished. A transaction over several groups, prepared in the new life of one and in
// the old one of another, stays in doubt: what the other group knew of it is lost, and an operator decides.
func (d *disaster) idle() string {
	for _, c := range d.clients {
		if c.busy || c.coord.Unfinished() > 0 {
			return fmt.Sprintf("client %d: busy %v, %d transactions unfinished", c.id, c.busy, c.coord.Unfinished())
		}
	}
	what, _ := d.c.atRest()
	return what
}

// judgeLives checks the histories of both lives, each by itself. What began in the first life and ended in
// the second belongs to the second if it has committed: then what it read must be of the second too. If its
// outcome is not known it may have written in either.
func (d *disaster) judgeLives() error {
	first, second := append(check.History{}, d.firstLife...), check.History{}
	committed := 0
	for _, t := range d.history[len(d.firstLife):] {
		within := t.Start >= int64(d.accepted)
		switch {
		case t.Outcome == check.Committed:
			committed++
			second = append(second, t)
		case within:
			second = append(second, t)
		case t.Outcome == check.Unknown:
			second = append(second, onlyWrites(t))
		}
		if !within && t.Outcome != check.Aborted {
			t.Outcome = check.Unknown
			first = append(first, onlyWrites(t))
		}
	}
	if committed < 20 {
		return fmt.Errorf("only %d transactions have committed in the second life", committed)
	}
	for name, history := range map[string]check.History{"first": first, "second": second} {
		for kind, v := range map[string]check.Verdict{"registers": check.Registers(history), "transactions": check.Transactions(history)} {
			if !v.OK {
				return fmt.Errorf("the history of the %s life is wrong: %s: %s", name, kind, v)
			}
		}
	}
	return nil
}
