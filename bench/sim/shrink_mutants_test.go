//go:build mutants

package sim

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// A failing run is made smaller, within its bound, and what is found fails again in the same way.
func TestShrinkMutant(t *testing.T) {
	const bound = 40
	defer mutant.Set("")
	mutant.Set("silence-is-abort")
	seed := int64(1)
	for ; seed <= mutantSeeds; seed++ {
		if _, err := Run(seed); err != nil {
			break
		}
	}
	whole, _ := Run(seed)
	s := Shrink(seed, false, bound)
	if s.Err == nil || s.Runs > bound || !s.Cut.some() || s.Report.Plan.Faults >= whole.Plan.Faults {
		t.Fatalf("seed %d: %+v", seed, s)
	}
	again, err := RunCut(seed, false, s.Cut)
	if err == nil || err.Error() != s.Err.Error() || again.Trace != s.Report.Trace {
		t.Errorf("seed %d with %+v: %v, and then %v", seed, s.Cut, s.Err, err)
	}
	t.Logf("seed %d: %+v after %d runs, faults %v, was %v", seed, s.Cut, s.Runs, s.Report.Faults, whole.Faults)
	mutant.Set("")
	if _, err := RunCut(seed, false, s.Cut); err != nil {
		t.Errorf("without the mistake: %v", err)
	}
}
