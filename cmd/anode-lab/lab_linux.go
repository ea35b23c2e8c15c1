package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/torture"
	"github.com/anodekv/anode/shard/server"
)

// labCommands need network namespaces.
func labCommands() []*cobra.Command {
	return []*cobra.Command{upCommand(), downCommand(), runCommand(), offloadCommand(), clientsCommand(), tortureCommand(), tortureClientsCommand(), figuresCommand()}
}

func nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "lab", "which lab, where there are several")
}

func upCommand() *cobra.Command {
	var cfg lab.Config
	var offload string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make a cluster of network namespaces on this machine",
		Long: `Make a cluster on this machine: every node is a process in a network namespace of its own, and so are the clients and the
bridge between them. It stays until it is taken down. Nothing is added to the machine's own network. It takes root and
the program ip.`,
		Example: "  anode-lab up --replicas 5 --shards 4\n  anode-lab run -- anode bench --workload put\n  anode-lab down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Offload, err = server.ParseOffloadMode(offload); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return withProgram(ctx, &cfg, func() error { return up(ctx, cfg, cmd.OutOrStdout()) })
		},
	}
	nameFlag(cmd, &cfg.Name)
	f := cmd.Flags()
	f.IntVar(&cfg.Replicas, "replicas", 3, "nodes, and replicas of each shard: 3, 5 or 7")
	f.IntVar(&cfg.Shards, "shards", 1, "how many shards")
	f.StringVar(&offload, "offload", "auto", "the kernel path: auto, on or off")
	f.IntVar(&cfg.BatchCommands, "batch-commands", 0, "commands in one log entry at most; 0 is as many as there is room for")
	f.StringVar(&cfg.Program, "program", "", "path of the anode binary; it is built from this tree if none is given")
	return cmd
}

// withProgram builds the program, with some tags, if none was given. A process keeps its file when that is removed.
func withProgram(ctx context.Context, cfg *lab.Config, f func() error, tags ...string) error {
	if cfg.Program != "" {
		return f()
	}
	dir, err := os.MkdirTemp("", "anode-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory of /tmp
	if cfg.Program, err = lab.Build(ctx, dir, tags...); err != nil {
		return err
	}
	return f()
}

func up(ctx context.Context, cfg lab.Config, out io.Writer) error {
	l, err := lab.Up(ctx, cfg)
	if err != nil {
		return err
	}
	for i, n := range l.Nodes() {
		s, err := l.Status(ctx, i)
		if err != nil {
			return err
		}
		way := s.Offload.Rung
		if way == "" {
			way = "user space, because " + s.Offload.Why
		}
		fmt.Fprintf(out, "%s at %s: %s\n", n.Name, l.Servers()[i], way)
	}
	fmt.Fprintf(out, "files are in %s\n", l.Dir())
	return nil
}

func downCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Take a cluster of network namespaces away",
		Long: `Take a cluster that "up" has made away: its processes, its namespaces and all that runs in them, its files. It finds what is
left, too, when "up" was killed half-way, or a torture of that name was.`,
		Example: "  anode-lab down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := lab.Down(cmd.Context(), name)
			if err == nil || errors.Is(err, lab.ErrNone) { // whose name is one
				err = errors.Join(err, torture.DropDisks(name))
			}
			return err
		},
	}
	nameFlag(cmd, &name)
	return cmd
}

func runCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "run -- COMMAND",
		Short: "Run a command in the clients' namespace",
		Long: `Run a command in the clients' namespace of a cluster that "up" has made, with ANODE_SERVERS and ANODE_KEY_FILE set. The exit
code is the command's.`,
		Example: "  anode-lab run -- anode bench --workload put --clients 32\n  anode-lab run -- curl -s 10.77.0.10:7070/status",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			c := l.Command(cmd.Context(), args[0], args[1:]...)
			c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
			err = c.Run()
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				os.Exit(max(1, exit.ExitCode()))
			}
			return err
		},
	}
	nameFlag(cmd, &name)
	return cmd
}
