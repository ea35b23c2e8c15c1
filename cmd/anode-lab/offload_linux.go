package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/shard/server"
)

const maxClients = 10_000

var measuredWorkloads = []string{"put", "rmw2", "retwis"}

// offload is what the flags of anode-lab offload say.
type offload struct {
	cfg      lab.Config
	spec     lab.Spec
	replicas []int
	batch    string
	ablate   bool
	output   string
}

func offloadCommand() *cobra.Command {
	var o offload
	cmd := &cobra.Command{
		Use:   "offload",
		Short: "Measure what the kernel path gives, in a cluster of network namespaces",
		Long: `Measure what the kernel path gives: for each number of replicas a cluster of network namespaces is made, and its clients do the
same with the kernel path on and off, in turns. Ratios are on to off, medians over the pairs; cpu_us is the busy time of the
whole machine for an operation, softirq and the load included; fast_share is the part of the followers' entries that the programs
acknowledged, and where acknowledging is off, the part of the leader's entries that were sent once for all (broadcast), or of the
acknowledgements that its programs counted for it (quorum).

With --loopback all nodes are on addresses of one loopback, as in "anode demo", and share one namespace with the clients.

With --batch off each log entry holds one command. With --ablate there is a row for each offload alone; then --replicas is 5 and
--clients 32 unless they are given. The figures are worth something only on a machine that does nothing else: steal_percent tells what
other guests of the host took. It takes root.`,
		Example: "  anode-lab offload --replicas 3,5,7 --clients 1,32,256 --batch both --pairs 5 --for 5s -o json\n" +
			"  anode-lab offload --workload retwis --shards 4 -o csv\n  anode-lab offload --ablate",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return withProgram(ctx, &o.cfg, func() error { return o.run(ctx, cmd.OutOrStdout()) })
		},
	}
	f := cmd.Flags()
	f.IntSliceVar(&o.replicas, "replicas", []int{3, 5, 7}, "numbers of replicas")
	f.IntSliceVar(&o.spec.Clients, "clients", []int{1, 32, 256}, "numbers of operations under way at once")
	f.IntVar(&o.spec.Connections, "connections", 1, "how many SDK clients, each with a socket, the clients share")
	f.StringVar(&o.batch, "batch", "both", "whether commands share log entries: on, off or both")
	f.IntVar(&o.spec.Pairs, "pairs", 5, "runs with the kernel path, and as many without")
	f.DurationVar(&o.spec.For, "for", 5*time.Second, "how long each is measured")
	f.StringVar(&o.spec.Workload.Name, "workload", "put", "what is asked for: put, rmw2 or retwis")
	f.IntVar(&o.spec.Workload.Keys, "keys", 10_000, "how many keys there are")
	f.IntVar(&o.spec.Workload.ValueBytes, "value-bytes", 0, "size of the values; 0 is the workload's own, 100")
	f.IntVar(&o.cfg.Shards, "shards", 1, "how many shards")
	f.StringVar(&o.cfg.Name, "name", "offload", "what the clusters are called, where several commands measure")
	f.BoolVar(&o.cfg.Loopback, "loopback", false, "all nodes on one loopback in place of a namespace each; then --replicas is 3 and --clients 32 unless they are given")
	f.BoolVar(&o.ablate, "ablate", false, "each offload alone, too")
	f.StringVarP(&o.output, "output", "o", "json", "json or csv")
	f.StringVar(&o.cfg.Program, "program", "", "path of the anode binary; it is built from this tree if none is given")
	return cmd
}

func (o *offload) check(cmd *cobra.Command) error {
	o.cfg.Owned, o.cfg.Offload, o.spec.Lab = true, server.OffloadOn, o.cfg.Name
	o.spec.Offloads = []string{lab.All}
	if o.ablate {
		o.spec.Offloads = append(o.spec.Offloads, "ack", "broadcast", "quorum")
	}
	if o.ablate || o.cfg.Loopback {
		usual := 5
		if o.cfg.Loopback {
			usual = 3
		}
		if !cmd.Flags().Changed("replicas") {
			o.replicas = []int{usual}
		}
		if !cmd.Flags().Changed("clients") {
			o.spec.Clients = []int{32}
		}
	}
	bad := func(n int) bool { return n < 1 || n > maxClients }
	switch {
	case o.output != "json" && o.output != "csv":
		return fmt.Errorf("--output is %q: choose json or csv", o.output)
	case o.batch != "on" && o.batch != "off" && o.batch != "both":
		return fmt.Errorf("--batch is %q: choose on, off or both", o.batch)
	case !slices.Contains(measuredWorkloads, o.spec.Workload.Name):
		return fmt.Errorf("--workload is %q: choose one of %v", o.spec.Workload.Name, measuredWorkloads)
	case len(o.replicas) == 0 || len(o.spec.Clients) == 0 || slices.ContainsFunc(o.spec.Clients, bad) || bad(o.spec.Connections):
		return fmt.Errorf("--replicas, --clients and --connections: give numbers of clients from 1 to %d, and of replicas 3, 5 or 7", maxClients)
	case o.spec.Pairs < 1 || o.spec.For < 100*time.Millisecond:
		return errors.New("--pairs must be at least 1, and --for at least 100ms")
	}
	_, err := workload.New(o.spec.Workload)
	return err
}

func (o *offload) run(ctx context.Context, out io.Writer) error {
	rows := []lab.Row{}
	for _, replicas := range o.replicas {
		for _, batch := range []string{"off", "on"} {
			if o.batch != "both" && o.batch != batch {
				continue
			}
			o.cfg.Replicas, o.cfg.BatchCommands, o.spec.Batch = replicas, 0, batch
			if batch == "off" {
				o.cfg.BatchCommands = 1
			}
			more, err := o.cluster(ctx)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
	}
	if o.output == "csv" {
		return writeCSV(out, rows)
	}
	return json.NewEncoder(out).Encode(map[string]any{"rows": rows})
}

// cluster makes one, and has it measured by a process that lives among its clients.
func (o *offload) cluster(ctx context.Context) (rows []lab.Row, err error) {
	l, err := lab.Up(ctx, o.cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.Down(context.WithoutCancel(ctx), o.cfg.Name)) }()
	spec, err := json.Marshal(&o.spec)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := l.Command(ctx, self, "offload-clients")
	var answer bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(spec), &answer, os.Stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("the clients: %w", err)
	}
	return rows, json.Unmarshal(answer.Bytes(), &rows)
}

// clientsCommand is the process among the clients: it reads what to measure, and writes rows.
func clientsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "offload-clients",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var spec lab.Spec
			if err := json.NewDecoder(cmd.InOrStdin()).Decode(&spec); err != nil {
				return fmt.Errorf("what to measure: %w", err)
			}
			rows, err := lab.Measure(cmd.Context(), spec, os.Stderr)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(rows)
		},
	}
}

// writeCSV writes a line for each row below one with the names, which are those of JSON. A range is two columns.
func writeCSV(out io.Writer, rows []lab.Row) error {
	w := csv.NewWriter(out)
	write := func(r lab.Row, cell func(name string, value any) string) {
		var cells []string
		v := reflect.ValueOf(r)
		for i := range v.NumField() {
			name, value := v.Type().Field(i).Tag.Get("json"), v.Field(i).Interface()
			if span, ok := value.([2]float64); ok {
				cells = append(cells, cell(name+"_min", span[0]), cell(name+"_max", span[1]))
				continue
			}
			cells = append(cells, cell(name, value))
		}
		_ = w.Write(cells) // Error tells
	}
	write(lab.Row{}, func(name string, _ any) string { return name })
	for _, r := range rows {
		write(r, func(_ string, value any) string { return fmt.Sprint(value) })
	}
	w.Flush()
	return w.Error()
}
