package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// comparison alternates short runs of two systems. Both are up all the time, so that neither's start falls
// into a run of the other.
type comparison struct {
	load
	clients []int
	pairs   int
}

// pair is one run of each system, right after each other.
type pair struct{ base, other result }

func compareCommand() *cobra.Command {
	c, opts := comparison{}, options{}
	base, other := "", ""
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Alternate runs of two systems and print the medians of the ratios of their pairs",
		Long: "Alternate runs of two systems and print the medians of the ratios of their pairs.\n" +
			"A system compared with itself shows how much of a difference is noise.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := pick(systems(opts), base)
			if err != nil {
				return err
			}
			b, err := pick(systems(opts), other)
			if err != nil {
				return err
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), a, b)
		},
	}
	cmd.Flags().StringVar(&base, "base", "raft", "the system that ratios are relative to")
	cmd.Flags().StringVar(&other, "system", "raft", "the system that is compared with it")
	cmd.Flags().IntSliceVar(&c.clients, "clients", []int{1, 64}, "clients in a closed loop, one comparison each")
	cmd.Flags().IntVar(&c.pairs, "pairs", 5, "runs of each system")
	c.load.flags(cmd, 3*time.Second)
	opts.flags(cmd)
	return cmd
}

func pick(all []system, name string) (system, error) {
	var names []string
	for _, s := range all {
		if s.Name() == name {
			return s, nil
		}
		names = append(names, s.Name())
	}
	return nil, fmt.Errorf("no system is called %q: choose one of %s", name, strings.Join(names, ", "))
}

func (c *comparison) run(ctx context.Context, w io.Writer, base, other system) error {
	if c.pairs < 1 {
		return fmt.Errorf("%d pairs leave nothing to compare: ask for one or more", c.pairs)
	}
	for _, s := range []system{base, other} {
		defer s.Stop()
		if err := s.Start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", s.Name(), err)
		}
		if err := c.load.fill(ctx, s); err != nil {
			return err
		}
	}
	for _, clients := range c.clients {
		var pairs []pair
		for i := range c.pairs {
			p, err := c.pair(ctx, w, base, other, clients, i%2 == 1)
			if err != nil {
				return err
			}
			pairs = append(pairs, p)
		}
		if err := printRatios(w, base.Name(), other.Name(), clients, pairs); err != nil {
			return err
		}
	}
	return nil
}

// pair runs both. Which goes first alternates, as the second of two runs may find a warmer machine.
func (c *comparison) pair(ctx context.Context, w io.Writer, base, other system, clients int, swapped bool) (p pair, err error) {
	run := func(s system, r *result) {
		if err != nil {
			return
		}
		if *r, err = c.load.run(ctx, s, clients); err == nil {
			err = r.print(w, false)
		}
	}
	if swapped {
		run(other, &p.other)
		run(base, &p.base)
	} else {
		run(base, &p.base)
		run(other, &p.other)
	}
	return p, err
}

func printRatios(w io.Writer, base, other string, clients int, pairs []pair) error {
	ratio := func(of func(result) float64) float64 {
		ratios := make([]float64, len(pairs))
		for i, p := range pairs {
			ratios[i] = of(p.other) / of(p.base)
		}
		return median(ratios)
	}
	steal := 0.0
	for _, p := range pairs {
		steal = max(steal, p.base.StealPercent, p.other.StealPercent)
	}
	_, err := fmt.Fprintf(w, "%s over %s, %d clients, medians of %d pairs: op/s x%.2f, p50 x%.2f, p99 x%.2f, cpu per op x%.2f; steal at most %.1f %%\n",
		other, base, clients, len(pairs),
		ratio(func(r result) float64 { return r.OpsPerSecond }),
		ratio(func(r result) float64 { return r.P50Micros }),
		ratio(func(r result) float64 { return r.P99Micros }),
		ratio(func(r result) float64 { return r.CPUMicrosPerOp }), steal)
	return err
}

func median(x []float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
