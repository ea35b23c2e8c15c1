package sim

import "testing"

// seeds is how many seeds the ordinary test run plays; `anode-lab sim` plays as many as one likes.
const seeds = 6

func TestSeeds(t *testing.T) {
	for seed := int64(1); seed <= seeds; seed++ {
		report, err := Run(seed)
		if err != nil {
			t.Errorf("%v\nrepeat it with: go run ./cmd/anode-lab sim --seeds 1 --seed %d", err, seed)
		}
		t.Logf("%+v", report)
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	one, _ := Run(42)
	two, _ := Run(42)
	if one.Trace != two.Trace || one.Messages != two.Messages {
		t.Errorf("the same seed gave two runs:\n%+v\n%+v", one, two)
	}
}
