package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/config"
)

const (
	maxBench        = 24 * time.Hour
	maxBenchClients = 10_000
	// benchLoaders insert the keys, whatever the number of clients: loading is not what is measured.
	benchLoaders = 64
)

var benchOutputs = []string{"text", "json", "csv"}

// benchmark is what the flags of anode bench say.
type benchmark struct {
	access       *access
	workload     workload.Config
	distribution string
	order        string
	clients      int
	connections  int
	rate         float64
	warmup, time time.Duration
	attempts     int
	noLoad       bool
	noHeader     bool
}

func benchCommand() *cobra.Command {
	var b benchmark
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Load a cluster and measure it",
		Long: `Insert keys, ask the cluster for a workload's operations for a while, and write one line of what was measured. The keys
begin with "user" and stay: do not run it where such keys matter.

Workloads:
  put, get       one key
  rmw2           read two keys and write both, as one transaction
  ycsb-a … -f    the core workloads of YCSB; a record is one value of 1,000 bytes, and f's read-modify-write a transaction
  retwis         transactions of 1 to 10 keys: 5 % add user, 15 % follow, 30 % post, 50 % timeline

The distribution is the workload's own unless --distribution says otherwise: zipfian, with the constant 0.99 and scattered
over all keys, for YCSB, latest for ycsb-d, and uniform for the rest.

Without --rate each client asks again as soon as it is answered. With it requests fall due at a fixed rate, and their latency
counts from when they were due: nothing that waits because the cluster stalls is left out.

Fields of json and csv: ops_per_s and the latencies are those of committed operations; retries_per_commit is how often
transactions were run again because others were faster, aborted how many were given up for that, errors how many failed
or have an unknown outcome; cpu_us_per_op is the busy time of this whole machine, which is all that there is if servers and load
run on it; steal_percent what other guests of the host took of it: with more than a few the figures say little; missing
counts keys that were read and are not there. The live rate stands on standard error if that is a terminal.

--timeout is for each operation, and for finding the cluster.` + accessHelp + `

The exit code is 0 when it was measured, though some operations may have failed, and 1 when nothing could be.`,
		Example: "  anode bench --workload ycsb-a --clients 64 --for 30s\n  anode bench --workload rmw2 --distribution zipfian --keys 1000 -o json\n" +
			"  anode bench --workload get --rate 5000 --clients 128 -o csv",
		Args: noArgs,
	}
	b.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		w, err := b.check()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return b.run(ctx, w)
	}
	return cmd
}

func (b *benchmark) flags(cmd *cobra.Command) {
	b.access = &access{cmd: cmd}
	reachFlags(cmd)
	f := cmd.Flags()
	choice := func(value *string, name, short, preset, usage string, values []string) {
		f.StringVarP(value, name, short, preset, usage+strings.Join(values, ", "))
		choices(cmd, name, values...)
	}
	var distributions []string
	for _, d := range workload.Distributions {
		distributions = append(distributions, string(d))
	}
	choice(&b.workload.Name, "workload", "w", "ycsb-a", "what is asked for: ", workload.Names())
	choice(&b.distribution, "distribution", "", "", "which keys come up how often, if not as the workload says: ", distributions)
	choice(&b.order, "insert-order", "", "hashed", "how keys inserted in a row lie: ", []string{"hashed", "ordered"})
	choice(&b.access.output, "output", "o", "text", "", benchOutputs)
	f.IntVar(&b.workload.Keys, "keys", 100_000, "how many keys there are at first")
	f.IntVar(&b.workload.ValueBytes, "value-bytes", 0, "size of the values; 0 is the workload's own, 1000 for YCSB and else 100")
	f.IntVar(&b.clients, "clients", 64, "how many operations are under way at once, at most")
	f.IntVar(&b.connections, "connections", 1, "how many SDK clients, each with a socket, the clients share")
	f.Float64Var(&b.rate, "rate", 0, "operations due per second, over all clients; 0 is as many as the clients can")
	f.DurationVar(&b.warmup, "warmup", 2*time.Second, "how long it runs before it is measured")
	f.DurationVar(&b.time, "for", 10*time.Second, "how long it is measured")
	f.IntVar(&b.attempts, "attempts", 0, "run a transaction no more often than this when others are faster; 0 leaves it to --timeout")
	f.Uint64Var(&b.workload.Seed, "seed", 1, "seed of the choice of keys")
	f.BoolVar(&b.noLoad, "no-load", false, "leave out inserting the keys: they are there from a run before")
	f.BoolVar(&b.noHeader, "no-header", false, "with -o csv: leave out the line with the names of the fields")
}

// check makes the workload.
func (b *benchmark) check() (*workload.Workload, error) {
	switch {
	case !slices.Contains(benchOutputs, b.access.output):
		return nil, fmt.Errorf("--output is %q: choose text, json or csv", b.access.output)
	case b.clients < 1 || b.clients > maxBenchClients:
		return nil, fmt.Errorf("--clients is %d: choose between 1 and %d", b.clients, maxBenchClients)
	case b.connections < 1 || b.connections > b.clients:
		return nil, fmt.Errorf("--connections is %d: choose between 1 and the number of clients, %d", b.connections, b.clients)
	case b.rate < 0 || b.rate > runner.MaxRate:
		return nil, fmt.Errorf("--rate is %g: choose one up to %d, or 0 for a closed loop", b.rate, runner.MaxRate)
	case b.time <= 0 || b.time > maxBench || b.warmup < 0 || b.warmup > maxBench:
		return nil, fmt.Errorf("--for is %v and --warmup %v: choose times up to %v, and more than nothing to measure", b.time, b.warmup, maxBench)
	case b.attempts < 0:
		return nil, fmt.Errorf("--attempts is %d: choose a number, or 0 for as many as --timeout allows", b.attempts)
	case b.order != "hashed" && b.order != "ordered":
		return nil, fmt.Errorf("--insert-order is %q: choose hashed or ordered", b.order)
	}
	b.workload.Distribution, b.workload.Ordered = workload.Distribution(b.distribution), b.order == "ordered"
	return workload.New(b.workload)
}

func (b *benchmark) run(ctx context.Context, w *workload.Workload) error {
	c, err := b.access.load()
	if err != nil {
		return err
	}
	var live io.Writer
	if terminal(os.Stderr) {
		live = os.Stderr
	}
	dbs := make([]*client.Client, b.connections)
	for i := range dbs {
		if dbs[i], err = openWithin(ctx, &c); err != nil {
			return unopened(err, &c)
		}
		defer dbs[i].Close()
	}
	if !b.noLoad {
		if err := runner.Load(ctx, w, b.stores(dbs, max(benchLoaders, b.connections)), c.Timeout, live); err != nil {
			return explain(err, c.Timeout)
		}
	}
	report, err := runner.Run(ctx, runner.Config{Workload: w, Stores: b.stores(dbs, b.clients), Rate: b.rate,
		Warmup: b.warmup, For: b.time, Timeout: c.Timeout, Progress: live})
	if err != nil {
		return explain(err, c.Timeout)
	}
	return b.print(report)
}

func openWithin(ctx context.Context, c *config.Client) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return client.Open(ctx, client.Config{Servers: c.Servers, Key: c.Key, AlsoKey: c.AlsoKey})
}

func (b *benchmark) stores(dbs []*client.Client, n int) []runner.Store {
	stores := make([]runner.Store, n)
	for i := range stores {
		stores[i] = &runner.Anode{DB: dbs[i%len(dbs)], Attempts: b.attempts}
	}
	return stores
}

func (b *benchmark) print(r *runner.Report) error {
	if r.FirstError != nil {
		fmt.Fprintf(os.Stderr, "%d aborted and %d errors, one of them: %v\n", r.Aborted, r.Errors, r.FirstError)
	}
	var err error
	switch b.access.output {
	case "json":
		err = r.JSON(os.Stdout)
	case "csv":
		err = r.CSV(os.Stdout, !b.noHeader)
	default:
		err = r.Text(os.Stdout)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
