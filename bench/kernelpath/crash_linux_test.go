package kernelpath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	faults, err := l.Faults(2)
	if err != nil {
		return err
	}
	defer faults.Close()
	db, err := dial(ctx, l)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := resumes(ctx, l, db); err != nil {
		return err
	}
	leader, followers, err := l.Roles(ctx, 0)
	if err != nil {
		return err
	}
	deaf := l.Nodes()[followers[0]].Name
	if err := errors.Join(l.Deafen(ctx, deaf), l.CutOff(ctx, l.Nodes()[followers[1]].Name),
		faults.Set([]string{deaf}, []lab.Way{lab.To}, []wire.Kind{wire.KindAccept}, lab.Fault{Drop: 0.02})); err != nil {
		return err
	}
	const n = 200
	acknowledged, err := putUntilStuck(ctx, db, n)
	if err != nil || acknowledged < n {
		return fmt.Errorf("%d of %d puts were acknowledged: %w", acknowledged, n, err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := db.Put(short, "large", make([]byte, 5000)); err == nil {
		return errors.New("what is too large for the programs was acknowledged by a follower that is deaf")
	}
	if err := errors.Join(l.Kill(ctx, leader), faults.Clear(), l.Heal(ctx)); err != nil {
		return err
	}
	return allThere(ctx, db, n)
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

// A follower's node, then a leader's, is killed under load and started again: what clients saw is strictly serializable,
// nothing acknowledged is lost, and neither a program nor a map of the dead is left in the kernel.
func TestNodesAreKilledUnderLoad(t *testing.T) { holds(t, lab.Config{Shards: 2}, killed) }

func killed(ctx context.Context, l *lab.Lab) error {
	_, err := judged(ctx, l, func(ctx context.Context, l *lab.Lab) error {
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
		}
		return nil
	})
	if err != nil {
		return err
	}
	db, err := dial(ctx, l)
	if err != nil {
		return err
	}
	defer db.Close()
	return resumes(ctx, l, db)
}

func killOne(ctx context.Context, l *lab.Lab, victim int) error {
	held, err := heldBy(l.Nodes()[victim].Process.PID)
	if err != nil {
		return err
	}
	if err := l.Kill(ctx, victim); err != nil {
		return err
	}
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := held.left()
		if len(left) == 0 {
			break
		}
		if time.Now().After(until) {
			return fmt.Errorf("node %d is dead, and %v are left", victim, left)
		}
	}
	time.Sleep(300 * time.Millisecond)
	return errors.Join(l.Start(victim), l.AwaitNode(ctx, victim))
}

// objects are what a process has in the kernel, by their numbers, which are not used again.
type objects struct {
	programs []ebpf.ProgramID
	maps     []ebpf.MapID
}

// heldBy finds them by the process's files.
func heldBy(pid int) (o objects, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return o, err
	}
	for _, f := range files {
		b, _ := os.ReadFile(f) // it may be closed by now
		var id uint32
		for line := range strings.Lines(string(b)) {
			if _, err := fmt.Sscanf(line, "prog_id: %d", &id); err == nil {
				o.programs = append(o.programs, ebpf.ProgramID(id))
			} else if _, err := fmt.Sscanf(line, "map_id: %d", &id); err == nil {
				o.maps = append(o.maps, ebpf.MapID(id))
			}
		}
	}
	if len(o.programs) < 3 || len(o.maps) < 5 || len(o.left()) != len(o.programs)+len(o.maps) {
		return o, fmt.Errorf("process %d has %d programs and %d maps: they are not seen", pid, len(o.programs), len(o.maps))
	}
	return o, nil
}

func (o objects) left() (names []string) {
	for _, id := range o.programs {
		if p, err := ebpf.NewProgramFromID(id); err == nil {
			names = append(names, p.String())
			_ = p.Close()
		}
	}
	for _, id := range o.maps {
		if m, err := ebpf.NewMapFromID(id); err == nil {
			names = append(names, m.String())
			_ = m.Close()
		}
	}
	return names
}

// The kernel path is switched a hundred times, whole and in parts, on real wires: no client is told an error or left in
// doubt, and the history is as it should be.
func TestSwitchedUnderJudgement(t *testing.T) { holds(t, lab.Config{Shards: 2}, switched) }

func switched(ctx context.Context, l *lab.Lab) error {
	tally, err := judged(ctx, l, func(ctx context.Context, l *lab.Lab) error {
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
	db, err := dial(ctx, l)
	if err != nil {
		return err
	}
	defer db.Close()
	return resumes(ctx, l, db)
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
	_, err = judged(ctx, l, func(ctx context.Context, l *lab.Lab) error {
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
	db, err := dial(ctx, l)
	if err != nil {
		return err
	}
	defer db.Close()
	return resumes(ctx, l, db)
}
