package torture

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/bench/local"
)

// cluster starts a cluster in this process.
func cluster(t *testing.T) Cluster {
	t.Helper()
	c, err := local.Start(t.Context(), local.Config{Nodes: 3, Shards: 3, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	file := filepath.Join(t.TempDir(), "client-key")
	if err := os.WriteFile(file, fmt.Appendf(nil, "client: %x\n", c.ClientKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	return Cluster{Servers: c.Servers(), KeyFile: file}
}

func allWorkloads() (names []string) {
	for _, w := range Workloads() {
		names = append(names, w.Name)
	}
	return names
}

// The whole of a round but for its strikes: every workload gets something done, coordinators vanish, and the judges find nothing.
func TestALoadIsWrittenDownAndJudged(t *testing.T) {
	c, dir := cluster(t), t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	tally, err := RunLoad(ctx, LoadSpec{Cluster: c, Dir: dir, Round: 7, Process: 1, Seed: 1, Workers: 8, Mix: allWorkloads(),
		Pause: 2 * time.Millisecond, Connections: 2, Doomed: 3, YCSB: 100})
	if err != nil {
		t.Fatal(err)
	}
	final, err := ReadLast(t.Context(), c, dir, LastRound{Number: 7, Lasted: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	h, complaints, err := ReadJournals(dir)
	if err != nil {
		t.Fatal(err)
	}
	j := Judge(7, h, complaints)
	if !j.OK() || j.Checked < int(tally.Committed)/2 {
		t.Errorf("%v", j)
	}
	for _, name := range append(allWorkloads(), "ycsb") {
		if tally.Done[name] == 0 {
			t.Errorf("%s: nothing was done: %+v", name, tally)
		}
	}
	if len(tally.Vanished) == 0 || len(final) < registers+cells+accounts+counters {
		t.Errorf("%+v, %d last values", tally, len(final))
	}
	written := map[string]bool{}
	for _, txn := range h {
		for _, op := range txn.Ops {
			if op.Kind != check.KindRead {
				written[op.Key] = true
			}
		}
	}
	for key := range written {
		if _, read := final[key]; !read {
			t.Errorf("%q was written and is not read at the end", key)
		}
	}
	// The same history with one write undone is not believed.
	if spoiled := spoil(h); Judge(7, spoiled, nil).OK() {
		t.Error("a lost write is not noticed")
	}
}

// spoil has the last read of every counter miss an increment.
func spoil(h check.History) check.History {
	for i := range h {
		for k, op := range h[i].Ops {
			if h[i].Client == lastClient && strings.Contains(op.Key, "/n/") && op.Value.Present {
				n, _ := check.Decimal(op.Value)
				h[i].Ops[k].Value = check.Of(fmt.Sprint(n - 1))
			}
		}
	}
	return h
}

func TestWrongSpecsAreRefused(t *testing.T) {
	c := cluster(t)
	for name, spec := range map[string]LoadSpec{
		"no such workload": {Cluster: c, Dir: t.TempDir(), Mix: []string{"nothing"}},
		"no key":           {Cluster: Cluster{Servers: c.Servers, KeyFile: "/nowhere"}, Dir: t.TempDir(), Mix: []string{"bank"}},
		"no directory":     {Cluster: c, Dir: "/nowhere", Mix: []string{"bank"}},
	} {
		if _, err := RunLoad(t.Context(), spec); err == nil {
			t.Errorf("%s: it runs", name)
		}
	}
}
