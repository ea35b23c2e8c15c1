package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard/server"
)

// Config is what the flags of `anode demo` say.
type Config struct {
	For           time.Duration
	Nodes, Shards int
	Seed          uint64
	Offload       server.OffloadMode
	// Story takes what happens, Progress the live rates.
	Story, Progress io.Writer
	Log             *slog.Logger
}

// Run plays the demo. An error means that it could not be played; whether the promises were kept stands in
// the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg.Story, cfg.Progress = &locked{w: cfg.Story}, &locked{w: cfg.Progress}
	c, err := local.Start(ctx, local.Config{Nodes: cfg.Nodes, Shards: cfg.Shards, Log: cfg.Log, Offload: cfg.Offload})
	if err != nil {
		return nil, fmt.Errorf("start the cluster: %w", err)
	}
	defer c.Stop()
	cfg.say("%d nodes with %d shards of %d replicas serve on %s", cfg.Nodes, cfg.Shards, c.Topology.Replicas(0), c.Servers()[0])
	cfg.say("the kernel path: %v", c.Offload(ctx))
	db, err := client.Open(ctx, client.Config{Servers: c.Servers(), Key: c.ClientKey(), Cluster: c.Topology.Cluster})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	l := &load{
		db: db, recorder: check.NewRecorder(maxHistory), rates: &rates{}, started: time.Now(),
		pace: cfg.For * workers / maxHistory,
	}
	if err := l.openAccounts(ctx); err != nil {
		return nil, fmt.Errorf("open the accounts: %w", err)
	}
	if err := cfg.play(ctx, c, l); err != nil {
		return nil, err
	}
	return cfg.conclude(ctx, c, l)
}

// play runs the load, and kills nodes meanwhile.
func (cfg *Config) play(ctx context.Context, c *local.Cluster, l *load) error {
	cfg.say("%d workers move money between %d accounts, and read and write %d single keys", workers, accounts, registers)
	ctx, cancel := context.WithTimeout(ctx, cfg.For)
	defer cancel()
	go l.rates.show(ctx, cfg.Progress, l.started)
	group, run := errgroup.WithContext(ctx)
	for id := range workers {
		group.Go(func() error { return l.work(run, id, cfg.Seed) })
	}
	group.Go(func() error { return cfg.disturb(run, c) })
	return group.Wait()
}

// disturb kills nodes, one at a time, and starts each again without its memory. It leaves the last part of
// the demo in peace, so that what was killed last is seen to recover.
func (cfg *Config) disturb(ctx context.Context, c *local.Cluster) error {
	if cfg.Nodes < 3 {
		cfg.say("with %d nodes none can be spared: no node is killed", cfg.Nodes)
		return nil
	}
	r := rand.New(rand.NewPCG(cfg.Seed, 0))
	calm := time.Now().Add(cfg.For * 6 / 10)
	for sleep(ctx, cfg.For*2/10) && time.Now().Before(calm) {
		if err := cfg.killAndRestart(ctx, c, r.IntN(cfg.Nodes)); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) killAndRestart(ctx context.Context, c *local.Cluster, victim int) error {
	name := c.Topology.Nodes[victim].Name
	cfg.say("%s is killed", name)
	c.Kill(victim)
	if !sleep(ctx, min(cfg.For/10, maxOutage)) {
		return nil
	}
	if err := c.StartNode(ctx, victim); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("restart %s: %w", name, err)
	}
	cfg.say("%s is started again: it has lost its memory, and takes no part before it has recovered it", name)
	began := time.Now()
	for !c.Recovered(ctx, victim) {
		if !sleep(ctx, 20*time.Millisecond) {
			return nil
		}
	}
	cfg.say("%s has recovered, after %v", name, time.Since(began).Round(time.Millisecond))
	return nil
}

// maxOutage bounds how long a killed node stays away.
const maxOutage = 5 * time.Second

// conclude takes a last look at all accounts and judges the history.
func (cfg *Config) conclude(ctx context.Context, c *local.Cluster, l *load) (*Report, error) {
	look, cancel := context.WithTimeout(ctx, verifyPatience)
	defer cancel()
	if err := l.last(look); err != nil {
		return nil, fmt.Errorf("the last look at the accounts: %w", err)
	}
	h := l.recorder.History()
	cfg.say("%d operations are checked; of %d of them nobody could tell whether they happened", len(h), l.rates.unknown.Load())
	report := &Report{
		Committed: l.rates.committed.Load(), Aborted: l.rates.aborted.Load(), Unknown: l.rates.unknown.Load(),
		LeaderChanges: int64(c.Views(look)),
	}
	report.judge(h, cfg.Story)
	return report, nil
}

// last reads all accounts; room for it was kept in the history.
func (l *load) last(ctx context.Context) error {
	return l.update(ctx, workers, readAccounts)
}

func (cfg *Config) say(format string, args ...any) {
	fmt.Fprintf(cfg.Story, format+"\n", args...)
}

// sleep reports whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
