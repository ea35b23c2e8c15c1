package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/anodekv/anode/shard/server"
)

// A node is killed, started, stopped, wiped and started again, while the other two go on: it takes part again each time.
func TestANodeIsHurt(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOn})
	db := c.open()
	_, f := c.roles()
	put := func(key string) { t.Helper(); c.must(db.Put(c.within(), key, []byte(key))) }
	put("before")
	first := *c.Nodes()[f].Process
	if err := c.Start(f); !errors.Is(err, ErrRuns) {
		t.Errorf("a second process: %v", err)
	}
	if err := c.Wipe(f); !errors.Is(err, ErrRuns) {
		t.Errorf("the disk of a node that runs: %v", err)
	}
	c.must(c.Kill(c.within(), f))
	if first.lives() || c.Runs(f) {
		t.Error("the process lives after it was killed")
	}
	if err := c.Pause(f); !errors.Is(err, ErrStopped) {
		t.Errorf("a dead node is paused: %v", err)
	}
	put("without")
	c.must(c.Start(f))
	c.must(c.AwaitNode(c.within(), f))
	put("with")
	ended := func(i int, pid int, how string) {
		t.Helper()
		want := fmt.Sprintf("process %d has ended: %s\n", pid, how)
		c.eventually(want, func() bool {
			b, err := os.ReadFile(c.LogFile(i))
			return err == nil && strings.Contains(string(b), want)
		})
	}
	ended(f, first.PID, "signal: killed")
	second := *c.Nodes()[f].Process
	c.must(c.Stop(c.within(), f))
	ended(f, second.PID, "exit status 0")
	if len(c.promises(f)) == 0 {
		t.Fatalf("there is nothing to wipe in %s", c.dataDir(c.Nodes()[f].Name))
	}
	c.must(c.Wipe(f))
	if left := c.promises(f); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	// A node that has lost its promises stays out until an operator lets it in: it runs, and says why.
	c.must(c.Start(f))
	c.eventually("the wiped node answers", func() bool { _, err := c.Status(c.within(), f); return err == nil || !c.Runs(f) })
	b, err := os.ReadFile(c.LogFile(f))
	c.must(err)
	if n := strings.Count(string(b), " serves; stop it with"); n != 3 {
		t.Errorf("the log tells of %d starts, and there were 3:\n%s", n, b)
	}
}

// A paused process does nothing and is the same one when it goes on.
func TestANodeIsPaused(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOff})
	_, f := c.roles()
	before := *c.Nodes()[f].Process
	c.must(c.Pause(f))
	c.eventually("it stands still", func() bool { return stateOf(t, before.PID) == "T" })
	c.must(c.Resume(f))
	c.eventually("it goes on", func() bool { s := stateOf(t, before.PID); return s == "S" || s == "R" })
	if now := *c.Nodes()[f].Process; now != before {
		t.Errorf("it was %v and is %v", before, now)
	}
	c.must(c.AwaitNode(c.within(), f))
}

// stateOf is the letter that the system has for what a process does.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))[0]
}

// More nodes than replicas, settings, flags and environment reach the nodes.
func TestWhatANodeIsGiven(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Config{Replicas: 3, Nodes: 5, Shards: 4, Offload: server.OffloadAuto, DataDir: dir,
		Settings: map[string]string{"lease": "0s", "doubt-bound": "2s"}, Flags: []string{"--offload", "off"}, Env: []string{"GODEBUG=inittrace=1"}})
	db := c.open()
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		c.must(db.Put(c.within(), key, nil))
		_, err := db.Get(c.within(), key)
		c.must(err)
	}
	seats, byLease := 0, uint64(0)
	for i := range c.Nodes() {
		s, err := c.Status(c.within(), i)
		c.must(err)
		seats += len(s.Replicas)
		if s.Offload.Mode != "off" {
			t.Errorf("the flag has not reached node %d: %+v", i, s.Offload)
		}
		for _, r := range s.Replicas {
			byLease += r.Reads.ByLease
		}
		if len(c.promises(i)) == 0 {
			t.Errorf("node %d has nothing in %s", i, dir)
		}
	}
	if seats != 4*3 || byLease != 0 {
		t.Errorf("%d replicas of 4 shards, %d reads by a lease", seats, byLease)
	}
	if b, err := os.ReadFile(c.LogFile(0)); err != nil || !strings.Contains(string(b), "init runtime @") {
		t.Errorf("the environment has not reached node 0: %v", err)
	}
}
