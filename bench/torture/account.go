package torture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Account is what the runs of many seeds came to, for readers.
type Account struct {
	// Version is what the nodes' program says of itself, Machine what they ran on, and Command what repeats it all.
	Version, Machine, Command string
	Began                     time.Time
	// Seeds is how many were to be played, and Runs are those that were.
	Seeds int
	Runs  []*Report
}

// Sums are what runs came to together.
type Sums struct {
	Seeds  int     `json:"seeds"`
	Failed int     `json:"failed"`
	Hours  float64 `json:"hours"`
	Rounds int     `json:"rounds"`
	// Strikes is the sum of Faults.
	Strikes    int          `json:"strikes"`
	Faults     map[Kind]int `json:"faults"`
	Spared     int          `json:"spared"`
	Packets    Packets      `json:"packets"`
	Unpromised int          `json:"unpromised"`
	Tally
	ClientsKilled int    `json:"clients_killed"`
	LeaderChanges uint64 `json:"leader_changes"`
	Checked       int    `json:"checked"`
	Operations    int    `json:"operations"`
	Settled       uint64 `json:"settled"`
	Anomalies     int    `json:"anomalies"`
}

// SumUp adds runs up.
func SumUp(runs []*Report) Sums {
	s := Sums{Seeds: len(runs), Faults: map[Kind]int{}}
	for _, r := range runs {
		if !r.OK {
			s.Failed++
		}
		s.Hours += r.Seconds / 3600
		s.Rounds += r.Rounds
		for k, n := range r.Faults {
			s.Faults[k] += n
		}
		s.Strikes += r.strikes()
		s.Spared += r.Spared
		s.Packets.add(r.Packets)
		s.Unpromised += r.Unpromised
		s.Tally.Add(r.Tally)
		s.ClientsKilled += r.ClientsKilled
		s.LeaderChanges += r.LeaderChanges
		s.Checked += r.Checked
		s.Operations += r.Operations
		s.Settled += r.Settled
		s.Anomalies += r.Anomalies
	}
	return s
}

// Never lists what the runs did not come to: strikes that never fell, steps at which no coordinator vanished, workloads of
// which nothing was done, and sorts of clusters that nobody drew. What stands here was not tested.
func (a *Account) Never() (never []string) {
	s := SumUp(a.Runs)
	for _, k := range Kinds() {
		if s.Faults[k] == 0 {
			never = append(never, "the strike "+string(k))
		}
	}
	for _, step := range Steps() {
		if s.Vanished[step.Name] == 0 {
			never = append(never, "a coordinator that vanishes "+step.Name)
		}
	}
	for _, w := range Workloads() {
		if s.Done[w.Name] == 0 {
			never = append(never, "the workload "+w.Name)
		}
	}
	for _, c := range []struct {
		name string
		is   func(*Plan) bool
	}{
		{"3 replicas", func(p *Plan) bool { return p.Replicas == 3 }},
		{"5 replicas", func(p *Plan) bool { return p.Replicas == 5 }},
		{"the kernel path on", func(p *Plan) bool { return p.Way == KernelOn }},
		{"the kernel path off", func(p *Plan) bool { return p.Way == KernelOff }},
		{"the kernel path toggling", func(p *Plan) bool { return p.Way == KernelToggled }},
		{"leases", func(p *Plan) bool { return p.Lease > 0 }},
		{"no leases", func(p *Plan) bool { return p.Lease == 0 }},
	} {
		if !slices.ContainsFunc(a.Runs, func(r *Report) bool { return c.is(&r.Plan) }) {
			never = append(never, c.name)
		}
	}
	return never
}

// limits are by what processes were starved.
func (a *Account) limits() (all []string) {
	for _, r := range a.Runs {
		if !slices.Contains(all, r.Limits) {
			all = append(all, r.Limits)
		}
	}
	return all
}

// Write writes the account to a file, whole or not at all.
func (a *Account) Write(path string) error { return writeWhole(path, a.Markdown()) }

// Markdown is the account as a page.
func (a *Account) Markdown() string {
	var b strings.Builder
	b.WriteString("# What a torture came to\n\nWritten by `anode-lab torture --report`; [testing.md](testing.md#the-torture) tells what it does and how it judges.\n\n")
	s := SumUp(a.Runs)
	switch {
	case s.Failed > 0:
		fmt.Fprintf(&b, "**%d of %d seeds FAILED**, with %d anomalies.", s.Failed, s.Seeds, s.Anomalies)
	case s.Seeds > 0:
		fmt.Fprintf(&b, "**Every promise was kept** by %d of %d seeds.", s.Seeds, s.Seeds)
	}
	if s.Seeds < a.Seeds {
		fmt.Fprintf(&b, " **It is not the whole: %d seeds were to be played, and %d have been.**", a.Seeds, s.Seeds)
	}
	b.WriteString("\n\n")
	table(&b, []string{"", ""}, [][]string{
		{"version", a.Version}, {"machine", a.Machine}, {"begun", a.Began.UTC().Format("2006-01-02 15:04 UTC")}, {"command", "`" + a.Command + "`"},
		{"processes are starved by", strings.Join(a.limits(), "; ")},
	})
	if never := a.Never(); len(never) > 0 {
		fmt.Fprintf(&b, "**NEVER in this run, and so not tested by it: %s.**\n\n", strings.Join(never, "; "))
	}
	b.WriteString("## In all\n\n")
	table(&b, []string{"what", "sum"}, s.rows())
	b.WriteString("## Strikes\n\n")
	table(&b, []string{"strike", "fell", "in seeds"}, a.strikes(&s))
	b.WriteString("Coordinators that were cut off for good at a step of their work:\n\n")
	table(&b, []string{"step", "coordinators"}, vanished(&s))
	b.WriteString("## Seeds\n\nThe share of entries that followers' kernels took is that of the processes that lived at the end.\n\n")
	table(&b, []string{"seed", "replicas", "shards", "kernel path", "leases", "commands an entry", "seconds", "rounds", "strikes", "committed", "judged",
		"operations", "leader changes", "by kernels", "verdict"}, a.seeds())
	b.WriteString("What fell in each:\n\n")
	for _, r := range a.Runs {
		fmt.Fprintf(&b, "- %d: %s\n", r.Plan.Seed, strings.Join(r.faults(), ", "))
	}
	a.failures(&b)
	return b.String()
}

func (s *Sums) rows() [][]string {
	n := func(v any) string { return fmt.Sprint(v) }
	return [][]string{
		{"seeds; of them failed", n(s.Seeds) + "; " + n(s.Failed)},
		{"hours", fmt.Sprintf("%.2f", s.Hours)},
		{"rounds", n(s.Rounds)},
		{"strikes; spared, because they could not be done or would have cost a group its memory", n(s.Strikes) + "; " + n(s.Spared)},
		{"transactions committed; aborted; with an outcome that nobody could tell", n(s.Committed) + "; " + n(s.Aborted) + "; " + n(s.Unknown)},
		{"transactions judged; operations of committed ones among them", n(s.Checked) + "; " + n(s.Operations)},
		{"anomalies", n(s.Anomalies)},
		{"changes of a leader", n(s.LeaderChanges)},
		{"processes of clients killed", n(s.ClientsKilled)},
		{"transactions left by their clients and settled by the participants", n(s.Settled)},
		{"nodes that ended because they had no room for a promise", n(s.Unpromised)},
		{"packets dropped; changed; repeated; late",
			n(s.Packets.Dropped) + "; " + n(s.Packets.Corrupted) + "; " + n(s.Packets.Repeated) + "; " + n(s.Packets.Delayed)},
	}
}

func (a *Account) strikes(s *Sums) (rows [][]string) {
	for _, k := range Kinds() {
		in := 0
		for _, r := range a.Runs {
			if r.Faults[k] > 0 {
				in++
			}
		}
		rows = append(rows, []string{string(k), count(s.Faults[k]), fmt.Sprint(in)})
	}
	return rows
}

func vanished(s *Sums) (rows [][]string) {
	for _, step := range Steps() {
		rows = append(rows, []string{step.Name, count(s.Vanished[step.Name])})
	}
	return rows
}

// count has what is missing seen.
func count(n int) string {
	if n == 0 {
		return "**never**"
	}
	return fmt.Sprint(n)
}

func (a *Account) seeds() (rows [][]string) {
	for _, r := range a.Runs {
		lease, batch, kernels, verdict := "none", "many", "none", "ok"
		if r.Plan.Lease > 0 {
			lease = r.Plan.Lease.String()
		}
		if r.Plan.Batch > 0 {
			batch = fmt.Sprint(r.Plan.Batch)
		}
		if r.Plan.Way != KernelOff {
			kernels = fmt.Sprintf("%.0f %%", 100*r.FastShare)
		}
		if !r.OK {
			verdict = "**FAILED**"
		}
		row := []any{r.Plan.Seed, r.Plan.Replicas, r.Plan.Shards, r.Plan.Way, lease, batch, fmt.Sprintf("%.0f", r.Seconds), r.Rounds, r.strikes(),
			r.Committed, r.Checked, r.Operations, r.LeaderChanges, kernels, verdict}
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = fmt.Sprint(v)
		}
		rows = append(rows, cells)
	}
	return rows
}

// failures tells of the runs that failed.
func (a *Account) failures(b *strings.Builder) {
	for _, r := range a.Runs {
		if !r.OK {
			fmt.Fprintf(b, "\n## Seed %d failed\n\nRepeated by `%s`.\n\n```\n%s\n```\n", r.Plan.Seed, r.Repeat, strings.Join(r.Failures, "\n"))
		}
	}
}

// table writes a table of Markdown.
func table(b *strings.Builder, head []string, rows [][]string) {
	line := func(cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	fmt.Fprintf(b, "|%s\n", strings.Repeat("---|", len(head)))
	for _, row := range rows {
		line(row)
	}
	b.WriteString("\n")
}

// strikes is how many fell.
func (r *Report) strikes() (sum int) {
	for _, n := range r.Faults {
		sum += n
	}
	return sum
}

// faults are the strikes that fell, with how often.
func (r *Report) faults() (all []string) {
	for _, k := range slices.Sorted(maps.Keys(r.Faults)) {
		all = append(all, fmt.Sprintf("%s %d", k, r.Faults[k]))
	}
	return all
}
