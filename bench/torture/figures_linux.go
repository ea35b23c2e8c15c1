package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/server"
)

// FiguresConfig says what is measured.
type FiguresConfig struct {
	// Name is that of the labs; Program is the anode binary, the product's own.
	Name, Program string
	// Losses and Orphans are how often a leader and a coordinator are lost.
	Losses, Orphans int
	// Keys are what a replica holds that is restarted, Restarts times.
	Keys, Restarts int
	// Load is how long throughput is measured each time.
	Load time.Duration
	Seed uint64
	// Parts are which of [FigureParts] are measured.
	Parts []string
	// Log takes what happens.
	Log io.Writer
}

// figures is a measurement that is under way.
type figures struct {
	*FiguresConfig
	lab *lab.Lab
	key []byte
	db  *client.Client
	out Figures
}

// Measure takes the figures. The process must be alone in a network namespace, see [lab.Isolate].
func Measure(ctx context.Context, cfg FiguresConfig) (_ *Figures, err error) {
	f := &figures{FiguresConfig: &cfg, out: Figures{Parts: cfg.Parts, Seed: cfg.Seed, RestartKeys: cfg.Keys}}
	if f.out.Machine, err = Machine(); err != nil {
		return nil, err
	}
	if f.out.Version, err = Version(ctx, cfg.Program); err != nil {
		return nil, err
	}
	parts := map[string]func(context.Context) error{
		"throughput": f.throughput, "losses": f.leaderLoss, "orphans": f.orphans, "restarts": f.restarts}
	for _, name := range cfg.Parts {
		if parts[name] == nil {
			return nil, fmt.Errorf("there is no part %q: choose from %v", name, FigureParts())
		}
		if err := f.with(ctx, parts[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(cfg.Log, "%s: %+v\n", name, f.out)
	}
	return &f.out, nil
}

// with makes a new cluster for one figure.
func (f *figures) with(ctx context.Context, do func(context.Context) error) (err error) {
	f.lab, err = lab.Up(ctx, lab.Config{Name: f.Name, Replicas: 3, Shards: 2, Program: f.Program, Owned: true, Here: true,
		Offload: server.OffloadOn})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Down(context.WithoutCancel(ctx), f.Name)) }()
	cluster := clusterOf(f.lab)
	if f.key, err = cluster.Key(); err != nil {
		return err
	}
	if f.db, err = client.Open(ctx, client.Config{Servers: cluster.Servers, Key: f.key}); err != nil {
		return err
	}
	defer f.db.Close()
	return do(ctx)
}

// views adds up the views of all groups, which count elections.
func (f *figures) views(ctx context.Context) (sum uint64) {
	views := map[int]uint64{}
	for _, s := range look(ctx, f.lab) {
		if s == nil {
			continue
		}
		for i := range s.Replicas {
			views[int(s.Replicas[i].Group)] = max(views[int(s.Replicas[i].Group)], s.Replicas[i].View)
		}
	}
	for _, v := range views {
		sum += v
	}
	return sum
}

// ops measures puts a second under a full load, for as long as it is asked.
func (f *figures) ops(ctx context.Context, d time.Duration) (float64, error) {
	w, err := workload.New(workload.Config{Name: "put", Keys: 10_000, Seed: f.Seed})
	if err != nil {
		return 0, err
	}
	stores := make([]runner.Store, loadClients)
	for i := range stores {
		stores[i] = &runner.Anode{DB: f.db}
	}
	r, err := runner.Run(ctx, runner.Config{Workload: w, Stores: stores, Warmup: 500 * time.Millisecond, For: d, Timeout: lastPatience})
	if err != nil {
		return 0, err
	}
	f.out.StealPercent = max(f.out.StealPercent, r.StealPercent)
	return r.OpsPerSecond, nil
}

func (f *figures) throughput(ctx context.Context) (err error) {
	before := f.views(ctx)
	if f.out.Undisturbed, err = f.ops(ctx, f.Load); err != nil {
		return err
	}
	f.out.FalseElections, f.out.LoadSeconds = f.views(ctx)-before, f.Load.Seconds()
	faults, err := f.lab.Faults(f.Seed)
	if err != nil {
		return err
	}
	defer faults.Close()
	if err := faults.Set(nil, []lab.Way{lab.From}, nil, lab.Fault{Drop: 0.01}); err != nil {
		return err
	}
	lossy, err := f.ops(ctx, f.Load)
	if err != nil {
		return err
	}
	if err := faults.Clear(); err != nil {
		return err
	}
	rolling := make(chan error, 1)
	until := time.Now().Add(f.Load)
	go func() { rolling <- f.roll(ctx, until) }()
	rolled, err := f.ops(ctx, f.Load)
	f.out.WithLoss, f.out.WithRolling = lossy/f.out.Undisturbed, rolled/f.out.Undisturbed
	return errors.Join(err, <-rolling)
}

// roll restarts nodes in turn for as long as there is time.
func (f *figures) roll(ctx context.Context, until time.Time) error {
	for i := 0; time.Now().Before(until); i = (i + 1) % len(f.lab.Nodes()) {
		if err := errors.Join(f.lab.Stop(ctx, i), f.lab.Start(i)); err != nil {
			return err
		}
		if err := f.lab.AwaitNode(ctx, i); err != nil {
			return err
		}
		pause(ctx, 200*time.Millisecond)
	}
	return nil
}

// leaderLoss kills the leader again and again, while one client writes as fast as it is answered and others make a load.
func (f *figures) leaderLoss(ctx context.Context) error {
	load, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for i := range loadClients / 4 {
		all.Go(func() {
			for n := 0; load.Err() == nil; n++ {
				_ = f.db.Put(load, fmt.Sprintf("load/%d/%d", i, n%100), make([]byte, 100)) // it may fail: that is what is measured
			}
		})
	}
	var last atomic.Int64 // when a write was answered last
	var longest atomic.Int64
	all.Go(func() {
		for load.Err() == nil {
			if f.db.Put(load, probe, nil) == nil {
				at := now()
				longest.Store(max(longest.Load(), at-last.Swap(at)))
			}
		}
	})
	var gaps []time.Duration
	for range f.Losses {
		pause(ctx, 300*time.Millisecond)
		leader, err := f.leader(ctx)
		if err != nil {
			return err
		}
		longest.Store(0)
		if err := f.lab.Kill(ctx, leader); err != nil {
			return err
		}
		pause(ctx, 1500*time.Millisecond)
		gaps = append(gaps, time.Duration(max(longest.Load(), now()-last.Load())))
		if err := f.lab.Start(leader); err != nil {
			return err
		}
		if _, err := f.normal(ctx, leader); err != nil {
			return err
		}
	}
	f.out.LeaderLoss = spreadOf(gaps)
	return nil
}

// probe is the key whose writes are watched.
const probe = "probe"

// leader waits until somebody leads the group of the probe.
func (f *figures) leader(ctx context.Context) (int, error) {
	for until := time.Now().Add(lastPatience); time.Now().Before(until) && ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		if leader := leaderOf(look(ctx, f.lab), int(f.db.ShardOf(probe))); leader >= 0 {
			return leader, nil
		}
	}
	return -1, errors.Join(errors.New("nobody leads"), ctx.Err())
}

// orphans has clients vanish that have prepared a transaction of two shards, and others wait for the keys.
func (f *figures) orphans(ctx context.Context) error {
	r := rand.New(rand.NewPCG(f.Seed, sourceLoad))
	var all []time.Duration
	for i := range f.Orphans {
		keys := f.apart(i)
		took, err := f.orphan(ctx, r, keys)
		if err != nil {
			return err
		}
		all = append(all, took)
	}
	f.out.Orphan = spreadOf(all)
	return nil
}

// apart are two keys of two shards.
func (f *figures) apart(n int) []string {
	keys := []string{fmt.Sprintf("orphan/%d/0", n)}
	for i := 1; len(keys) < 2; i++ {
		if key := fmt.Sprintf("orphan/%d/%d", n, i); f.db.ShardOf(key) != f.db.ShardOf(keys[0]) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (f *figures) orphan(ctx context.Context, r *rand.Rand, keys []string) (time.Duration, error) {
	servers := f.lab.Servers()
	conn, err := dialMortal(servers[r.IntN(len(servers))], wire.NewKey([wire.KeySize]byte(f.key)))
	if err != nil {
		return 0, err
	}
	doomed, err := client.Open(ctx, client.Config{Servers: servers, Key: f.key, Conn: conn, CloseWait: time.Millisecond})
	if err != nil {
		return 0, err
	}
	defer doomed.Close()
	conn.doom(Step{kind: wire.KindCommit, nth: 1})
	write := func(ctx context.Context, tx *client.Txn) error {
		return errors.Join(tx.Put(ctx, keys[0], []byte("orphan")), tx.Put(ctx, keys[1], []byte("orphan")))
	}
	gone, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	go func() { _ = doomed.Update(gone, write) }() // its caller is gone, too
	for !conn.gone() {
		if gone.Err() != nil {
			return 0, errors.New("a doomed client did not come to its commit")
		}
		pause(ctx, 100*time.Microsecond)
	}
	began := time.Now()
	for _, key := range keys {
		if err := f.db.Put(ctx, key, nil); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// restarts kills a node that holds many keys, and waits until it serves again.
func (f *figures) restarts(ctx context.Context) error {
	if err := f.fill(ctx); err != nil {
		return err
	}
	var all []time.Duration
	for i := range f.Restarts {
		node := i % len(f.lab.Nodes())
		if err := f.lab.Kill(ctx, node); err != nil {
			return err
		}
		began := time.Now()
		if err := f.lab.Start(node); err != nil {
			return err
		}
		s, err := f.normal(ctx, node)
		if err != nil {
			return err
		}
		all = append(all, time.Since(began))
		if held := s.Replicas[0].Store.Keys + s.Replicas[1].Store.Keys; held < f.Keys {
			return fmt.Errorf("%s serves with %d keys of %d", s.Node, held, f.Keys)
		}
	}
	f.out.Restart = spreadOf(all)
	return nil
}

// normal waits until all replicas of a node take part. Its way into the kernel may not be found by then.
func (f *figures) normal(ctx context.Context, node int) (*server.NodeStatus, error) {
	for until := time.Now().Add(recoverTime); time.Now().Before(until) && ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		if s, err := f.lab.Status(ctx, node); err == nil && s.Normal {
			return s, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("n%d does not take part", node), ctx.Err())
}

// fill writes all keys, many in a transaction.
func (f *figures) fill(ctx context.Context) error {
	const each, writers = 200, 8
	var next atomic.Int64
	failed := make(chan error, writers)
	for range writers {
		go func() {
			for {
				from := int(next.Add(each)) - each
				if from >= f.Keys {
					failed <- nil
					return
				}
				err := f.db.Update(ctx, func(ctx context.Context, tx *client.Txn) (err error) {
					for i := from; i < min(from+each, f.Keys); i++ {
						err = errors.Join(err, tx.Put(ctx, fmt.Sprintf("%016d", i), make([]byte, 100)))
					}
					return err
				})
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	var err error
	for range writers {
		err = errors.Join(err, <-failed)
	}
	return err
}
