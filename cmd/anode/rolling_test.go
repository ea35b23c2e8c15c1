package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What docs/operations.md says of upgrades and of a new disk: nodes are stopped one at a time, the next one when
// `anode health` says that the last is well, and nothing is lost; one of them comes back without its promises.
func TestRollingRestart(t *testing.T) {
	p := startProcesses(t)
	servers := []string{"--servers", p.host + ":7000," + p.host + ":7100," + p.host + ":7200", "--key-file", filepath.Join(p.dir, "keys")}
	do := func(args ...string) string {
		t.Helper()
		out, errs, exit := run(t, append(args, servers...)...)
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
		p.healthy(i)
		if err := p.nodes[i].Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.said[i]
		if err := p.nodes[i].Wait(); err != nil {
			t.Errorf("node %d ended with %v", i, err)
		}
		do("txn", "add restarts 1")
		if i == 1 {
			if err := os.RemoveAll(filepath.Join(p.dir, fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		p.nodes[i], p.said[i] = serve(t, filepath.Join(p.dir, fmt.Sprintf("%d.yaml", i)))
		p.healthy(i)
	}
	if after := do("scan", "k"); after != before || strings.Count(after, "\n") != 20 {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if got := do("get", "restarts"); got != "3\n" {
		t.Errorf("%q restarts", got)
	}
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
