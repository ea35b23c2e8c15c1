package sim

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// What is left out is not there, and runs of which much was left out are no failures for that.
func TestCutRuns(t *testing.T) {
	for _, cut := range []Cut{
		{Faults: shortest},
		{Faults: wire.Second, Clients: 1},
		{Faults: wire.Second, Without: FaultKinds()},
		{Faults: 2 * wire.Second, Clients: 2, Strikes: 1, Without: []string{"crash", "wipe"}},
	} {
		for seed := int64(1); seed <= 3; seed++ {
			report, err := RunCut(seed, seed == 3, cut)
			if err != nil {
				t.Errorf("%+v: %v", cut, err)
			}
			total := 0
			for _, n := range report.Faults {
				total += n
			}
			if cut.Clients > 0 && report.Plan.Clients > cut.Clients || cut.Strikes > 0 && total > cut.Strikes || report.Plan.Faults > cut.Faults {
				t.Errorf("%+v: %+v", cut, report)
			}
			for _, name := range cut.Without {
				if report.Faults[name] > 0 {
					t.Errorf("%+v: met %s", cut, name)
				}
			}
		}
	}
}

// A cut that leaves out nothing changes nothing, and what does not fail is not shrunk.
func TestNothingCut(t *testing.T) {
	whole, _ := Run(7)
	s := Shrink(7, false, 10)
	if s.Report.Trace != whole.Trace || s.Err != nil || s.Runs != 1 || s.Cut.some() {
		t.Errorf("%+v", s)
	}
}
