package runner_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/client/anodetest"
)

// Every workload runs against a cluster, finds what was loaded, and leaves its writes there.
func TestAnode(t *testing.T) {
	db := anodetest.Start(t).Open(t)
	stores := make([]runner.Store, 4)
	for i := range stores {
		stores[i] = &runner.Anode{DB: db}
	}
	for _, name := range workload.Names() {
		w, err := workload.New(workload.Config{Name: name, Keys: 200, ValueBytes: 20, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := runner.Load(t.Context(), w, stores, 10*time.Second, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := runner.Run(t.Context(), runner.Config{Workload: w, Stores: stores, For: 150 * time.Millisecond, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Errors+r.Aborted > 0 || r.Missing > 0 {
			t.Errorf("%s: %+v, %v", name, r, r.FirstError)
		}
		if v, err := db.Get(t.Context(), w.Key(7)); err != nil || len(v) != 20 {
			t.Errorf("%s: %d bytes, %v", name, len(v), err)
		}
	}
}

// An operation is one transaction: it does all that it says, and tells what was missing and how often it was repeated.
func TestAnodeOperations(t *testing.T) {
	db, ctx := anodetest.Start(t, anodetest.Nodes(1)).Open(t), t.Context()
	a := &runner.Anode{DB: db, Attempts: 2}
	out := a.Do(ctx, &workload.Op{Kind: workload.PostTweet, Reads: []string{"a", "b"}, Writes: []string{"a", "b", "c"}, Value: []byte("x")})
	if out != (runner.Outcome{Missing: 2}) {
		t.Errorf("%+v", out)
	}
	if v, err := db.GetMulti(ctx, "a", "b", "c"); err != nil || string(v[0])+string(v[1])+string(v[2]) != "xxx" {
		t.Errorf("%q, %v", v, err)
	}
	for what, op := range map[string]workload.Op{
		"get":      {Kind: workload.Read, Reads: []string{"none"}},
		"timeline": {Kind: workload.Timeline, Reads: []string{"a", "none"}},
	} {
		if out := a.Do(ctx, &op); out != (runner.Outcome{Missing: 1}) {
			t.Errorf("%s: %+v", what, out)
		}
	}
	if out := a.Do(ctx, &workload.Op{Kind: workload.Scan, Reads: []string{"a"}, ScanKeys: 2}); out != (runner.Outcome{}) {
		t.Errorf("scan: %+v", out)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if out := a.Do(ended, &workload.Op{Kind: workload.Read, Reads: []string{"a"}}); out.Err == nil || errors.Is(out.Err, runner.ErrAborted) {
		t.Errorf("%+v", out)
	}
	// One that loses every race is told as aborted.
	out = contended(ctx, t, db, a)
	if !errors.Is(out.Err, runner.ErrAborted) || out.Retries != 1 {
		t.Errorf("%+v", out)
	}
}

// contended runs read-modify-writes against a stream of writes, until one of them has lost both of its attempts.
func contended(ctx context.Context, t *testing.T, db *client.Client, a *runner.Anode) (out runner.Outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	quit := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			select {
			case <-quit:
				return
			default:
				_ = db.Put(ctx, "a", nil)
			}
		}
	}()
	defer func() { close(quit); <-ended }()
	for ctx.Err() == nil {
		out = a.Do(ctx, &workload.Op{Kind: workload.ReadModifyWrite, Reads: []string{"a", "b"}, Writes: []string{"a", "b"}, Value: []byte("y")})
		if out.Err != nil {
			return out
		}
	}
	return out
}
