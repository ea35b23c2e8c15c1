package torture

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// FigureParts are the parts of the figures; each has a cluster of its own.
func FigureParts() []string { return []string{"throughput", "losses", "orphans", "restarts"} }

// loadClients ask at once while a full load is measured.
const loadClients = 64

// Figures are what a cluster of three nodes with two shards does with default settings, kernel path on.
type Figures struct {
	// Version is what the nodes' program says of itself, Machine what they ran on, and Parts what was measured.
	Version string   `json:"version"`
	Machine string   `json:"machine"`
	Parts   []string `json:"parts"`
	Seed    uint64   `json:"seed"`
	// LeaderLoss is for how long writes fail to get through after the leader was killed, under a load.
	LeaderLoss Spread `json:"leader_loss"`
	// FalseElections happened under a full load, in LoadSeconds, though nobody failed.
	FalseElections uint64  `json:"false_elections"`
	LoadSeconds    float64 `json:"load_seconds"`
	// Restart is from a node's start until it serves again what it held, RestartKeys.
	Restart     Spread `json:"restart"`
	RestartKeys int    `json:"restart_keys"`
	// Orphan is from the last prepare of a client that vanished until another could write the same key.
	Orphan Spread `json:"orphan"`
	// Undisturbed is operations a second; the others are shares of it.
	Undisturbed  float64 `json:"undisturbed_ops_per_s"`
	WithLoss     float64 `json:"with_1_percent_loss"`
	WithRolling  float64 `json:"with_rolling_restart"`
	StealPercent float64 `json:"steal_percent"`
	// Survived is what a torture came to, if there was one.
	Survived *Sums `json:"survived,omitempty"`
}

// rows are the figures that were measured, each with what is aimed at, if anything is.
func (f *Figures) rows() (rows [][]string) {
	add := func(part string, cells ...string) {
		if part == "" || slices.Contains(f.Parts, part) {
			rows = append(rows, cells)
		}
	}
	add("throughput", fmt.Sprintf("puts of %d clients, undisturbed, %.0f s", loadClients, f.LoadSeconds), fmt.Sprintf("%.0f a second", f.Undisturbed), "")
	add("throughput", "leaders changed meanwhile, though nobody failed", fmt.Sprint(f.FalseElections), "0")
	add("throughput", "the same puts with 1 % of all packets lost", fmt.Sprintf("%.2f of it", f.WithLoss), "")
	add("throughput", "the same puts while nodes are restarted in turn without a pause", fmt.Sprintf("%.2f of it", f.WithRolling), "")
	add("throughput", "processor time that other guests of the host took meanwhile, at most", fmt.Sprintf("%.1f %%", f.StealPercent), "")
	add("losses", "no write gets through after a leader was killed, under a load", f.LeaderLoss.String(), "p50 150 ms, p99 400 ms")
	add("orphans", "keys stay locked whose client vanished when all had voted", f.Orphan.String(), "500 ms")
	add("restarts", fmt.Sprintf("a killed node serves again that held %d keys", f.RestartKeys), f.Restart.String(), "")
	if s := f.Survived; s != nil {
		add("", "survived", fmt.Sprintf("%d faults in %.2f hours over %d seeds, of which %d failed: %d transactions judged, %d anomalies",
			s.Strikes, s.Hours, s.Seeds, s.Failed, s.Checked, s.Anomalies), "0 anomalies")
	}
	return rows
}

// Markdown is a page about them, made by a command.
func (f *Figures) Markdown(command string) string {
	var b strings.Builder
	b.WriteString("# What failures cost\n\nWritten by `anode-lab figures --report`: three nodes, two shards, kernel path on, default settings, nodes and clients on one machine.\n\n")
	table(&b, []string{"", ""}, [][]string{{"version", f.Version}, {"machine", f.Machine}, {"seed", fmt.Sprint(f.Seed)}, {"command", "`" + command + "`"}})
	table(&b, []string{"what", "figure", "goal"}, f.rows())
	return strings.TrimSuffix(b.String(), "\n")
}

// Write writes the page to a file, whole or not at all.
func (f *Figures) Write(path, command string) error { return writeWhole(path, f.Markdown(command)) }

func writeWhole(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil { // #nosec G306: it is to be read
		return err
	}
	return os.Rename(path+".new", path)
}
