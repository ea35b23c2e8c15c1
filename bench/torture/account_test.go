package torture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// whole is an account of two runs between which everything was met.
func whole() *Account {
	a := &Account{Version: "anode 1234, go1", Machine: "2 cores", Command: "torture it", Seeds: 2, Began: time.Unix(0, 0)}
	for i := range 2 {
		r := &Report{OK: true, Plan: Plan{Seed: uint64(10 + i), Replicas: 3 + 2*i, Shards: 2, Way: KernelToggled, Lease: time.Duration(i) * 80 * time.Millisecond},
			Limits: "control groups", Seconds: 1800, Rounds: 3, Faults: map[Kind]int{}, Spared: 1, Packets: Packets{1, 2, 3, 4}, Unpromised: 1, ClientsKilled: 2, LeaderChanges: 5,
			FastShare: 0.5, Checked: 100, Operations: 300, Settled: 7}
		for _, k := range Kinds() {
			r.Faults[k] = 2
		}
		r.Tally = Tally{Committed: 90, Aborted: 8, Unknown: 2, Vanished: map[string]int{}, Done: map[string]int64{}}
		for _, s := range Steps() {
			r.Vanished[s.Name] = 1
		}
		for _, w := range Workloads() {
			r.Done[w.Name] = 4
		}
		a.Runs = append(a.Runs, r)
	}
	return a
}

func TestRunsAreSummedUp(t *testing.T) {
	a := whole()
	a.Runs[1].OK, a.Runs[1].Anomalies = false, 3
	s := SumUp(a.Runs)
	if s.Seeds != 2 || s.Failed != 1 || s.Hours != 1 || s.Rounds != 6 || s.Strikes != 4*len(Kinds()) || s.Faults[Wipe] != 4 || s.Spared != 2 ||
		s.Packets != (Packets{2, 4, 6, 8}) || s.Unpromised != 2 || s.Committed != 180 || s.Vanished[Steps()[0].Name] != 2 || s.ClientsKilled != 4 ||
		s.LeaderChanges != 10 || s.Checked != 200 || s.Operations != 600 || s.Settled != 14 || s.Anomalies != 3 {
		t.Errorf("%+v", s)
	}
}

// What was never met is told, whatever it is, and nothing else is.
func TestAnAccountTellsWhatNeverWas(t *testing.T) {
	a := whole()
	a.Runs[0].Plan.Way, a.Runs[1].Plan.Way = KernelOn, KernelOff
	if never := a.Never(); len(never) != 1 || never[0] != "the kernel path toggling" {
		t.Fatalf("%q", never)
	}
	for what, forget := range map[string]func(*Report){
		"the strike full disk":   func(r *Report) { delete(r.Faults, Full) },
		"vanishes before a subm": func(r *Report) { delete(r.Vanished, "before a submit") },
		"the workload bank":      func(r *Report) { r.Done["bank"] = 0 },
		"5 replicas":             func(r *Report) { r.Plan.Replicas = 3 },
		"3 replicas":             func(r *Report) { r.Plan.Replicas = 5 },
		"the kernel path on":     func(r *Report) { r.Plan.Way = KernelOff },
		"the kernel path off":    func(r *Report) { r.Plan.Way = KernelOn },
		"no leases":              func(r *Report) { r.Plan.Lease = 1 },
		"; leases":               func(r *Report) { r.Plan.Lease = 0 },
	} {
		a := whole()
		for _, r := range a.Runs {
			forget(r)
		}
		if never := strings.Join(a.Never(), "; "); !strings.Contains("; "+never, what) || !strings.Contains(a.Markdown(), "**NEVER in this run, and so not tested by it: "+never+".**") {
			t.Errorf("%s: it is not told: %s", what, never)
		}
	}
}

func TestAnAccountIsForReaders(t *testing.T) {
	a := whole()
	text := a.Markdown()
	for _, want := range []string{"**Every promise was kept** by 2 of 2 seeds.", "| version | anode 1234, go1 |", "| machine | 2 cores |", "| command | `torture it` |", "| processes are starved by | control groups |",
		"| hours | 1.00 |", "| cut off | 4 | 2 |", "| between prepares | 2 |", "| 11 | 5 | 2 | toggling | 80ms | many | 1800 | 3 |", "| 50 % | ok |",
		"- 10: clients 2,", "operations of committed ones among them | 200; 600 |", "| anomalies | 0 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told", want)
		}
	}
	if strings.Contains(text, "FAILED") || strings.Contains(text, "not the whole") {
		t.Error("it tells of what was not")
	}
	a.Seeds, a.Runs[0].OK, a.Runs[0].Failures, a.Runs[0].Repeat = 5, false, []string{"an append is lost"}, "torture seed 10"
	a.Runs[0].Faults[Wipe], a.Runs[1].Faults[Wipe] = 0, 0
	text = a.Markdown()
	for _, want := range []string{"**1 of 2 seeds FAILED**", "5 seeds were to be played, and 2 have been", "an append is lost", "torture seed 10", "| **FAILED** |",
		"| wipe | **never** | 0 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told", want)
		}
	}
	if strings.Contains(text, "kept") {
		t.Error("a failed run is said to have kept its promises")
	}
}

func TestAnAccountIsWrittenWhole(t *testing.T) {
	a, path := whole(), filepath.Join(t.TempDir(), "torture.md")
	a.Runs, a.Seeds = nil, 2
	for range 2 { // it is written anew
		if err := a.Write(path); err != nil {
			t.Fatal(err)
		}
		a = whole()
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != whole().Markdown() {
		t.Errorf("%v, %s", err, b)
	}
	if err := a.Write(filepath.Join(path, "x")); err == nil {
		t.Error("it is written where nothing can be")
	}
}
