package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/torture"
)

func figuresCommand() *cobra.Command {
	cfg := torture.FiguresConfig{}
	var report, tortured string
	cmd := &cobra.Command{
		Use:   "figures",
		Short: "Measure what failures cost, in clusters of network namespaces",
		Long: `Measure what failures cost a cluster of three nodes and two shards with default settings and the kernel path on: for how long nobody serves when a
leader is killed, whether leaders change under a full load without a cause, how long a node takes to serve again what it held, how long
the keys of a client that vanished stay locked, and what is left of the throughput under loss and while nodes are restarted in turn. The
figures are worth something only on a machine that does nothing else. The last line has them in JSON; --report writes a page, with the version, the
machine and the seed. It takes root, ip and nft.`,
		Example: "  anode-lab figures --report figures.md\n  anode-lab figures --parts restarts --keys 100000 --restarts 1\n" +
			"  anode-lab torture --for 1h --seeds 25 -o json > torture.json; anode-lab figures --torture torture.json --report figures.md",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Losses < 1 || cfg.Orphans < 1 || cfg.Restarts < 1 || cfg.Keys < 1 || cfg.Load < time.Second {
				return errors.New("--losses, --orphans, --restarts and --keys must be at least 1, and --load at least 1s")
			}
			var survived *torture.Sums
			if tortured != "" {
				runs, err := torture.ReadReports(tortured)
				if err != nil {
					return err
				}
				sums := torture.SumUp(runs)
				survived = &sums
			}
			inside, code, err := lab.Isolate()
			if err != nil {
				return err
			}
			if !inside {
				os.Exit(code)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			cfg.Log = cmd.ErrOrStderr()
			built := lab.Config{Program: cfg.Program}
			return withProgram(ctx, &built, func() error {
				cfg.Program = built.Program
				out, err := torture.Measure(ctx, cfg)
				if err != nil {
					return err
				}
				out.Survived = survived
				return tellFigures(out, report, cmd)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Parts, "parts", torture.FigureParts(), "what is measured; any of these")
	f.IntVar(&cfg.Losses, "losses", 30, "how many leaders are killed")
	f.IntVar(&cfg.Orphans, "orphans", 50, "how many clients vanish")
	f.IntVar(&cfg.Keys, "keys", 1_000_000, "how many keys a node holds that is restarted")
	f.IntVar(&cfg.Restarts, "restarts", 3, "how often it is")
	f.DurationVar(&cfg.Load, "load", 10*time.Second, "how long throughput is measured each time")
	f.Uint64Var(&cfg.Seed, "seed", 1, "what packets are lost and keys are drawn from")
	f.StringVar(&cfg.Name, "name", "figures", "name of the labs")
	f.StringVar(&cfg.Program, "program", "", "path of the anode binary; it is built from this tree if none is given")
	f.StringVar(&report, "report", "", "a file for a page about the figures, in Markdown")
	f.StringVar(&tortured, "torture", "", "a file that a torture has written with -o json: how many hours and faults were survived stands beside the figures")
	return cmd
}

func tellFigures(out *torture.Figures, report string, cmd *cobra.Command) error {
	if report != "" {
		var given strings.Builder
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if !slices.Contains([]string{"report", "program", "name", "torture"}, f.Name) {
				fmt.Fprintf(&given, " --%s %s", f.Name, strings.Trim(f.Value.String(), "[]"))
			}
		})
		if err := out.Write(report, "go run ./cmd/anode-lab figures"+given.String()); err != nil {
			return err
		}
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(out)
}
