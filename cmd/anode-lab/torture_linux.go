package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/torture"
)

// tortureFlags are those of anode-lab torture.
type tortureFlags struct {
	cfg              torture.Config
	seed             uint64
	seeds            int
	replicas, shards int
	offload          string
	kinds            []string
	output           string
	report           string
	flags            string // that repeat it, but for the seed
}

func tortureCommand() *cobra.Command {
	t := &tortureFlags{}
	cmd := &cobra.Command{
		Use:   "torture",
		Short: "Put a cluster of real processes under faults, and judge what its clients saw",
		Long: `Put a cluster of network namespaces under faults and a load, and judge what its clients saw. What is done is drawn from the seed:
how many replicas and shards there are, what the kernel path does, and for each round a mix of workloads and a list of strikes. After
each round everything is healed, must come to rest in one state, is read once more, and is judged.

The exit code is 0 only if every promise was kept, which the last line tells, too. Of a run that failed a folder is left with the histories, the
logs of the nodes, the plan, and the shortest anomaly that was found. With --report a page for readers is written after each seed: what was played
on what, what fell how often and what never did, what was judged. It takes root, ip and nft.`,
		Example: "  anode-lab torture --for 10m --seed 1 -o json\n  anode-lab torture --for 3m --seeds 6 --offload on\n  anode-lab torture --for 1h --seeds 25 --report torture.md",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.check(); err != nil {
				return err
			}
			t.flags = given(cmd)
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			built := lab.Config{Program: t.cfg.Program}
			return withProgram(ctx, &built, func() error {
				t.cfg.Program = built.Program
				return t.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}, "torture")
		},
	}
	f := cmd.Flags()
	f.DurationVar(&t.cfg.For, "for", time.Minute, "how long; seeds share it, and each plays one round at least")
	f.Uint64Var(&t.seed, "seed", 1, "the first seed")
	f.IntVar(&t.seeds, "seeds", 1, "how many seeds, each with a cluster of its own")
	f.IntVar(&t.replicas, "replicas", 0, "nodes, and replicas of each shard: 3, 5 or 7; 0 is what the seed draws")
	f.IntVar(&t.shards, "shards", 0, "how many shards; 0 is what the seed draws")
	f.StringVar(&t.offload, "offload", "", "the kernel path: on, off or toggling; empty is what the seed draws")
	f.StringSliceVar(&t.kinds, "only", nil, "only these kinds of strikes, of: "+kindNames())
	f.StringVar(&t.cfg.Name, "name", "torture", "name of the lab")
	f.StringVar(&t.cfg.Folder, "folder", "torture-failed", "where the folders of runs that failed are left")
	f.StringVar(&t.cfg.Program, "program", "", "path of the anode binary; it is built from this tree if none is given, with the tag torture, by which its clocks go wrong")
	f.StringSliceVar(&t.cfg.Env, "env", nil, "added to the environment of the nodes, as NAME=VALUE: a mutant, for instance")
	f.StringVar(&t.report, "report", "", "a file for a page about all seeds, in Markdown; it is written anew after each")
	f.StringVarP(&t.output, "output", "o", "text", "how the verdict is written: text or json")
	return cmd
}

func kindNames() string {
	var names []string
	for _, k := range torture.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// given are the flags that were, but for those that [tortureFlags.repeat] sets.
func given(cmd *cobra.Command) string {
	var b strings.Builder
	for _, name := range []string{"replicas", "shards", "offload", "only", "env"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			fmt.Fprintf(&b, " --%s '%s'", name, strings.Trim(f.Value.String(), "[]"))
		}
	}
	return b.String()
}

func (t *tortureFlags) check() error {
	switch {
	case t.output != "text" && t.output != "json":
		return fmt.Errorf("--output is %q: choose text or json", t.output)
	case t.seeds < 1 || t.cfg.For < time.Second:
		return errors.New("--seeds must be at least 1, and --for at least 1s")
	case !slices.Contains([]string{"", string(torture.KernelOn), string(torture.KernelOff), string(torture.KernelToggled)}, t.offload):
		return fmt.Errorf("--offload is %q: choose on, off or toggling", t.offload)
	case t.replicas < 0 || t.shards < 0:
		return errors.New("--replicas and --shards must not be negative")
	}
	for _, k := range t.kinds {
		if !slices.Contains(torture.Kinds(), torture.Kind(k)) {
			return fmt.Errorf("--only: there is no strike %q; there are: %s", k, kindNames())
		}
	}
	return nil
}

// run plays one seed after the other, and fails if one did.
func (t *tortureFlags) run(ctx context.Context, out, log io.Writer) (err error) {
	if t.cfg.Self, err = os.Executable(); err != nil {
		return err
	}
	account, err := t.account(ctx)
	if err != nil {
		return err
	}
	t.cfg.Log = log
	each := t.cfg.For / time.Duration(t.seeds)
	failed := 0
	for seed := t.seed; seed < t.seed+uint64(t.seeds); seed++ {
		cfg := t.cfg
		cfg.For, cfg.Plan = each, t.plan(seed)
		report, err := torture.Run(ctx, cfg)
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		if !report.OK {
			failed++
			report.Repeat = fmt.Sprintf("go run ./cmd/anode-lab torture --for %v --seed %d%s", each, seed, t.flags)
		}
		account.Runs = append(account.Runs, report)
		if err := errors.Join(t.tell(out, report), t.write(account)); err != nil {
			return err
		}
	}
	if never := account.Never(); t.report != "" && len(never) > 0 {
		fmt.Fprintf(log, "NEVER in this run, and so not tested by it: %s\n", strings.Join(never, "; "))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d seeds failed", failed, t.seeds)
	}
	return nil
}

// account begins what readers are told.
func (t *tortureFlags) account(ctx context.Context) (a *torture.Account, err error) {
	a = &torture.Account{Seeds: t.seeds, Began: time.Now(),
		Command: fmt.Sprintf("go run ./cmd/anode-lab torture --for %v --seed %d --seeds %d%s", t.cfg.For, t.seed, t.seeds, t.flags)}
	if t.report == "" {
		return a, nil
	}
	if a.Machine, err = torture.Machine(); err != nil {
		return nil, err
	}
	if a.Version, err = torture.Version(ctx, t.cfg.Program); err != nil {
		return nil, err
	}
	return a, t.write(a) // whether it can be written is known before an hour has passed
}

func (t *tortureFlags) write(a *torture.Account) error {
	if t.report == "" {
		return nil
	}
	return a.Write(t.report)
}

// plan is what the seed draws, but for what the flags say.
func (t *tortureFlags) plan(seed uint64) torture.Plan {
	p := torture.Draw(seed)
	if t.replicas > 0 {
		p.Replicas = t.replicas
	}
	if t.shards > 0 {
		p.Shards = t.shards
	}
	if t.offload != "" {
		p.Way = torture.Way(t.offload)
	}
	for _, k := range t.kinds {
		p.Only = append(p.Only, torture.Kind(k))
	}
	return p
}

func (t *tortureFlags) tell(out io.Writer, r *torture.Report) error {
	if t.output == "json" {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintln(out, r)
	return nil
}

// tortureClientsCommand is a process among the clients.
func tortureClientsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    torture.ClientsCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return torture.ServeClients(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
