package sim

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// Cut is what is left out of the run that a seed draws. The zero value leaves out nothing. A seed and a cut give the
// same run every time; another run than the seed alone, because what is left out draws nothing.
type Cut struct {
	// Without are kinds of faults that do not happen, as [FaultKinds] names them.
	Without []string
	// Strikes is how many faults happen at most, or 0 for any number.
	Strikes int
	// Clients is how many there are at most, or 0 for as many as were drawn.
	Clients int
	// Faults is for how long faults go on at most, or 0 for as long as was drawn.
	Faults wire.Duration
}

// some reports whether anything is left out. Such a run ends when its time is over, however little has happened.
func (c *Cut) some() bool {
	return len(c.Without) > 0 || c.Strikes > 0 || c.Clients > 0 || c.Faults > 0
}

// plan shortens what was drawn.
func (c *Cut) plan(p *Plan) {
	if c.Clients > 0 {
		p.Clients = min(p.Clients, c.Clients)
	}
	if c.Faults > 0 {
		p.Faults = min(p.Faults, c.Faults)
	}
}

// spares reports whether a fault is left out of a run that has met so many.
func (c *Cut) spares(name string, met int) bool {
	return c.Strikes > 0 && met >= c.Strikes || slices.Contains(c.Without, name)
}

// FaultKinds are the names of all faults, those of swarms at the end.
func FaultKinds() []string {
	var names []string
	for _, f := range slices.Concat(faults, swarmFaults) {
		names = append(names, f.name)
	}
	return names
}

// RunCut plays one seed, of a swarm or not, without what is cut off.
func RunCut(seed int64, swarm bool, cut Cut) (Report, error) {
	return guarded(seed, func() (Report, error) {
		return newCutSimulation(seed, swarm, cut).run()
	})
}
