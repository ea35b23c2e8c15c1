package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/anodekv/anode/client"
)

// What docs/operations.md says of upgrades and of a new disk: nodes are stopped one at a time, the next one when
// `anode health` says that the last is well, and nothing is lost; one of them comes back without its promises.
func TestRollingRestart(t *testing.T) {
	p := startProcesses(t)
	do := func(args ...string) string {
		t.Helper()
		out, errs, exit := run(t, append(args, p.reach()...)...)
		if exit != 0 {
			t.Fatalf("%v: %d, %s", args, exit, errs)
		}
		return out
	}
	for i := range 20 {
		do("put", fmt.Sprintf("k%02d", i), fmt.Sprint(i))
	}
	before := do("scan")
	for i := range p.nodes {
		p.stop(i)
		do("txn", "add restarts 1")
		if i == 1 {
			if err := os.RemoveAll(filepath.Join(p.dir, fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		p.again(i)
	}
	if after := do("scan", "k"); after != before || strings.Count(after, "\n") != 20 {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if got := do("get", "restarts"); got != "3\n" {
		t.Errorf("%q restarts", got)
	}
}

// Nodes that are stopped by SIGTERM while many clients write cost nobody an acknowledged write, and nobody an error: what a
// client had under way at the node it asks the next leader, and waits for no time limit.
func TestStoppingUnderLoad(t *testing.T) {
	p := startProcesses(t)
	db := p.open()
	var stop atomic.Bool
	var slowest atomic.Int64
	acknowledged := make([]int, 8)
	var writers errgroup.Group
	for w := range acknowledged {
		writers.Go(func() error {
			for n := 0; !stop.Load(); n++ {
				began := time.Now()
				err := db.Update(within(t, patience), func(ctx context.Context, tx *client.Txn) error {
					if err := tx.Put(ctx, fmt.Sprintf("w%d/%06d", w, n), []byte("x")); err != nil {
						return err
					}
					return tx.Put(ctx, fmt.Sprintf("last%d", w), []byte(fmt.Sprint(n)))
				})
				if err != nil {
					return fmt.Errorf("writer %d, write %d: %w", w, n, err)
				}
				acknowledged[w] = n + 1
				if took := int64(time.Since(began)); took > slowest.Load() {
					slowest.Store(took)
				}
			}
			return nil
		})
	}
	for i := range p.nodes {
		p.stop(i)
		p.again(i)
	}
	stop.Store(true)
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
	for w, want := range acknowledged {
		pairs, err := db.Scan(within(t, patience), client.ScanOptions{Prefix: fmt.Sprintf("w%d/", w)})
		if err != nil || len(pairs) != want || want < 10 {
			t.Errorf("writer %d was acknowledged %d writes, and %d are there: %v", w, want, len(pairs), err)
		}
	}
	t.Logf("%v writes, the slowest took %v", acknowledged, time.Duration(slowest.Load()))
}

// What docs/operations.md says of keys: three rolling restarts change both, clients are served all the time, and nothing is
// lost.
func TestKeysAreChanged(t *testing.T) {
	p := startProcesses(t)
	const (
		oldReplica, newReplica = "00112233445566778899aabbccddeeff", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
		oldClient, newClient   = "ffeeddccbbaa99887766554433221100", "f0e1d2c3b4a5968778695a4b3c2d1e0f"
	)
	p.write("keys", "replica: "+oldReplica+"\nclient: "+oldClient+"\n")
	p.write("client-old", "client: "+oldClient+"\n")
	p.write("client-both", "client: "+oldClient+"\nclient-also: "+newClient+"\n")
	p.write("client-new", "client: "+newClient+"\n")
	try := func(keys string, args ...string) (string, int) {
		t.Helper()
		out, errs, exit := run(t, append(args, "--servers", p.host+":7000,"+p.host+":7100,"+p.host+":7200",
			"--key-file", filepath.Join(p.dir, keys), "--timeout", "3s")...)
		return out + errs, exit
	}
	adds := 0
	add := func(keys string) {
		t.Helper()
		if out, exit := try(keys, "txn", "add changes 1"); exit != 0 {
			t.Fatalf("with %s: %s", keys, out)
		}
		adds++
	}
	add("client-old")
	for _, step := range []struct {
		keys    string
		clients []string // are served while the nodes restart, and between
	}{
		{"replica: " + oldReplica + "\nreplica-also: " + newReplica + "\nclient: " + oldClient + "\nclient-also: " + newClient + "\n", []string{"client-old", "client-both"}},
		{"replica: " + newReplica + "\nreplica-also: " + oldReplica + "\nclient: " + newClient + "\nclient-also: " + oldClient + "\n", []string{"client-both"}},
		{"replica: " + newReplica + "\nclient: " + newClient + "\n", []string{"client-new"}},
	} {
		p.write("keys", step.keys)
		for i := range p.nodes {
			p.stop(i)
			for _, keys := range step.clients {
				add(keys)
			}
			p.again(i)
		}
	}
	if out, _ := try("client-new", "get", "changes"); out != fmt.Sprintln(adds) {
		t.Errorf("%q after %d additions", out, adds)
	}
	for _, keys := range []string{"client-old", "client-both"} {
		if out, exit := try(keys, "get", "changes"); exit != 1 {
			t.Errorf("with %s: exit code %d, %s", keys, exit, out)
		}
	}
}

// stop ends a node that is well.
func (p *processes) stop(i int) {
	p.t.Helper()
	p.healthy(i)
	if err := p.nodes[i].Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	<-p.said[i]
	if err := p.nodes[i].Wait(); err != nil {
		p.t.Errorf("node %d ended with %v", i, err)
	}
}

// again starts a node that was stopped, and waits until it is well.
func (p *processes) again(i int) {
	p.t.Helper()
	p.nodes[i], p.said[i] = serve(p.t, filepath.Join(p.dir, fmt.Sprintf("%d.yaml", i)))
	p.healthy(i)
}

// healthy waits until a node takes part in its groups.
func (p *processes) healthy(i int) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, errs, exit := run(p.t, "health", "--admin", p.admin(i))
		if exit == 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal(errs)
		}
	}
}
