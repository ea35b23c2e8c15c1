package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/cmd/anode/internal/demo"
	"github.com/anodekv/anode/shard/server"
)

const (
	minDemo      = 3 * time.Second
	maxDemo      = time.Hour
	maxDemoNodes = 9
	maxDemoShard = 64
)

func demoCommand() *cobra.Command {
	var cfg demo.Config
	var output, offload string
	var stand standing
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a cluster in this process, load it, kill nodes, and check everything",
		Long: `Run a whole cluster in this process, on loopback, without need of root and without writing a file. Workers move
money between accounts on several shards and read and write single keys; meanwhile nodes are killed, one at a
time, and started again without their memory. At the end the money is counted and the whole history is checked for
linearizability and strict serializability.

The story goes to standard error, and the live rates too if it is a terminal; the verdict goes to standard output. The
exit code is 0 if every promise was kept, and 1 otherwise.

The nodes use the kernel path where this process may, as root may: --offload auto attaches programs to the loopback and
says so, --offload on fails where it cannot, and --offload off leaves the kernel alone.

With --listen there is no load and nothing is killed: the cluster is left up until SIGINT or SIGTERM, which end it with
exit code 0, for you to try the other commands on. Its servers are written to standard output as one line, as
--servers and ANODE_SERVERS take them, when it serves; with -o json together with the admin addresses. It has no keys
unless --key-file gives some, and without them listens on loopback alone.`,
		Example: "  anode demo\n  anode demo --for 20s --nodes 5 --shards 6 -o json\n  anode demo --listen 127.0.0.1:7000",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			mode, bad := server.ParseOffloadMode(offload)
			if err := errors.Join(stand.check(cmd), checkDemo(&cfg, output), bad); err != nil {
				return err
			}
			cfg.Offload, stand.offload = mode, mode
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if stand.listen != "" {
				stand.output = output
				return standAlone(ctx, &stand, cfg.Nodes, cfg.Shards)
			}
			cfg.Story, cfg.Progress = os.Stderr, progress()
			// The story tells itself how far the nodes came into the kernel, of which each would warn at every start.
			cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
			report, err := demo.Run(ctx, cfg)
			if err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			return printDemo(report, output)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&cfg.For, "for", 10*time.Second, "how long the load runs")
	f.IntVar(&cfg.Nodes, "nodes", 3, "number of nodes; each shard has a replica on three of them")
	f.IntVar(&cfg.Shards, "shards", 4, "number of shards")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the load and of the choice of the nodes that are killed")
	f.StringVar(&offload, "offload", server.OffloadAuto.String(), "the kernel path: auto, on or off")
	choices(cmd, "offload", "auto", "on", "off")
	outputFlag(cmd, &output)
	stand.flags(cmd)
	return cmd
}

func checkDemo(cfg *demo.Config, output string) error {
	switch {
	case cfg.For < minDemo || cfg.For > maxDemo:
		return fmt.Errorf("--for is %v: choose between %v and %v", cfg.For, minDemo, maxDemo)
	case cfg.Nodes != 1 && cfg.Nodes < 3 || cfg.Nodes > maxDemoNodes:
		return fmt.Errorf("--nodes is %d: choose 1, or 3 to %d", cfg.Nodes, maxDemoNodes)
	case cfg.Shards < 1 || cfg.Shards > maxDemoShard:
		return fmt.Errorf("--shards is %d: choose between 1 and %d", cfg.Shards, maxDemoShard)
	case output != "text" && output != "json":
		return fmt.Errorf("--output is %q: choose text or json", output)
	}
	return nil
}

// errBroken makes the exit code tell what the report says.
var errBroken = errors.New("a promise was broken; the reasons stand above")

func printDemo(r *demo.Report, output string) error {
	if output == "json" {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		fmt.Println(string(line))
	} else {
		fmt.Printf("committed %d, aborted %d, unknown %d, leader changes %d, %d operations checked\n",
			r.Committed, r.Aborted, r.Unknown, r.LeaderChanges, r.OperationsChecked)
		fmt.Printf("money ok: %v\nlinearizable: %v\nstrictly serializable: %v\n", r.MoneyOK, r.Linearizable, r.StrictSerializable)
	}
	if !r.OK() {
		return errBroken
	}
	return nil
}
