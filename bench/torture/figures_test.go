package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestFiguresAreForReaders(t *testing.T) {
	sums := SumUp(whole().Runs)
	f := &Figures{Version: "anode 1234", Machine: "2 cores", Parts: FigureParts(), Seed: 9, LeaderLoss: Spread{30, 140, 380, 390}, FalseElections: 3, LoadSeconds: 10,
		Restart: Spread{3, 2000, 3000, 3001}, RestartKeys: 1_000_000, Orphan: Spread{50, 300, 450, 470}, Undisturbed: 50_000.4, WithLoss: 0.92, WithRolling: 0.55,
		StealPercent: 1.5, Survived: &sums}
	text := f.Markdown("figures --seed 9")
	wants := map[string][]string{
		"": {"| version | anode 1234 |", "| machine | 2 cores |", "| seed | 9 |", "| command | `figures --seed 9` |", fmt.Sprint(sums.Strikes, " faults in 1.00 hours over 2 seeds"),
			"200 transactions judged, 0 anomalies"},
		"throughput": {"64 clients, undisturbed, 10 s | 50000 a second", "| 3 | 0 |", "0.92 of it", "0.55 of it", "| 1.5 % |"},
		"losses":     {"p50 140 ms, p99 380 ms, at most 390 ms, of 30 | p50 150 ms, p99 400 ms"},
		"orphans":    {"p50 300 ms, p99 450 ms, at most 470 ms, of 50 | 500 ms"},
		"restarts":   {"1000000 keys | p50 2000 ms"},
	}
	for part, all := range wants {
		for _, want := range all {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not told in\n%s", want, text)
			}
			f := *f
			f.Parts, f.Survived = []string{part}, nil
			if only := f.Markdown(""); part != "" && !strings.Contains(only, want) {
				t.Errorf("%s alone: %q is not told in\n%s", part, want, only)
			} else if rows := len(f.rows()); rows > 5 || rows == 5 != (part == "throughput") {
				t.Errorf("%s alone has %d rows", part, rows)
			}
		}
	}
}

func TestReportsAreReadAsWritten(t *testing.T) {
	path, runs := filepath.Join(t.TempDir(), "torture.json"), whole().Runs
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var lines strings.Builder
	for _, r := range runs {
		if err := json.NewEncoder(&lines).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	write(lines.String())
	all, err := ReadReports(path)
	if err != nil || !reflect.DeepEqual(all, runs) {
		t.Errorf("%v, %+v", err, all)
	}
	for name, text := range map[string]string{"nothing": "", "another's line": "{\"op\":1}\n", "half a line": lines.String()[:lines.Len()/2]} {
		write(text)
		if all, err := ReadReports(path); err == nil {
			t.Errorf("%s: read as %+v", name, all)
		}
	}
	if _, err := ReadReports(path + "s"); err == nil {
		t.Error("a file that there is not is read")
	}
}
