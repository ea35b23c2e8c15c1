package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// keyBytes is the size of every key: "key-" and twelve digits.
const keyBytes = 16

const (
	// Latencies are recorded in nanoseconds between these bounds, to three digits.
	minLatency = time.Microsecond
	maxLatency = time.Minute
)

// load is a closed loop of puts of uniformly random keys.
type load struct {
	length, warm time.Duration
	keys         int
	valueBytes   int
}

// result is what one run measured.
type result struct {
	System       string  `json:"system"`
	Clients      int     `json:"clients"`
	Ops          int64   `json:"ops"`
	OpsPerSecond float64 `json:"ops_per_second"`
	P50Micros    float64 `json:"p50_us"`
	P99Micros    float64 `json:"p99_us"`
	// CPUMicrosPerOp is the whole machine's busy time, load generator included, over the puts.
	CPUMicrosPerOp float64 `json:"cpu_us_per_op"`
	// StealPercent is the share of the machine's time that the hypervisor gave to others.
	StealPercent float64 `json:"steal_percent"`
}

func (r result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%-6s %4d clients %9.0f put/s   p50 %7.0f us   p99 %7.0f us   cpu %6.1f us/op   steal %4.1f %%\n",
		r.System, r.Clients, r.OpsPerSecond, r.P50Micros, r.P99Micros, r.CPUMicrosPerOp, r.StealPercent)
	return err
}

// run measures the system with so many clients. The first put that fails ends it: a rate over answers of
// which some are errors says nothing.
func (l *load) run(ctx context.Context, s system, clients int) (result, error) {
	if clients < 1 || l.keys < 1 || l.valueBytes < 0 || l.length <= 0 {
		return result{}, errors.New("need at least one client, one key and some time to measure")
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var measuring, done atomic.Bool
	loops := make([]*loop, clients)
	for i := range loops {
		c, err := s.Client(ctx)
		if err != nil {
			return result{}, fmt.Errorf("client %d of %s: %w", i, s.Name(), err)
		}
		defer c.Close()
		loops[i] = newLoop(c, l, uint64(i), &measuring, &done)
	}
	var wait sync.WaitGroup
	for _, c := range loops {
		wait.Go(func() {
			if c.err = c.run(ctx); c.err != nil {
				cancel() // the others need not go on
			}
		})
	}
	r := result{System: s.Name(), Clients: clients}
	err := l.measure(ctx, &r, &measuring)
	done.Store(true)
	wait.Wait()
	if outer.Err() != nil {
		return r, fmt.Errorf("interrupted: %w", outer.Err())
	}
	return r, errors.Join(err, r.collect(loops))
}

// measure waits for the run to pass, and fills in what the machine did meanwhile.
func (l *load) measure(ctx context.Context, r *result, measuring *atomic.Bool) error {
	sleep(ctx, l.warm)
	before, err := readCPU()
	if err != nil {
		return err
	}
	start := time.Now()
	measuring.Store(true)
	sleep(ctx, l.length)
	measuring.Store(false)
	took := time.Since(start)
	after, err := readCPU()
	if err != nil {
		return err
	}
	spent := after.minus(before)
	r.OpsPerSecond = 1 / took.Seconds()
	r.CPUMicrosPerOp = spent.busy.Seconds() * 1e6
	r.StealPercent = 100 * spent.steal.Seconds() / spent.all.Seconds()
	return nil
}

// collect joins the latencies of all loops and turns what measure took into figures per put.
func (r *result) collect(loops []*loop) error {
	all := newHistogram()
	var errs []error
	for _, c := range loops {
		if c.err != nil && !errors.Is(c.err, context.Canceled) {
			errs = append(errs, c.err)
		}
		all.Merge(c.latencies)
	}
	if len(errs) > 0 {
		return fmt.Errorf("%d clients of %s failed, the first: %w", len(errs), r.System, errs[0])
	}
	if r.Ops = all.TotalCount(); r.Ops == 0 {
		return fmt.Errorf("%s took no put in the time measured", r.System)
	}
	r.OpsPerSecond *= float64(r.Ops)
	r.CPUMicrosPerOp /= float64(r.Ops)
	r.P50Micros = float64(all.ValueAtQuantile(50)) / 1e3
	r.P99Micros = float64(all.ValueAtQuantile(99)) / 1e3
	return nil
}

// loop is one client that puts, waits, and puts again.
type loop struct {
	client          client
	rng             *rand.Rand
	keys            int
	value           []byte
	latencies       *hdrhistogram.Histogram
	measuring, done *atomic.Bool
	err             error
}

func newLoop(c client, l *load, seed uint64, measuring, done *atomic.Bool) *loop {
	x := &loop{client: c, rng: rand.New(rand.NewPCG(seed, 1)), keys: l.keys, value: make([]byte, l.valueBytes),
		latencies: newHistogram(), measuring: measuring, done: done}
	for i := range x.value {
		x.value[i] = byte(x.rng.Uint32())
	}
	return x
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(minLatency), int64(maxLatency), 3)
}

func (c *loop) run(ctx context.Context) error {
	key := make([]byte, 0, keyBytes)
	for !c.done.Load() && ctx.Err() == nil {
		key = fmt.Appendf(key[:0], "key-%012d", c.rng.IntN(c.keys))
		counts := c.measuring.Load()
		start := time.Now()
		if err := c.client.Put(ctx, key, c.value); err != nil {
			return err
		}
		// Only what lies in the time measured as a whole: otherwise puts would count that took
		// part of their time before.
		if took := time.Since(start); counts && c.measuring.Load() {
			if err := c.latencies.RecordValue(int64(min(max(took, minLatency), maxLatency))); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
