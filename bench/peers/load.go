package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
)

const (
	// loaders insert the keys, whatever the number of clients.
	loaders = 64
	// opTimeout is how long one operation may take.
	opTimeout = 10 * time.Second
)

// load is a closed loop of a workload's operations.
type load struct {
	workload     workload.Config
	length, warm time.Duration
}

// result is what one run measured.
type result struct {
	System string `json:"system"`
	runner.Report
}

func (r result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%-6s %s %4d clients %9.0f op/s   p50 %7.0f us   p99 %7.0f us   cpu %6.1f us/op   %5.2f retries   steal %4.1f %%\n",
		r.System, r.Workload, r.Clients, r.OpsPerSecond, r.P50Micros, r.P99Micros, r.CPUMicrosPerOp, r.RetriesPerCommit, r.StealPercent)
	return err
}

// make returns the workload. Keys have 16 bytes.
func (l *load) make() (*workload.Workload, error) {
	cfg := l.workload
	cfg.Ordered = true
	return workload.New(cfg)
}

// clients opens so many, and what closes them.
func openClients(ctx context.Context, s system, n int) (stores []runner.Store, closeAll func(), err error) {
	var open []client
	closeAll = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for i := range n {
		c, err := s.Client(ctx)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("client %d of %s: %w", i, s.Name(), err)
		}
		open = append(open, c)
		stores = append(stores, c)
	}
	return stores, closeAll, nil
}

// fill inserts the keys.
func (l *load) fill(ctx context.Context, s system) error {
	w, err := l.make()
	if err != nil {
		return err
	}
	stores, closeAll, err := openClients(ctx, s, loaders)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := runner.Load(ctx, w, stores, opTimeout, nil); err != nil {
		return fmt.Errorf("%s: %w", s.Name(), err)
	}
	return nil
}

// run measures the system with so many clients. An operation that failed makes the run fail: a rate over answers of
// which some are errors says nothing.
func (l *load) run(ctx context.Context, s system, clients int) (result, error) {
	w, err := l.make()
	if err != nil {
		return result{}, err
	}
	stores, closeAll, err := openClients(ctx, s, clients)
	if err != nil {
		return result{}, err
	}
	defer closeAll()
	r, err := runner.Run(ctx, runner.Config{Workload: w, Stores: stores, Warmup: l.warm, For: l.length, Timeout: opTimeout})
	switch {
	case err != nil:
		return result{}, fmt.Errorf("%s: %w", s.Name(), err)
	case r.Errors+r.Aborted > 0:
		return result{}, fmt.Errorf("%s: %d operations failed, one of them: %w", s.Name(), r.Errors+r.Aborted, r.FirstError)
	}
	return result{s.Name(), *r}, nil
}
