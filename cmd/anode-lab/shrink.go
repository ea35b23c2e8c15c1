package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/anodekv/anode/bench/sim"
	"github.com/anodekv/anode/paxos/wire"
)

// shrinkRuns bounds how many runs are played to make a failing one smaller: a minute or two.
const shrinkRuns = 100

// cutFlagNames are the flags of [cutFlags].
var cutFlagNames = []string{"without", "strikes", "clients", "faults-for"}

// cutFlags say by hand what is left out of each run.
type cutFlags struct {
	without          []string
	strikes, clients int
	faults           time.Duration
}

func (c *cutFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&c.without, "without", nil, "kinds of faults to leave out, of: "+strings.Join(sim.FaultKinds(), ", "))
	flags.IntVar(&c.strikes, "strikes", 0, "how many faults happen at most; 0 is any number")
	flags.IntVar(&c.clients, "clients", 0, "how many clients there are at most; 0 is as many as the seed draws")
	flags.DurationVar(&c.faults, "faults-for", 0, "for how long faults go on at most; 0 is as long as the seed draws")
}

func (c *cutFlags) cut() (sim.Cut, error) {
	for _, name := range c.without {
		if !slices.Contains(sim.FaultKinds(), name) {
			return sim.Cut{}, fmt.Errorf("--without: there is no fault %q; there are: %s", name, strings.Join(sim.FaultKinds(), ", "))
		}
	}
	if c.strikes < 0 || c.clients < 0 || c.faults < 0 {
		return sim.Cut{}, fmt.Errorf("--strikes, --clients and --faults-for must not be negative")
	}
	return sim.Cut{Without: c.without, Strikes: c.strikes, Clients: c.clients, Faults: wire.Duration(c.faults)}, nil
}

// flags are what gives the same cut again, or nothing for none.
func (*cutFlags) flags(cut sim.Cut) string {
	var b strings.Builder
	if cut.Faults > 0 {
		fmt.Fprintf(&b, " --faults-for %v", time.Duration(cut.Faults))
	}
	if cut.Clients > 0 {
		fmt.Fprintf(&b, " --clients %d", cut.Clients)
	}
	if cut.Strikes > 0 {
		fmt.Fprintf(&b, " --strikes %d", cut.Strikes)
	}
	if len(cut.Without) > 0 {
		fmt.Fprintf(&b, " --without '%s'", strings.Join(cut.Without, ","))
	}
	return b.String()
}

// shrink makes the first failure smaller and tells how to repeat what is left of it.
func (t *totals) shrink(swarm bool) {
	s := sim.Shrink(t.failed, swarm, shrinkRuns)
	fmt.Fprintf(t.out, "SMALLEST of %d runs of seed %d: %d clients, faults for %v: %v\n  %v\n  repeat it with: go run ./cmd/anode-lab sim --seeds 1 --seed %d%s%s\n",
		s.Runs, t.failed, s.Report.Plan.Clients, time.Duration(s.Report.Plan.Faults), s.Report.Faults, s.Err, t.failed, t.flags, (*cutFlags)(nil).flags(s.Cut))
}
