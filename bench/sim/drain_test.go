package sim

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// What the kernel path has stored is taken in by the next turn, whether or not a message has arrived.
func TestStoredEntriesWaitForNoMessage(t *testing.T) {
	if err := storedWithoutAMessage(); err != nil {
		t.Error(err)
	}
}

func storedWithoutAMessage() error {
	const enough = 20
	seed := int64(1)
	for ; newSimulation(seed).plan().Kernel.Offloads != replica.AllOffloads; seed++ {
	}
	s := newSimulation(seed)
	s.c.plan.Kernel.Lag = 0
	for _, c := range s.clients {
		s.w.after(0, c.next)
	}
	waited := 0
	s.w.run(wire.Time(10*wire.Second), func() bool {
		for _, group := range s.c.groups {
			for _, f := range group {
				if waited < enough && f.fast != nil && len(f.inbox) == 0 && !f.turning && f.fast.slot.Pending() > 0 && !f.fast.slot.Word.Fenced() {
					f.turn()
					if n := f.fast.slot.Pending(); n > 0 {
						s.w.fail("%v: %d entries are still not taken in", f, n)
					}
					waited++
				}
			}
		}
		return waited == enough
	})
	switch {
	case s.w.failed != nil:
		return s.w.failed
	case waited < enough:
		return fmt.Errorf("entries waited only %d times, of %d", waited, enough)
	}
	return nil
}
