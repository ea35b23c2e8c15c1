package kernelpath

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
)

// A packet that the programs pass up may be lost behind them: to a follower that hears nothing but what its kernel hears,
// while the other one is cut off, all of them are. Entries that the leader sends again are taken, one that is too large for
// the programs never is; and when the leader dies, that follower has all that was acknowledged.
func TestWhatIsPassedUpAndLostIsNotAcknowledged(t *testing.T) { holds(t, lab.Config{}, lostAfterPass) }

func lostAfterPass(ctx context.Context, l *lab.Lab) error {
	s, err := enter(ctx, l, 2)
	if err != nil {
		return err
	}
	defer s.leave()
	deaf, other := s.followers[0], s.followers[1]
	if err := errors.Join(s.deafen(ctx, deaf), l.CutOff(ctx, l.Nodes()[other].Name),
		s.faults.Set(s.named(deaf), []lab.Way{lab.To}, []wire.Kind{wire.KindAccept}, lab.Fault{Drop: 0.02})); err != nil {
		return err
	}
	const n = 200
	acknowledged, err := putUntilStuck(ctx, s.db, n)
	if err != nil || acknowledged < n {
		return fmt.Errorf("%d of %d puts were acknowledged: %w", acknowledged, n, err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.db.Put(short, "large", make([]byte, 5000)); err == nil {
		return errors.New("what is too large for the programs was acknowledged by a follower that is deaf")
	}
	if err := errors.Join(l.Kill(ctx, s.leader), s.faults.Clear(), l.Heal(ctx)); err != nil {
		return err
	}
	return allThere(ctx, s.db, n)
}

// allThere reads what putUntilStuck has put.
func allThere(ctx context.Context, db *client.Client, n int) error {
	for i := range n {
		if v, err := db.Get(ctx, fmt.Sprint("stuck", i)); err != nil || string(v) != fmt.Sprint(i) {
			return fmt.Errorf("stuck%d of %d was acknowledged and is %q: %w", i, n, v, err)
		}
	}
	return nil
}

// A follower's node, then a leader's, is killed under load and started again; then one is killed that alone with its leader
// holds what was acknowledged. What clients saw is strictly serializable, nothing acknowledged is lost, and neither a
// program nor a map of the dead is left in the kernel.
func TestNodesAreKilledUnderLoad(t *testing.T) { holds(t, lab.Config{Shards: 2}, killed) }

func killed(ctx context.Context, l *lab.Lab) error {
	_, err := judged(ctx, l, modest, func(ctx context.Context, l *lab.Lab) error {
		time.Sleep(500 * time.Millisecond)
		for round := range 2 {
			leader, followers, err := l.Roles(ctx, 0)
			if err != nil {
				return err
			}
			victim := followers[0]
			if round == 1 {
				victim = leader
			}
			if err := killOne(ctx, l, victim); err != nil {
				return err
			}
			time.Sleep(300 * time.Millisecond)
			if err := errors.Join(l.Start(victim), l.AwaitNode(ctx, victim)); err != nil {
				return err
			}
		}
		return withoutMemory(ctx, l)
	})
	return err
}

// withoutMemory kills a follower that holds what the third replica has missed, and has it meet that one without their leader:
// the two are a majority that knows nothing of what was acknowledged, and must not go on before the leader is back.
func withoutMemory(ctx context.Context, l *lab.Lab) error {
	leader, followers, err := l.Roles(ctx, 0)
	if err != nil {
		return err
	}
	victim, behind := followers[0], followers[1]
	name := func(i int) string { return l.Nodes()[i].Name }
	if err := l.CutOff(ctx, name(behind)); err != nil {
		return err
	}
	time.Sleep(5 * election)
	if err := errors.Join(killOne(ctx, l, victim), l.CutOff(ctx, name(leader)), l.Start(victim),
		l.Join(ctx, []string{name(behind)}, []string{name(victim), lab.Clients})); err != nil {
		return err
	}
	time.Sleep(10 * election)
	return errors.Join(l.Heal(ctx), l.AwaitNode(ctx, victim))
}

// killOne kills a node, and sees that nothing of it is left in the kernel.
func killOne(ctx context.Context, l *lab.Lab, victim int) error {
	held, err := heldBy(l.Nodes()[victim].Process.PID)
	if err != nil {
		return err
	}
	if err := l.Kill(ctx, victim); err != nil {
		return err
	}
	return nothingLeft(held)
}

// heldBy is what a process with a kernel path has in the kernel.
func heldBy(pid int) ([]lab.KernelObject, error) {
	held, err := lab.HeldBy(pid)
	sorts := map[string]int{}
	for _, o := range held {
		sorts[o.Sort]++
	}
	if err != nil || sorts["prog"] < 3 || sorts["map"] < 5 || sorts["link"] < 2 {
		return nil, fmt.Errorf("process %d has %v: they are not seen: %w", pid, sorts, err)
	}
	return held, nil
}

func nothingLeft(held []lab.KernelObject) error {
	left, err := lab.Leftovers(held)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("the node is dead, and %v are left", left)
	}
	return err
}

// What outlives a node is noticed: while somebody else holds a program of it, as a pin in a file system would, the
// program and its maps are told of.
func TestWhatIsLeftBehindIsNoticed(t *testing.T) { holds(t, lab.Config{}, noticesLeftovers) }

func noticesLeftovers(ctx context.Context, l *lab.Lab) error {
	held, err := heldBy(l.Nodes()[0].Process.PID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(held, func(o lab.KernelObject) bool { return o.Sort == "prog" })
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(held[i].Number))
	if err != nil {
		return err
	}
	defer program.Close()
	if err := l.Kill(ctx, 0); err != nil {
		return err
	}
	if nothingLeft(held) == nil {
		return errors.New("a program that is still there is not noticed")
	}
	if err := program.Close(); err != nil {
		return err
	}
	return nothingLeft(held)
}

// The kernel path is switched a hundred times, whole and in parts, on real wires: no client is told an error or left in
// doubt, and the history is as it should be.
func TestSwitchedUnderJudgement(t *testing.T) { holds(t, lab.Config{Shards: 2}, switched) }

func switched(ctx context.Context, l *lab.Lab) error {
	tally, err := judged(ctx, l, modest, func(ctx context.Context, l *lab.Lab) error {
		ways := []string{"none", "all", "ack", "broadcast", "quorum", "ack,quorum", "none", "ack,broadcast", "broadcast,quorum", "all"}
		for i := range 100 {
			if err := l.SetOffloads(ctx, ways[i%len(ways)]); err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if tally.Unknown > 0 {
		return fmt.Errorf("clients were left in doubt: %+v", tally)
	}
	return nil
}

// Views change under load while entries and acknowledgements of older ones arrive late, twice and out of order: some of them
// come between a follower's fence and its vote, or behind it.
func TestLatePacketsOfOlderViews(t *testing.T) { holds(t, lab.Config{}, late) }

// election is after how long without a word a follower calls for another leader.
const election = 100 * time.Millisecond

func late(ctx context.Context, l *lab.Lab) error {
	faults, err := l.Faults(3)
	if err != nil {
		return err
	}
	defer faults.Close()
	views := uint64(0)
	_, err = judged(ctx, l, modest, func(ctx context.Context, l *lab.Lab) error {
		kinds := []wire.Kind{wire.KindAccept, wire.KindAccepted}
		if err := faults.Set(nil, []lab.Way{lab.To}, kinds, lab.Fault{Replay: 0.3, Delay: 0.3, Max: 5 * election}); err != nil {
			return err
		}
		for range 4 {
			leader, _, err := l.Roles(ctx, 0)
			if err != nil {
				return err
			}
			time.Sleep(2 * election)
			if err := l.Pause(leader); err != nil {
				return err
			}
			time.Sleep(5 * election)
			if err := l.Resume(leader); err != nil {
				return err
			}
		}
		leader, _, err := l.Roles(ctx, 0)
		if err == nil {
			views = l.Replica(ctx, leader, 0).View
		}
		return errors.Join(err, faults.Clear())
	})
	if err != nil {
		return err
	}
	sum, err := faults.Count(nil, []lab.Way{lab.To}, nil)
	if err != nil || views < 3 || sum.Replayed == 0 || sum.Delayed == 0 {
		return fmt.Errorf("%d views, %+v: %w", views, sum, err)
	}
	return nil
}
