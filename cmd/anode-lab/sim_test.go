package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/sim"
)

// played has some seeds, the first of which is 5, played by a stand-in for the simulator, of which one fails. With
// expected they must meet that.
func played(seeds int, failing int64, expected ...sim.Situation) (said string, err error) {
	var out bytes.Buffer
	t := newTotals(&out, func(seed int64) (sim.Report, error) {
		if seed == failing {
			return sim.Report{Seed: seed}, fmt.Errorf("seed %d: at 1.5 s: two leaders", seed)
		}
		return sim.Report{Seed: seed, Committed: 500, Faults: map[string]int{"crash": 3}, Situations: map[string]int{"met": 2}}, nil
	}, false)
	t.flags = " --swarm"
	if expected != nil {
		t.expected = expected
	}
	t.run(5, seeds, 2, time.Time{})
	err = t.summary()
	return out.String(), err
}

// A seed that fails is told with the command that repeats it, what was met or not with its count, and the totals on
// the last line.
func TestAFailureTellsHowToRepeatIt(t *testing.T) {
	out, err := played(5, 7)
	if err == nil || err.Error() != "1 of 5 seeds failed" {
		t.Error(err)
	}
	for _, want := range []string{
		"FAIL seed 7: at 1.5 s: two leaders\n  repeat it with: go run ./cmd/anode-lab sim --seeds 1 --seed 7 --swarm\n",
		"         8  met\n", "         0  view change during a recovery\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "5 seeds, 1 failed: ") ||
		!strings.Contains(last, "12 faults (crash 12), 2000 operations (2000 committed, 0 aborted, 0 unknown), 0 view changes") {
		t.Errorf("the last line is %q", last)
	}
}

// As many seeds as should have met a thing must have; fewer need not.
func TestWhatIsNeverMetFailsManySeeds(t *testing.T) {
	met, never, seldom := sim.Situation{Name: "met", Seeds: 3}, sim.Situation{Name: "never", Seeds: 20}, sim.Situation{Name: "seldom", Seeds: 21}
	if _, err := played(19, 0, met, never); err != nil {
		t.Error(err)
	}
	if _, err := played(20, 0, met); err != nil {
		t.Error(err)
	}
	_, err := played(20, 0, met, never, seldom)
	if err == nil || err.Error() != "20 seeds never met, and so did not test: never" {
		t.Error(err)
	}
}

// When the time is over no seed is begun, and those that were played are told.
func TestATimeLimitEndsARun(t *testing.T) {
	var out bytes.Buffer
	totals := newTotals(&out, func(seed int64) (sim.Report, error) {
		time.Sleep(time.Millisecond)
		return sim.Report{Seed: seed}, nil
	}, false)
	totals.run(1, 1_000_000, 2, time.Now().Add(20*time.Millisecond))
	if err := totals.summary(); err != nil || totals.seeds == 0 || totals.seeds > 1000 {
		t.Error(totals.seeds, err)
	}
	totals.run(1, 10, 2, time.Now().Add(-time.Second))
	if totals.seeds > 1000 {
		t.Error(totals.seeds)
	}
}
