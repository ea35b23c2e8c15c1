package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/anodekv/anode/bench/sim"
	"github.com/anodekv/anode/paxos/wire"
)

// garbagePercent lets runs go on for longer before garbage is collected: they hold a few megabytes each, and leave much.
const garbagePercent = 400

func simCommand() *cobra.Command {
	var seeds, parallel int
	var first int64
	var verbose, loss, swarm, shrink bool
	var limit time.Duration
	var less cutFlags
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run the whole cluster in virtual time, under faults, from seeds",
		Long: `Run the whole cluster and its clients in virtual time, one run per seed. Each run lasts at least 5
simulated seconds, 500 operations and 3 faults; then everything is healed, must come to rest in one state,
and the history that the clients saw is checked. The same seed gives the same run.

What the runs met is counted, and printed before the totals. As many seeds as usually meet a thing several times, 300
for most, 10,000 for the rarest, fail if they did not.

With --swarm each seed draws sizes of its own as well, from 3 to 7 replicas, and a mix of faults of its own.

With --loss one group of several loses its memory in each run, while others hold what they prepared with it; the loss
is accepted, and all that remembers must agree.

With --shrink the first seed that fails is played again with less and less, at most ` + strconv.Itoa(shrinkRuns) + ` times: shorter,
with fewer clients, fewer kinds of faults, fewer faults. The smallest run that fails is printed with the
command that repeats it. What it takes away can be given by hand, too: --without, --strikes, --clients, --faults-for.`,
		Example: "  anode-lab sim --seeds 2000 --seed 1\n  anode-lab sim --seeds 1 --seed 4711 --verbose\n  anode-lab sim --seeds 1 --seed 4711 --shrink",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if seeds < 1 || parallel < 1 {
				return errors.New("--seeds and --parallel must be at least 1")
			}
			t := newTotals(cmd.OutOrStdout(), sim.Run, loss)
			t.verbose = verbose
			switch {
			case swarm:
				t.play, t.flags = sim.RunSwarm, " --swarm"
			case loss:
				t.play, t.flags = sim.RunLoss, " --loss"
			}
			cut, err := less.cut()
			if err != nil {
				return err
			}
			if given := less.flags(cut); given != "" {
				t.play, t.flags = func(seed int64) (sim.Report, error) { return sim.RunCut(seed, swarm, cut) }, t.flags+given
				t.expected = nil // what is left out is not met
			}
			debug.SetGCPercent(garbagePercent)
			t.run(first, seeds, parallel, deadline(limit))
			err = t.summary()
			if shrink && t.failures > 0 {
				t.shrink(swarm)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&seeds, "seeds", 100, "how many seeds to run")
	cmd.Flags().Int64Var(&first, "seed", 1, "the first seed")
	cmd.Flags().IntVar(&parallel, "parallel", runtime.NumCPU(), "how many to run at a time")
	cmd.Flags().DurationVar(&limit, "for", 0, "begin no more seeds after so long, and tell how many there were; 0 is no limit")
	cmd.Flags().BoolVar(&swarm, "swarm", false, "let each seed draw its own sizes and its own mix of faults, with some that other runs do not know")
	cmd.Flags().BoolVar(&loss, "loss", false, "play runs in which one group of several loses its memory and the loss is accepted")
	cmd.Flags().BoolVar(&shrink, "shrink", false, "make the first run that fails smaller, and print the smallest")
	less.register(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("loss", "swarm")
	for _, name := range cutFlagNames {
		cmd.MarkFlagsMutuallyExclusive("loss", name)
		cmd.MarkFlagsMutuallyExclusive("shrink", name)
	}
	cmd.MarkFlagsMutuallyExclusive("loss", "shrink")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print a line for every seed")
	return cmd
}

// totals adds up the runs.
type totals struct {
	out                                io.Writer
	play                               func(seed int64) (sim.Report, error)
	flags                              string // that repeat it
	verbose                            bool
	seeds, failures                    int
	failed                             int64 // the lowest seed that did
	seconds                            float64
	messages                           uint64
	committed, aborted, unknown, views int
	faults, situations                 map[string]int
	expected                           []sim.Situation
	doubt                              wire.Duration
}

// newTotals lists every situation, so that those stand in the summary that were never met.
func newTotals(out io.Writer, play func(int64) (sim.Report, error), loss bool) *totals {
	t := &totals{out: out, play: play, faults: map[string]int{}, situations: map[string]int{}, expected: sim.Situations(loss)}
	for _, s := range t.expected {
		t.situations[s.Name] = 0
	}
	return t
}

type result struct {
	report sim.Report
	err    error
}

// deadline is when a run ends that may take so long, or the zero time if it may take any.
func deadline(limit time.Duration) time.Time {
	if limit == 0 {
		return time.Time{}
	}
	return time.Now().Add(limit)
}

// run plays the seeds, or as many as begin before the deadline.
func (t *totals) run(first int64, seeds, parallel int, deadline time.Time) {
	results := make(chan result, parallel)
	var group errgroup.Group
	group.SetLimit(parallel)
	go func() {
		for i := range seeds {
			if !deadline.IsZero() && time.Now().After(deadline) {
				break
			}
			group.Go(func() error {
				report, err := t.play(first + int64(i))
				results <- result{report, err}
				return nil
			})
		}
		_ = group.Wait() // the runs report their errors as results
		close(results)
	}()
	for r := range results {
		t.add(r)
	}
}

func (t *totals) add(r result) {
	t.seeds++
	t.seconds += float64(r.report.Simulated) / 1e9
	t.messages += r.report.Messages
	t.committed += r.report.Committed
	t.aborted += r.report.Aborted
	t.unknown += r.report.Unknown
	t.views += r.report.ViewChanges
	for name, n := range r.report.Faults {
		t.faults[name] += n
	}
	t.doubt = max(t.doubt, r.report.LongestDoubt)
	for name, n := range r.report.Situations {
		t.situations[name] += n
	}
	if r.err != nil {
		if t.failures++; t.failures == 1 || r.report.Seed < t.failed {
			t.failed = r.report.Seed
		}
		fmt.Fprintf(t.out, "FAIL %v\n  repeat it with: go run ./cmd/anode-lab sim --seeds 1 --seed %d%s\n", r.err, r.report.Seed, t.flags)
	} else if t.verbose {
		fmt.Fprintf(t.out, "ok   %+v\n", r.report)
	}
}

// summary prints what was met, and the totals on the last line.
func (t *totals) summary() error {
	fmt.Fprintf(t.out, "longest doubt of a transaction that its client left: %d ms\n", t.doubt/wire.Millisecond)
	for _, name := range slices.Sorted(maps.Keys(t.situations)) {
		fmt.Fprintf(t.out, "  %8d  %s\n", t.situations[name], name)
	}
	var faults []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(t.faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, t.faults[name]))
		total += t.faults[name]
	}
	fmt.Fprintf(t.out, "%d seeds, %d failed: %.0f simulated seconds, %d messages, %d faults (%s), %d operations (%d committed, %d aborted, %d unknown), %d view changes\n",
		t.seeds, t.failures, t.seconds, t.messages, total, strings.Join(faults, ", "),
		t.committed+t.aborted+t.unknown, t.committed, t.aborted, t.unknown, t.views)
	if t.failures > 0 {
		return fmt.Errorf("%d of %d seeds failed", t.failures, t.seeds)
	}
	if missing := t.missing(); len(missing) > 0 {
		return fmt.Errorf("%d seeds never met, and so did not test: %s", t.seeds, strings.Join(missing, ", "))
	}
	return nil
}

// missing are the situations that were not met by as many seeds as should.
func (t *totals) missing() (names []string) {
	for _, s := range t.expected {
		if t.seeds >= s.Seeds && t.situations[s.Name] == 0 {
			names = append(names, s.Name)
		}
	}
	return names
}
