package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/workload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "peers",
		Short:         "Measure anode and what could be used instead, on one machine, in one run",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(measureCommand(), compareCommand(), raftNodeCommand())
	return root
}

// measureCommand measures one system alone.
func measureCommand() *cobra.Command {
	l, opts := load{}, options{}
	clients, asJSON := 0, false
	cmd := &cobra.Command{
		Use:       "measure raft|anode",
		Short:     "Measure one system: three processes on loopback, everything in memory",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"raft", "anode"},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := pick(systems(opts), args[0])
			if err != nil {
				return err
			}
			defer s.Stop()
			if err := s.Start(cmd.Context()); err != nil {
				return err
			}
			if err := l.fill(cmd.Context(), s); err != nil {
				return err
			}
			r, err := l.run(cmd.Context(), s, clients)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().IntVar(&clients, "clients", 64, "clients in a closed loop")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	l.flags(cmd, 5*time.Second)
	opts.flags(cmd)
	return cmd
}

func (l *load) flags(cmd *cobra.Command, length time.Duration) {
	cmd.Flags().DurationVar(&l.length, "for", length, "how long to measure")
	cmd.Flags().DurationVar(&l.warm, "warm", 500*time.Millisecond, "how long to run before measuring")
	cmd.Flags().StringVar(&l.workload.Name, "workload", "put", "what is asked for: "+strings.Join(workload.Names(), ", "))
	cmd.Flags().StringVar((*string)(&l.workload.Distribution), "distribution", "", "which keys come up how often, if not as the workload says: uniform, zipfian or latest")
	cmd.Flags().IntVar(&l.workload.Keys, "keys", 100_000, "different keys, each of 16 bytes")
	cmd.Flags().IntVar(&l.workload.ValueBytes, "value-bytes", 100, "size of a value")
}

func (o *raftOptions) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.conns, "raft-conns", 1, "connections that all clients of raft share; 0 gives each its own")
	cmd.Flags().IntVar(&o.maxAppendEntries, "raft-max-append-entries", 512, "raft's MaxAppendEntries")
	cmd.Flags().BoolVar(&o.verifyEach, "raft-verify-each", false, "raft makes sure that it leads for each linearizable read, instead of once for all that wait")
}
