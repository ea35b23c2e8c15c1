package kernelpath

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/paxos/wire"
)

// crowded is the number of workers of a load that comes in bursts.
const crowded = 64

// Fences fall into the middle of bursts: acknowledgement is switched off and on at each node in turn without a pause, and now
// and then the view changes, while many clients write, and entries come once more a moment later, by another hand and so on
// another CPU. The history is as it should be.
func TestFencesFallIntoBursts(t *testing.T) { holds(t, lab.Config{Shards: 2}, bursts) }

func bursts(ctx context.Context, l *lab.Lab) error {
	faults, err := l.Faults(8)
	if err != nil {
		return err
	}
	defer faults.Close()
	tally, err := judged(ctx, l, crowded, func(ctx context.Context, l *lab.Lab) error {
		kinds := []wire.Kind{wire.KindAccept, wire.KindAccepted}
		if err := faults.Set(nil, []lab.Way{lab.To}, kinds, lab.Fault{Duplicate: 0.3, Replay: 0.5, Max: 2 * time.Millisecond}); err != nil {
			return err
		}
		const rounds = 3
		for range rounds {
			if err := fenceFor(ctx, l, 10*election); err != nil {
				return err
			}
			leader, _, err := l.Roles(ctx, 0)
			if err != nil {
				return err
			}
			if err := errors.Join(l.Pause(leader), fenceOthers(ctx, l, leader, 5*election), l.Resume(leader)); err != nil {
				return err
			}
		}
		return errors.Join(faults.Clear(), l.SetOffloads(ctx, "all"), onSeveralCPUs(l), fenced(ctx, l))
	})
	if err == nil && tally.Committed < 500 {
		err = fmt.Errorf("there were no bursts: %+v", tally)
	}
	return err
}

// fenceFor switches all nodes off and on, one after the other, for a while.
func fenceFor(ctx context.Context, l *lab.Lab, length time.Duration) error {
	return fenceOthers(ctx, l, -1, length)
}

// fenceOthers leaves one out.
func fenceOthers(ctx context.Context, l *lab.Lab, but int, length time.Duration) error {
	for until := time.Now().Add(length); time.Now().Before(until); {
		for i := range l.Nodes() {
			if i == but {
				continue
			}
			if err := errors.Join(l.SetOffload(ctx, i, "broadcast,quorum"), l.SetOffload(ctx, i, "all")); err != nil {
				return err
			}
		}
	}
	return nil
}

// fenced reports that there were few fences, or that the view never changed.
func fenced(ctx context.Context, l *lab.Lab) error {
	fences, view := uint64(0), uint64(0)
	for i := range l.Nodes() {
		if r := l.Replica(ctx, i, 0); r != nil {
			fences += r.Offload.Fences
			view = max(view, r.View)
		}
	}
	if fences < 200 || view == 0 {
		return fmt.Errorf("%d fences up to view %d", fences, view)
	}
	return nil
}

// onSeveralCPUs reports a node whose programs acknowledged on one CPU alone, though there are more.
func onSeveralCPUs(l *lab.Lab) error {
	for i, n := range l.Nodes() {
		held, err := heldBy(n.Process.PID)
		if err != nil {
			return err
		}
		acked, err := ackedOn(held)
		if err != nil {
			return err
		}
		busy := 0
		for _, n := range acked {
			if n >= 100 {
				busy++
			}
		}
		if busy < min(2, runtime.NumCPU()) {
			return fmt.Errorf("node %d acknowledged %v on its CPUs", i, acked)
		}
	}
	return nil
}

// ackedOn counts, by CPU, what the programs of a process have acknowledged.
func ackedOn(held []lab.KernelObject) (sum []uint64, err error) {
	for _, o := range held {
		if o.Sort != "map" {
			continue
		}
		m, err := ebpf.NewMapFromID(ebpf.MapID(o.Number))
		if err != nil {
			return nil, err
		}
		defer m.Close()
		if info, err := m.Info(); err != nil || info.Name != "counts" {
			continue
		}
		for slot := range m.MaxEntries() - 1 {
			var rows []bpf.Counters
			if err := m.Lookup(slot, &rows); err != nil {
				return nil, err
			}
			sum = append(sum, make([]uint64, len(rows)-len(sum))...)
			for cpu, row := range rows {
				for r, n := range row {
					if name := bpf.Reason(r).String(); name == "acked" || name == "reacked" {
						sum[cpu] += n
					}
				}
			}
		}
	}
	return sum, nil
}
