package lab

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/client"
)

const (
	loaders    = 64
	opTimeout  = 10 * time.Second
	settleTime = 10 * time.Second
	// maxWarmup is enough for batches and neighbours; shorter runs have a quarter of their length.
	maxWarmup = 500 * time.Millisecond
	// All is every offload.
	All = "all"
	// none is the user-space path.
	none = "none"
)

// Spec says what is measured on one cluster.
type Spec struct {
	Lab      string
	Workload workload.Config
	// Batch is told in the rows: whether commands share log entries.
	Batch string
	// Clients has one row each; Connections is how many SDK clients, each with a socket, they share.
	Clients     []int
	Connections int
	// Offloads has one row each, too: what is on in the runs that have the kernel path.
	Offloads []string
	Pairs    int
	For      time.Duration
}

// Row is the kernel path held against user space. Ratios are of the first to the second, medians over the pairs.
type Row struct {
	Replicas int    `json:"replicas"`
	Clients  int    `json:"clients"`
	Shards   int    `json:"shards"`
	Workload string `json:"workload"`
	Batch    string `json:"batch"`
	// Rung is the way into the kernel that the nodes have found.
	Rung    string `json:"rung"`
	Offload string `json:"offload"`
	// OpsOn and OpsOff are committed operations a second, medians.
	OpsOn    float64 `json:"ops_on"`
	OpsOff   float64 `json:"ops_off"`
	RatioOps float64 `json:"ratio_ops"`
	// RatioOpsRange is the least and the greatest of the pairs.
	RatioOpsRange [2]float64 `json:"ratio_ops_range"`
	RatioP50      float64    `json:"ratio_p50"`
	RatioP99      float64    `json:"ratio_p99"`
	// CPUOn and CPUOff are busy microseconds of the whole machine for an operation, softirq included.
	CPUOn  float64 `json:"cpu_us_on"`
	CPUOff float64 `json:"cpu_us_off"`
	// FastShare is the part that went the fast way while it was on, see [counts.share].
	FastShare float64 `json:"fast_share"`
	// Errors failed or were aborted, on either way. StealPercent is the worst of all runs.
	Errors       int64   `json:"errors"`
	StealPercent float64 `json:"steal_percent"`
	// Network is how nodes reach each other: "namespaces" over a bridge, or "loopback".
	Network string `json:"network"`
}

// measurement is a spec that is being measured.
type measurement struct {
	*Spec
	lab  *Lab
	work *workload.Workload
	dbs  []*client.Client
	rung string
	log  io.Writer
}

// Measure has the cluster do the same with the kernel path and without, in turns. It is to be called in the clients'
// namespace, where [Lab.Command] has its commands; log takes a line for each run.
func Measure(ctx context.Context, spec Spec, log io.Writer) (rows []Row, err error) {
	m := &measurement{Spec: &spec, log: log}
	if m.lab, err = Open(spec.Lab); err != nil {
		return nil, err
	}
	if m.work, err = workload.New(spec.Workload); err != nil {
		return nil, err
	}
	defer m.close()
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	if err := runner.Load(ctx, m.work, m.stores(loaders), opTimeout, nil); err != nil {
		return nil, err
	}
	for _, clients := range spec.Clients {
		for _, offload := range spec.Offloads {
			row, err := m.row(ctx, clients, offload)
			if err != nil {
				return nil, fmt.Errorf("%d clients, %s: %w", clients, offload, err)
			}
			rows = append(rows, *row)
		}
	}
	return rows, nil
}

func (m *measurement) open(ctx context.Context) error {
	b, err := os.ReadFile(m.lab.KeyFile())
	if err != nil {
		return err
	}
	_, digits, _ := strings.Cut(string(b), "client: ")
	key, err := hex.DecodeString(strings.TrimSpace(digits))
	if err != nil {
		return fmt.Errorf("%s: %w", m.lab.KeyFile(), err)
	}
	for range max(1, m.Connections) {
		db, err := client.Open(ctx, client.Config{Servers: m.lab.Servers(), Key: key})
		if err != nil {
			return err
		}
		m.dbs = append(m.dbs, db)
	}
	for i := range m.lab.Nodes() {
		s, err := m.lab.Status(ctx, i)
		switch {
		case err != nil:
			return err
		case s.Offload.Rung == "":
			return fmt.Errorf("node %s is in user space, because %s", s.Node, s.Offload.Why)
		case m.rung != "" && m.rung != s.Offload.Rung:
			return fmt.Errorf("node %s is at %s, and others are at %s", s.Node, s.Offload.Rung, m.rung)
		}
		m.rung = s.Offload.Rung
	}
	return nil
}

func (m *measurement) close() {
	for _, db := range m.dbs {
		_ = db.Close()
	}
}

func (m *measurement) stores(n int) []runner.Store {
	stores := make([]runner.Store, n)
	for i := range stores {
		stores[i] = &runner.Anode{DB: m.dbs[i%len(m.dbs)]}
	}
	return stores
}

func (m *measurement) row(ctx context.Context, clients int, offload string) (*Row, error) {
	var on, off []*runner.Report
	var sum counts
	for pair := range m.Pairs {
		order := []string{offload, none}
		if pair%2 == 1 {
			slices.Reverse(order) // or what slows the machine down over time would always meet the same one
		}
		for _, way := range order {
			report, spent, err := m.run(ctx, clients, way)
			if err != nil {
				return nil, err
			}
			if way == none {
				off = append(off, report)
			} else {
				on, sum = append(on, report), sum.plus(spent)
			}
		}
	}
	row := m.compare(on, off)
	row.Clients, row.Offload, row.FastShare = clients, offload, sum.share(offload)
	return row, nil
}

// run is one turn, with one way.
func (m *measurement) run(ctx context.Context, clients int, way string) (*runner.Report, counts, error) {
	if err := m.switchTo(ctx, way); err != nil {
		return nil, counts{}, err
	}
	before, err := m.lab.count(ctx)
	if err != nil {
		return nil, counts{}, err
	}
	report, err := runner.Run(ctx, runner.Config{Workload: m.work, Stores: m.stores(clients),
		Warmup: min(maxWarmup, m.For/4), For: m.For, Timeout: opTimeout})
	if err != nil {
		return nil, counts{}, err
	}
	after, err := m.lab.count(ctx)
	fmt.Fprintf(m.log, "%d replicas, batch %s, %d clients, offload %s: %.0f op/s, p50 %.0f us, p99 %.0f us, cpu %.1f us/op\n",
		m.lab.Replicas(), m.Batch, clients, way, report.OpsPerSecond, report.P50Micros, report.P99Micros, report.CPUMicrosPerOp)
	return report, after.minus(before), err
}

// switchTo returns when every replica does what is wanted.
func (m *measurement) switchTo(ctx context.Context, way string) error {
	if err := m.lab.SetOffloads(ctx, way); err != nil {
		return err
	}
	if way != All && !strings.Contains(way, "ack") {
		return nil
	}
	for until := time.Now().Add(settleTime); ; time.Sleep(5 * time.Millisecond) {
		now, err := m.lab.count(ctx)
		if err != nil {
			return err
		}
		if now.armed == m.lab.Shards()*(m.lab.Replicas()-1) {
			return nil
		}
		if time.Now().After(until) {
			return errors.New("the followers' programs are not armed: `anode status` tells why")
		}
		// Followers arm with what they hear from the leader.
		if err := m.dbs[0].Put(ctx, "armed", nil); err != nil {
			return err
		}
	}
}
