package kernelpath

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bench/torture"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard/server"
)

// A check hurts a cluster of processes in namespaces of their own, whose clients are in this process's, and tells what was
// wrong. It is called by a test, and in a build with the tag mutants for each mistake that it must notice.
type check func(context.Context, *lab.Lab) error

// tags are those of the nodes' build, which are those of this one.
var tags []string

// buildDir holds the nodes' program, once there is one.
var buildDir string

var binary = sync.OnceValues(func() (program string, err error) {
	if buildDir, err = os.MkdirTemp("", "anode-kernelpath-"); err != nil {
		return "", err
	}
	return lab.Build(context.Background(), buildDir, tags...)
})

func forgetBinary() { _ = os.RemoveAll(buildDir) }

var labs atomic.Int64

// allInAll is what a check may take, with the cluster's start and a minute of loss.
const allInAll = 3 * time.Minute

// in makes a cluster with the kernel path on, and has it checked.
func in(t *testing.T, cfg lab.Config, c check) error {
	t.Helper()
	if os.Getenv("ANODE_BPF_REQUIRED") != "1" {
		t.Skip("it wants the machine for itself: make bpf-test does it")
	}
	var err error
	if cfg.Program, err = binary(); err != nil {
		t.Fatal(err)
	}
	cfg.Name = fmt.Sprintf("k%dx%d", os.Getpid(), labs.Add(1))
	cfg.Replicas, cfg.Shards, cfg.Offload, cfg.Owned, cfg.Here = 3, max(1, cfg.Shards), server.OffloadOn, true, true
	ctx, cancel := context.WithTimeout(t.Context(), allInAll)
	defer cancel()
	l, err := lab.Up(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Down(context.Background(), cfg.Name); err != nil {
			t.Error(err)
		}
	}()
	err = c(ctx, l)
	if err != nil {
		for i := range l.Nodes() {
			b, _ := os.ReadFile(l.LogFile(i))
			t.Logf("node %d: %+v\n%s", i, l.Replica(t.Context(), i, 0), b)
		}
	}
	return err
}

// holds fails the test with what the check tells.
func holds(t *testing.T, cfg lab.Config, c check) {
	t.Helper()
	if err := in(t, cfg, c); err != nil {
		t.Error(err)
	}
}

func dial(ctx context.Context, l *lab.Lab) (*client.Client, error) {
	key, err := clientKey(l)
	if err != nil {
		return nil, err
	}
	return client.Open(ctx, client.Config{Servers: l.Servers(), Key: key})
}

func clientKey(l *lab.Lab) ([]byte, error) {
	b, err := os.ReadFile(l.KeyFile())
	if err != nil {
		return nil, err
	}
	_, digits, _ := strings.Cut(string(b), "client: ")
	return hex.DecodeString(strings.TrimSpace(digits))
}

// puts writes keys with a prefix, several at a time, until so many are written or the time is over. It returns how many.
func puts(ctx context.Context, db *client.Client, prefix string, most int, length time.Duration) (int, error) {
	const workers = 8
	short, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var done atomic.Int64
	failed := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for short.Err() == nil && failed[w] == nil {
				n := done.Add(1)
				if n > int64(most) {
					return
				}
				failed[w] = db.Put(ctx, fmt.Sprint(prefix, n), []byte("value"))
			}
		})
	}
	all.Wait()
	return int(min(done.Load(), int64(most))), errors.Join(failed...)
}

// ways counts the entries of followers by how they came.
type ways struct{ fast, all uint64 }

func (w ways) minus(o ways) ways { return ways{w.fast - o.fast, w.all - o.all} }

func (w ways) share() float64 { return float64(w.fast) / float64(max(1, w.all)) }

// waysOf adds up the entries of the first group on some nodes. What a process has counted is gone when it was killed.
func waysOf(ctx context.Context, l *lab.Lab, nodes []int) (sum ways, err error) {
	for _, i := range nodes {
		r := l.Replica(ctx, i, 0)
		if r == nil {
			return sum, fmt.Errorf("node %d does not answer", i)
		}
		o := &r.Offload
		sum.fast += o.Fast
		sum.all += o.Fast + o.Claimed + o.Plain
	}
	return sum, nil
}

// resumes waits until nearly all entries of all followers go the fast way, without anything being done about it.
func resumes(ctx context.Context, l *lab.Lab, db *client.Client) error {
	const enough, puttings = 0.95, 200
	var last ways
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		_, followers, err := l.Roles(ctx, 0)
		if err != nil {
			return err
		}
		before, err := waysOf(ctx, l, followers)
		if err != nil {
			return err
		}
		if _, err := puts(ctx, db, "resume", puttings, patience); err != nil {
			return err
		}
		after, err := waysOf(ctx, l, followers)
		if err != nil {
			return err
		}
		last = after.minus(before)
		if len(followers) == len(l.Nodes())-1 && last.all >= uint64(len(followers)*puttings/10) && last.share() >= enough {
			return nil
		}
	}
	return fmt.Errorf("the fast path does not resume: %d of the last %d entries", last.fast, last.all)
}

// modest is the number of workers of a load under which a machine with few cores has time for more.
const modest = 12

// judged has clients do everything that the torture knows while something is done to the cluster, and judges what they saw.
// Then the fast path must carry everything again.
func judged(ctx context.Context, l *lab.Lab, workers int, meanwhile check) (tally torture.Tally, err error) {
	dir, err := os.MkdirTemp("", "anode-kernelpath-")
	if err != nil {
		return tally, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory of /tmp
	cluster := torture.Cluster{Servers: l.Servers(), KeyFile: l.KeyFile()}
	spec := torture.LoadSpec{Cluster: cluster, Dir: dir, Round: 1, Process: 1, Seed: 1, Workers: workers, Pause: 2 * time.Millisecond, Connections: 2}
	for _, w := range torture.Workloads() {
		spec.Mix = append(spec.Mix, w.Name)
	}
	load, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		tally, err = torture.RunLoad(load, spec)
		ended <- err
	}()
	err = meanwhile(ctx, l)
	stop()
	if err := errors.Join(err, <-ended, l.Heal(ctx)); err != nil {
		return tally, err
	}
	for i := range l.Nodes() {
		if !l.Runs(i) {
			return tally, fmt.Errorf("node %d has ended by itself", i)
		}
	}
	if _, err := torture.ReadLast(ctx, cluster, dir, torture.LastRound{Number: 1, Lasted: time.Since(began)}); err != nil {
		return tally, err
	}
	history, complaints, err := torture.ReadJournals(dir)
	if err != nil {
		return tally, err
	}
	if j := torture.Judge(1, history, complaints); !j.OK() {
		return tally, fmt.Errorf("%v", j)
	}
	if tally.Committed < 100 {
		return tally, fmt.Errorf("the clients did next to nothing: %+v", tally)
	}
	db, err := dial(ctx, l)
	if err != nil {
		return tally, err
	}
	defer db.Close()
	return tally, resumes(ctx, l, db)
}
