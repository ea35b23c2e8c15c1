package runner

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/anodekv/anode/bench/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type storeFunc func(ctx context.Context, op *workload.Op) Outcome

func (f storeFunc) Do(ctx context.Context, op *workload.Op) Outcome { return f(ctx, op) }

func config(t *testing.T, clients int, f storeFunc) Config {
	t.Helper()
	w, err := workload.New(workload.Config{Name: "put", Keys: 100})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Workload: w, For: 600 * time.Millisecond, Timeout: 5 * time.Second}
	for range clients {
		cfg.Stores = append(cfg.Stores, f)
	}
	return cfg
}

func mustRun(t *testing.T, cfg Config) *Report {
	t.Helper()
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stalling is a store that answers after a millisecond, but for one time of 300 ms in which it answers nobody.
func stalling() storeFunc {
	var gate sync.RWMutex
	var stall sync.Once
	began := time.Now()
	return func(context.Context, *workload.Op) Outcome {
		if time.Since(began) > 100*time.Millisecond {
			stall.Do(func() {
				gate.Lock()
				time.Sleep(300 * time.Millisecond)
				gate.Unlock()
			})
		}
		gate.RLock()
		defer gate.RUnlock()
		time.Sleep(time.Millisecond)
		return Outcome{}
	}
}

// TestAStallShowsInFull: half of the time the store answers nobody. In an open loop half of the requests fall due in that
// time, and the middle of those waits half of it. A closed loop hides it in a few requests.
func TestAStallShowsInFull(t *testing.T) {
	cfg := config(t, 2, stalling())
	cfg.Rate = 400
	open := mustRun(t, cfg)
	if open.P50Micros < 15_000 || open.P99Micros < 200_000 {
		t.Errorf("open loop: p50 %.0f us, p99 %.0f us: requests that fell due in the stall are left out", open.P50Micros, open.P99Micros)
	}
	cfg = config(t, 2, stalling())
	if closed := mustRun(t, cfg); closed.P50Micros > 15_000 {
		t.Errorf("closed loop: p50 %.0f us", closed.P50Micros)
	}
}

// What no client has begun at the end counts with the time that it has waited.
func TestWhatIsNeverBegunCounts(t *testing.T) {
	cfg := config(t, 1, func(context.Context, *workload.Op) Outcome {
		time.Sleep(20 * time.Millisecond)
		return Outcome{}
	})
	cfg.Rate, cfg.Warmup = 2000, 50*time.Millisecond
	r := mustRun(t, cfg)
	commits := int64(r.OpsPerSecond*r.Seconds + 0.5)
	// All that were due are done, or waiting, or were begun in the warm-up.
	if sum := commits + r.Unstarted; sum < 1294 || sum > 1300 {
		t.Errorf("%d done and %d unstarted, of 1300 that were due", commits, r.Unstarted)
	}
	if commits < 15 || commits > 31 {
		t.Errorf("%d done in 600 ms that take 20 ms each", commits)
	}
	if r.P50Micros < 200_000 || r.Unstarted < 1000 {
		t.Errorf("p50 %.0f us, %d unstarted: a store that does 50/s of 2000/s looks fast", r.P50Micros, r.Unstarted)
	}
}

// The pacer keeps its rate, and a store that keeps up leaves nothing waiting.
func TestOpenLoopKeepsItsRate(t *testing.T) {
	cfg := config(t, 4, func(context.Context, *workload.Op) Outcome { return Outcome{} })
	cfg.Rate = 5000
	r := mustRun(t, cfg)
	if commits := r.OpsPerSecond * r.Seconds; commits+float64(r.Unstarted) < 2990 || commits > 3001 {
		t.Errorf("%.0f operations, %d unstarted, want 3000", commits, r.Unstarted)
	}
}

func TestWarmupDoesNotCount(t *testing.T) {
	began, slow := time.Now(), atomic.Int64{}
	cfg := config(t, 1, func(context.Context, *workload.Op) Outcome {
		if time.Since(began) < 200*time.Millisecond {
			slow.Add(1)
			return Outcome{Err: errors.New("cold")}
		}
		time.Sleep(time.Millisecond)
		return Outcome{}
	})
	cfg.Warmup = 300 * time.Millisecond
	if r := mustRun(t, cfg); r.Errors != 0 || slow.Load() == 0 {
		t.Errorf("%d errors counted of %d in the warm-up", r.Errors, slow.Load())
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	var n atomic.Int64
	cfg := config(t, 3, func(context.Context, *workload.Op) Outcome {
		time.Sleep(time.Millisecond)
		switch n.Add(1) {
		case 5, 6:
			return Outcome{Retries: 7, Err: fmt.Errorf("%w: too busy", ErrAborted)}
		case 7:
			return Outcome{Err: errors.New("the third kind")}
		}
		return Outcome{Retries: 1, Missing: 2}
	})
	r := mustRun(t, cfg)
	commits := n.Load() - 3
	if r.Aborted != 2 || r.Errors != 1 || r.Missing != 2*commits || r.FirstError == nil || r.Clients != 3 {
		t.Errorf("%+v", r)
	}
	if want := 1 + 14/float64(commits); r.RetriesPerCommit < want-0.001 || r.RetriesPerCommit > want+0.001 {
		t.Errorf("%f retries per commit, want %f", r.RetriesPerCommit, want)
	}
	if r.CPUMicrosPerOp <= 0 {
		t.Error("no processor was busy")
	}
}

func TestNothingToTell(t *testing.T) {
	cfg := config(t, 1, func(context.Context, *workload.Op) Outcome { return Outcome{Err: errors.New("no luck")} })
	cfg.For = 50 * time.Millisecond
	if _, err := Run(t.Context(), cfg); !errors.Is(err, errNothing) || !strings.Contains(err.Error(), "no luck") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("ctrl-c"))
	if _, err := Run(ctx, cfg); err == nil || !strings.Contains(err.Error(), "interrupted: ctrl-c") {
		t.Error(err)
	}
	for _, broken := range []func(*Config){
		func(c *Config) { c.Stores = nil }, func(c *Config) { c.For = 0 }, func(c *Config) { c.Rate = -1 },
		func(c *Config) { c.Timeout = 0 }, func(c *Config) { c.Rate = 2 * MaxRate },
	} {
		cfg := config(t, 1, nil)
		broken(&cfg)
		if _, err := Run(t.Context(), cfg); err == nil || errors.Is(err, errNothing) {
			t.Error(err)
		}
	}
}

func TestLoadInsertsEveryKeyOnce(t *testing.T) {
	var mu sync.Mutex
	seen, failed := map[string]int{}, 0
	f := storeFunc(func(_ context.Context, op *workload.Op) Outcome {
		mu.Lock()
		defer mu.Unlock()
		if failed < 3 {
			failed++
			return Outcome{Err: errors.New("not yet")}
		}
		seen[op.Writes[0]]++
		return Outcome{}
	})
	w := config(t, 0, nil).Workload
	if err := Load(t.Context(), w, []Store{f, f, f}, time.Second, nil); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(100) {
		if seen[w.Key(n)] != 1 {
			t.Errorf("key %d was inserted %d times", n, seen[w.Key(n)])
		}
	}
	if len(seen) != 100 {
		t.Errorf("%d keys", len(seen))
	}
	never := storeFunc(func(context.Context, *workload.Op) Outcome { return Outcome{Err: errors.New("never")} })
	if err := Load(t.Context(), w, []Store{never}, time.Second, nil); err == nil || !strings.Contains(err.Error(), "load key 1 of 100: never") {
		t.Error(err)
	}
}

func TestAnInterruptedLoadSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	f := storeFunc(func(ctx context.Context, _ *workload.Op) Outcome {
		if n++; n == 41 {
			cancel()
		}
		return Outcome{Err: ctx.Err()}
	})
	if err := Load(ctx, config(t, 0, nil).Workload, []Store{f}, time.Second, nil); err == nil || err.Error() != "interrupted after 40 of 100 keys: context canceled" {
		t.Error(err)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	cfg := config(t, 1, func(context.Context, *workload.Op) Outcome { time.Sleep(time.Millisecond); return Outcome{} })
	cfg.For, cfg.Progress = 1200*time.Millisecond, &out
	mustRun(t, cfg)
	if s := out.String(); !strings.Contains(s, "1s of 1.2s: ") || !strings.HasSuffix(s, "\r\x1b[K") {
		t.Errorf("%q", s)
	}
}

func TestReportIsOneLine(t *testing.T) {
	r := &Report{Workload: "put", Clients: 4, OpsPerSecond: 1234567.5, P50Micros: 12, RetriesPerCommit: 0.25, Aborted: 1, Errors: 2, FirstError: errors.New("x")}
	var out bytes.Buffer
	if err := r.JSON(&out); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatal(out.String(), err)
	}
	var m map[string]any
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	names := strings.Fields("workload clients ops_per_s p50_us p99_us p999_us retries_per_commit aborted errors cpu_us_per_op")
	for _, name := range names {
		if _, ok := m[name]; !ok {
			t.Errorf("%s is not there", name)
		}
	}
	out.Reset()
	if err := errors.Join(r.CSV(&out, true), r.CSV(&out, false)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	for i, name := range names {
		if rows[0][i] != name {
			t.Errorf("column %d is %s, want %s", i, rows[0][i], name)
		}
	}
	if rows[1][2] != "1.2345675e+06" && rows[1][2] != "1234567.5" {
		t.Error(rows[1])
	}
	out.Reset()
	if err := r.Text(&out); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Error(out.String(), err)
	}
}

func TestCPUTimes(t *testing.T) {
	a, err := parseCPU("cpu  100 0 50 1000 10 0 5 7 3 0\ncpu0 1 2\n")
	if err != nil {
		t.Fatal(err)
	}
	if a.busy != 155*tick || a.steal != 7*tick || a.all != 1172*tick {
		t.Errorf("%+v", a)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpux 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseCPU(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestPacerNumbers(t *testing.T) {
	p := &pacer{start: time.Unix(0, 0), rate: 3}
	for n := range int64(1000) {
		if got := p.number(p.at(n)); got != n {
			t.Fatalf("%d is due at %v, and number %d is the first that is not due before", n, p.at(n), got)
		}
	}
}

func TestLimit(t *testing.T) {
	l := limit{parent: t.Context(), timeout: time.Hour}
	defer l.end()
	now := time.Now()
	first := l.context(now)
	for _, after := range []time.Duration{time.Minute, 7 * time.Minute, 8 * time.Minute, time.Hour, 3 * time.Hour} {
		ctx := l.context(now.Add(after))
		deadline, _ := ctx.Deadline()
		if left := deadline.Sub(now.Add(after)); left < l.timeout || left > l.timeout*(limitShare+1)/limitShare {
			t.Errorf("an operation that begins after %v has %v", after, left)
		}
		if again := after <= l.timeout/limitShare; (ctx == first) != again {
			t.Errorf("after %v the first context is used again: %v", after, !again)
		}
	}
	if first.Err() == nil {
		t.Error("a context that nobody will use is kept")
	}
	brief := limit{parent: t.Context(), timeout: time.Millisecond}
	defer brief.end()
	ctx := brief.context(time.Now())
	<-ctx.Done()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error(ctx.Err())
	}
}
