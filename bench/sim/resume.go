package sim

import (
	"fmt"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/shard/replica"
)

// Situations of the kernel path. Beside them every reason of the programs is counted, as "kernel: reason".
const (
	kernelAlone         = "kernel path acts while its process is stopped"
	kernelFencedBetween = "fence between a program's checks and its claim"
	kernelFenceFound    = "fence in a burst: it found entries that only the kernel knew"
	kernelGapResumed    = "kernel path goes on after a gap"
	kernelFullResumed   = "kernel path goes on after its log was full"
	kernelSwitched      = "offloads switched"
	kernelDetached      = "programs attached or detached"
	kernelClaimed       = "entry claimed by user space"
	kernelClaimLost     = "claim lost to the kernel path"
	kernelPlain         = "entry appended while the kernel path was off"
	kernelStored        = "entry stored by the kernel path"
	kernelCounted       = "acknowledgement read from a cell"
	kernelBroadcast     = "entry sent as one datagram"
	kernelFences        = "fence"
	kernelWorn          = "kernel path fenced near the end of its words"
)

// tallyKernels takes down what the kernel path has done, at the end of a run.
func (c *cluster) tallyKernels() {
	for _, group := range c.groups {
		for _, s := range group {
			if s.fast != nil {
				s.tallyKernel()
			}
		}
	}
}

func (s *seat) tallyKernel() {
	for reason, n := range s.fast.slot.Counts {
		if n > 0 {
			s.c.situations["kernel: "+model.Reason(reason).String()] += int(n)
		}
	}
	f := s.replica.FastPath()
	for name, n := range map[string]uint64{
		kernelClaimed: f.Claimed, kernelClaimLost: f.ClaimsLost, kernelPlain: f.Plain, kernelStored: f.Stored,
		kernelCounted: f.Counted, kernelBroadcast: f.Broadcasts, kernelFences: f.Fences,
	} {
		s.c.situations[name] += int(n)
	}
}

const (
	// resumeOperations is how many operations clients finish when all faults are over, for the kernel path to show
	// that it has come back by itself.
	resumeOperations = 60
	// resumeShare is how much of what they append must go by way of the kernel path.
	resumeShare = 0.5
)

// goOn lets the clients work once more, undisturbed, and demands that whatever happened before has not switched the
// kernel path off.
func (s *simulation) goOn() error {
	k := s.plan().Kernel
	if k.Offloads == replica.NoOffloads {
		return nil
	}
	before, target := fastPaths(s.c.groups), s.report.Operations()+resumeOperations
	s.stopping = false
	for _, c := range s.clients {
		c.next()
	}
	worked := s.w.run(s.w.now.Add(healing), func() bool { return s.report.Operations() >= target })
	s.stopping = true
	if !s.w.run(s.w.now.Add(healing), s.quiet) || !worked {
		if s.w.failed != nil {
			return s.w.failed
		}
		return fmt.Errorf("the cluster does not go on after all faults were healed: %s", s.unrest())
	}
	did := fastPaths(s.c.groups)
	did.minus(before)
	if k.Words != 0 {
		return nil // what it holds may be used up
	}
	return did.resumed(k.Offloads)
}

// fastWork adds up what the kernel paths of some groups did.
type fastWork struct{ stored, other, counted, broadcast, unicast float64 }

// entries counts those that followers have taken.
func (w *fastWork) entries() float64 { return w.stored + w.other }

func fastPaths(groups [][]*seat) (w fastWork) {
	for _, group := range groups {
		for _, s := range group {
			f := s.replica.FastPath()
			w.stored += float64(f.Stored)
			w.other += float64(f.Claimed + f.Plain)
			w.counted += float64(f.Counted)
			w.broadcast += float64(f.Broadcasts)
			w.unicast += float64(f.Unicasts)
		}
	}
	return w
}

func (w *fastWork) minus(o fastWork) {
	w.stored -= o.stored
	w.other -= o.other
	w.counted -= o.counted
	w.broadcast -= o.broadcast
	w.unicast -= o.unicast
}

// resumed reports which offload has not come back.
func (w *fastWork) resumed(o replica.Offloads) error {
	switch {
	case o.Has(replica.OffloadAck) && w.stored < resumeShare*w.entries():
		return fmt.Errorf("after all faults the kernel path stored %.0f of %.0f entries", w.stored, w.entries())
	case o.Has(replica.OffloadBroadcast) && w.broadcast < resumeShare*(w.broadcast+w.unicast):
		return fmt.Errorf("after all faults %.0f of %.0f entries were sent as one datagram", w.broadcast, w.broadcast+w.unicast)
	case o.Has(replica.OffloadQuorum) && w.counted == 0 && w.broadcast+w.unicast > 0:
		return fmt.Errorf("after all faults the kernel path counted no acknowledgement")
	}
	return nil
}
