package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	// Limits is by what processes were starved.
	Limits string `json:"limits"`
	// Packets counts what was done to packets, and Unpromised the nodes that ended because they could not keep a promise.
	Packets    Packets `json:"packets"`
	Unpromised int     `json:"unpromised"`
	Tally
	// ClientsKilled counts processes of clients.
	ClientsKilled int `json:"clients_killed"`
	// LeaderChanges counts views, over all groups, and FastShare is the part of the followers' entries that their kernels took.
	LeaderChanges uint64  `json:"leader_changes"`
	FastShare     float64 `json:"fast_share"`
	// Checked transactions were judged, Operations are those of the committed ones, and Anomalies is how much was wrong with them.
	// Settled transactions were left by their clients and settled by the participants.
	Checked    int    `json:"checked"`
	Operations int    `json:"operations"`
	Anomalies  int    `json:"anomalies"`
	Settled    uint64 `json:"settled"`
	// Folder has everything of a run that failed; Repeat is the command that plays its plan again.
	Folder string `json:"folder,omitempty"`
	Repeat string `json:"repeat,omitempty"`
	// Failures are why it failed.
	Failures []string `json:"failures,omitempty"`
}

// ReadReports reads what a torture has written with -o json: a line for each seed, one at least.
func ReadReports(path string) (all []*Report, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	for {
		r := &Report{}
		if err := d.Decode(r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: report %d: %w", path, len(all)+1, err)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no reports", path)
	}
	return all, nil
}

// Packets counts what was done to packets.
type Packets struct {
	Dropped   uint64 `json:"dropped"`
	Corrupted uint64 `json:"corrupted"`
	Repeated  uint64 `json:"repeated"`
	Delayed   uint64 `json:"delayed"`
}

func (p *Packets) add(o Packets) {
	p.Dropped, p.Corrupted, p.Repeated, p.Delayed = p.Dropped+o.Dropped, p.Corrupted+o.Corrupted, p.Repeated+o.Repeated, p.Delayed+o.Delayed
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
	s := fmt.Sprintf("%s: seed %d, %d replicas of %d shards, kernel path %s: %.0f s, %d rounds, %d faults (%s), %d committed, %d aborted, %d unknown, %d judged, %d leader changes",
		word, r.Plan.Seed, r.Plan.Replicas, r.Plan.Shards, r.Plan.Way, r.Seconds, r.Rounds, r.strikes(), strings.Join(r.faults(), ", "),
		r.Committed, r.Aborted, r.Unknown, r.Checked, r.LeaderChanges)
	if !r.OK {
		s += fmt.Sprintf("\n%s\neverything is in %s; repeat it with: %s", strings.Join(r.Failures, "\n"), r.Folder, r.Repeat)
	}
	return s
}
