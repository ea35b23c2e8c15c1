package sim

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

func TestTheWordsComeToTheirEnd(t *testing.T) {
	if err := beyondTheWords(); err != nil {
		t.Error(err)
	}
}

// beyondTheWords lets a cluster, without any faults, write more ops than its kernels' words hold. Nothing but the fence
// itself ends a generation there.
func beyondTheWords() error {
	const runs, operations, within = 3, 1500, 30 * wire.Second
	for seed, run := int64(1), 0; run < runs; seed++ {
		s := newSimulation(seed)
		if k := s.plan().Kernel; k.Words == 0 || k.Switched || !k.Offloads.Has(replica.OffloadAck) {
			continue
		}
		run++
		for _, c := range s.clients {
			s.w.after(s.w.between(0, 20*wire.Millisecond), c.next)
		}
		rested := s.w.run(wire.Time(within), func() bool { return s.report.Operations() >= operations })
		s.stopping, s.healed = true, true
		rested = rested && s.w.run(s.w.now.Add(healing), s.quiet)
		switch {
		case s.w.failed != nil:
			return fmt.Errorf("seed %d: %w", seed, s.w.failed)
		case !rested:
			return fmt.Errorf("seed %d: after %d operations the cluster does not go on: %s", seed, s.report.Operations(), s.unrest())
		}
		for _, group := range s.c.groups {
			f, beyond := fastPaths(s.c.groups), wire.Op(s.plan().Kernel.Words)+group[0].engine.State().Epoch.Base()
			if s.c.situations[kernelWorn] == 0 || f.stored == 0 || group[0].engine.State().Last <= beyond {
				return fmt.Errorf("seed %d: %v ended at op %d of %d, %d fences near the end", seed, group[0],
					group[0].engine.State().Last, beyond, s.c.situations[kernelWorn])
			}
		}
		if err := s.judge(); err != nil {
			return err
		}
	}
	return nil
}
