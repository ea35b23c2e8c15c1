package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/bench/workload"
)

// Config says how to measure.
type Config struct {
	Workload *workload.Workload
	// Stores has one for each client.
	Stores []Store
	// Rate is how many operations are due per second, over all clients together; 0 is a closed loop.
	Rate float64
	// Warmup passes before the time that is measured, For.
	Warmup, For time.Duration
	// Timeout is how long one operation may take.
	Timeout time.Duration
	// Progress takes a line each second; nil discards it.
	Progress io.Writer
}

// MaxRate bounds the rate of an open loop: more than one machine can ask.
const MaxRate = 10_000_000

func (cfg *Config) check() error {
	switch {
	case len(cfg.Stores) == 0:
		return errors.New("need at least one client")
	case cfg.For <= 0 || cfg.Warmup < 0 || cfg.Timeout <= 0:
		return errors.New("need some time to measure, and some for each operation")
	case cfg.Rate < 0 || cfg.Rate > MaxRate:
		return fmt.Errorf("a rate of %g: choose one up to %d a second, or 0 for a closed loop", cfg.Rate, MaxRate)
	}
	return nil
}

// run is what the loops of one run share. No operation is begun after end, and those that are begun from from on
// count.
type run struct {
	*Config
	from, end time.Time
	due       <-chan time.Time // of an open loop
}

// Run measures. It fails when it is interrupted, and when nothing succeeded; operations that fail are counted, and
// the first of their errors stands in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &run{Config: &cfg, from: time.Now().Add(cfg.Warmup)}
	r.end = r.from.Add(cfg.For)
	var p *pacer
	if cfg.Rate > 0 {
		var err error
		if p, err = newPacer(r.from.Add(-cfg.Warmup), r.end, cfg.Rate); err != nil {
			return nil, err
		}
		defer p.stop()
		r.due = p.due
	}
	records := make([]*recorder, min(len(cfg.Stores), recorders))
	for i := range records {
		records[i] = newRecorder()
	}
	var begun, ended atomic.Int64
	var all sync.WaitGroup
	for i, s := range cfg.Stores {
		l := &loop{run: r, store: s, dealer: cfg.Workload.Dealer(i), record: records[i%len(records)], begun: &begun, ended: &ended}
		all.Go(func() { l.turns(ctx) })
	}
	before := int64(0)
	stop := every(cfg.Progress, func(n int) string {
		now := ended.Load()
		rate := now - before
		before = now
		return fmt.Sprintf("%v of %v: %d op/s, %d under way", time.Duration(n)*time.Second, cfg.Warmup+cfg.For, rate, begun.Load()-now)
	})
	cpu, err := r.watch(ctx)
	all.Wait()
	stop()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	whole := newRecorder()
	for _, rec := range records {
		whole.add(rec)
	}
	if p != nil {
		whole.unstarted(p, r, begun.Load())
	}
	return whole.report(&cfg, cpu)
}

// watch returns what the machine did while it was measured.
func (r *run) watch(ctx context.Context) (spent cpuTimes, err error) {
	pause(ctx, time.Until(r.from))
	before, err := readCPU()
	if err != nil {
		return spent, err
	}
	pause(ctx, time.Until(r.end))
	after, err := readCPU()
	return after.minus(before), err
}

// loop is one client.
type loop struct {
	*run
	store        Store
	dealer       *workload.Dealer
	record       *recorder
	begun, ended *atomic.Int64
}

func (l *loop) turns(ctx context.Context) {
	limit := limit{parent: ctx, timeout: l.Timeout}
	defer limit.end()
	for ctx.Err() == nil {
		due, ok := l.next(ctx)
		if !ok {
			return
		}
		op := l.dealer.Next()
		now := time.Now()
		counts := !now.Before(l.from)
		l.begun.Add(1)
		out := l.store.Do(limit.context(now), &op)
		took := time.Since(due)
		l.ended.Add(1)
		l.dealer.Done(&op)
		if counts && ctx.Err() == nil {
			l.record.take(took, &out)
		}
		if out.Err != nil && l.due == nil {
			pause(ctx, pauseAfterError)
		}
	}
}

// next waits for the moment at which the next operation is due. It reports false when the run is over.
func (l *loop) next(ctx context.Context) (time.Time, bool) {
	if l.due == nil {
		now := time.Now()
		return now, now.Before(l.end)
	}
	select {
	case due, ok := <-l.due:
		return due, ok && time.Now().Before(l.end)
	case <-ctx.Done():
		return time.Time{}, false
	}
}
