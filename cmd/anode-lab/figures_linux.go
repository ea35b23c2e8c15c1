package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/torture"
)

func figuresCommand() *cobra.Command {
	cfg := torture.FiguresConfig{}
	var report string
	cmd := &cobra.Command{
		Use:   "figures",
		Short: "Measure what failures cost, in clusters of network namespaces",
		Long: `Measure what failures cost a cluster of three nodes and two shards with default settings and the kernel path on: for how long nobody serves when a
leader is killed, whether leaders change under a full load without a cause, how long a node takes to serve again what it held, how long
the keys of a client that vanished stay locked, and what is left of the throughput under loss and while nodes are restarted in turn. The
figures are worth something only on a machine that does nothing else. It takes root, ip and nft.`,
		Example: "  anode-lab figures --report figures.json\n  anode-lab figures --losses 10 --keys 100000 --restarts 1 --load 3s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Losses < 1 || cfg.Orphans < 1 || cfg.Restarts < 1 || cfg.Keys < 1 || cfg.Load < time.Second {
				return errors.New("--losses, --orphans, --restarts and --keys must be at least 1, and --load at least 1s")
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
				return figures(ctx, cfg, report)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Parts, "parts", torture.FigureParts(), "what is measured")
	f.IntVar(&cfg.Losses, "losses", 30, "how many leaders are killed")
	f.IntVar(&cfg.Orphans, "orphans", 50, "how many clients vanish")
	f.IntVar(&cfg.Keys, "keys", 1_000_000, "how many keys a node holds that is restarted")
	f.IntVar(&cfg.Restarts, "restarts", 3, "how often it is")
	f.DurationVar(&cfg.Load, "load", 10*time.Second, "how long throughput is measured each time")
	f.Uint64Var(&cfg.Seed, "seed", 1, "what packets are lost and keys are drawn from")
	f.StringVar(&cfg.Name, "name", "figures", "name of the labs")
	f.StringVar(&cfg.Program, "program", "", "path of the anode binary; it is built from this tree if none is given")
	f.StringVar(&report, "report", "", "a file for the figures, besides the last line")
	return cmd
}

func figures(ctx context.Context, cfg torture.FiguresConfig, report string) error {
	out, err := torture.Measure(ctx, cfg)
	if err != nil {
		return err
	}
	line, err := json.Marshal(out)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if report != "" {
		if err := os.WriteFile(report, line, 0o644); err != nil {
			return err
		}
	}
	_, err = os.Stdout.Write(line)
	return err
}
