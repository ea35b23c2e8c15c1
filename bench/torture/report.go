package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/anodekv/anode/bench/check"
)

// Report is what came out of a run; in JSON it is one line.
type Report struct {
	OK      bool    `json:"ok"`
	Plan    Plan    `json:"plan"`
	Seconds float64 `json:"seconds"`
	Rounds  int     `json:"rounds"`
	// Faults counts the strikes that fell, by kind; Spared ones could not, or would have cost a group its memory.
	Faults map[Kind]int `json:"faults"`
	Spared int          `json:"spared"`
	// Packets counts what was done to packets, and Unpromised the nodes that ended because they could not keep a promise.
	Packets    Packets `json:"packets"`
	Unpromised int     `json:"unpromised"`
	Tally
	// ClientsKilled counts processes of clients.
	ClientsKilled int `json:"clients_killed"`
	// LeaderChanges counts views, over all groups, and FastShare is the part of the followers' entries that their kernels took.
	LeaderChanges uint64  `json:"leader_changes"`
	FastShare     float64 `json:"fast_share"`
	// Checked transactions were judged, and Settled ones were left by their clients and settled by the participants.
	Checked int    `json:"checked"`
	Settled uint64 `json:"settled"`
	// Folder has everything of a run that failed; Repeat is the command that plays its plan again.
	Folder string `json:"folder,omitempty"`
	Repeat string `json:"repeat,omitempty"`
	// Failures are why it failed.
	Failures []string `json:"failures,omitempty"`
}

// Packets counts what was done to packets.
type Packets struct {
	Dropped   uint64 `json:"dropped"`
	Corrupted uint64 `json:"corrupted"`
	Repeated  uint64 `json:"repeated"`
	Delayed   uint64 `json:"delayed"`
}

// shownFailures is as much of the failures as a line has room for.
const shownFailures = 5

// fail takes failures down.
func (r *Report) fail(why ...string) {
	for _, w := range why {
		if len(r.Failures) < shownFailures {
			r.Failures = append(r.Failures, w)
		}
	}
}

// keepPlan writes what was drawn into the folder.
func keepPlan(dir string, plan *Plan, rounds []Round) error {
	b, err := json.MarshalIndent(map[string]any{"plan": plan, "rounds": rounds}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "plan.json"), append(b, '\n'), 0o600)
}

// keepJudgement writes into a round's folder what was wrong with it: the history as one file, all anomalies, and the shortest by
// itself.
func keepJudgement(dir string, j *Judgement, h check.History) error {
	var shortest strings.Builder
	if a, made, found := j.Shortest(h); found {
		fmt.Fprintf(&shortest, "%v\n\n", a)
		if err := made.Dump(&shortest); err != nil {
			return err
		}
	}
	var history strings.Builder
	err := h.Dump(&history)
	for name, text := range map[string]string{"anomalies.txt": j.String(), "shortest.txt": shortest.String(), "history.jsonl": history.String()} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return err
}

// String is the report for people.
func (r *Report) String() string {
	word := "ok"
	if !r.OK {
		word = "FAILED"
	}
	var faults []string
	total := 0
	for _, k := range slices.Sorted(maps.Keys(r.Faults)) {
		faults, total = append(faults, fmt.Sprintf("%s %d", k, r.Faults[k])), total+r.Faults[k]
	}
	s := fmt.Sprintf("%s: seed %d, %d replicas of %d shards, kernel path %s: %.0f s, %d rounds, %d faults (%s), %d committed, %d aborted, %d unknown, %d judged, %d leader changes",
		word, r.Plan.Seed, r.Plan.Replicas, r.Plan.Shards, r.Plan.Way, r.Seconds, r.Rounds, total, strings.Join(faults, ", "),
		r.Committed, r.Aborted, r.Unknown, r.Checked, r.LeaderChanges)
	if !r.OK {
		s += fmt.Sprintf("\n%s\neverything is in %s; repeat it with: %s", strings.Join(r.Failures, "\n"), r.Folder, r.Repeat)
	}
	return s
}
