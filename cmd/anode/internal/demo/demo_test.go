package demo

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// The demo itself, short: its verdict must be good, and it must have killed and recovered a node.
func TestDemoKeepsEveryPromise(t *testing.T) {
	var story, rates strings.Builder
	report, err := Run(t.Context(), Config{
		For: 3 * time.Second, Nodes: 3, Shards: 4, Seed: 7, Story: &story, Progress: &rates, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		t.Errorf("%+v\n%s", report, &story)
	}
	for _, line := range []string{"is killed", "is started again", "has recovered"} {
		if !strings.Contains(story.String(), line) {
			t.Errorf("the story lacks %q:\n%s", line, &story)
		}
	}
	if !strings.Contains(rates.String(), "commits/s") || strings.Contains(story.String(), "commits/s") {
		t.Errorf("the rates are not told, or not apart from the story:\n%s", &rates)
	}
}

func TestVerdictNeedsEverything(t *testing.T) {
	good := Report{Committed: 1, MoneyOK: true, Linearizable: true, StrictSerializable: true}
	if !good.OK() {
		t.Error("a good report is refused")
	}
	for name, spoil := range map[string]func(*Report){
		"nothing committed": func(r *Report) { r.Committed = 0 },
		"money":             func(r *Report) { r.MoneyOK = false },
		"linearizable":      func(r *Report) { r.Linearizable = false },
		"serializable":      func(r *Report) { r.StrictSerializable = false },
	} {
		r := good
		spoil(&r)
		if r.OK() {
			t.Errorf("%s: accepted", name)
		}
	}
}
