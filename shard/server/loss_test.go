package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard/server"
)

// logbook is a log that tests look into.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// All nodes restart at once: the group is closed, every node says so and names the command, nobody is served,
// and when the loss is accepted the group begins anew with nothing.
func TestAllNodesRestartAtOnce(t *testing.T) {
	c := newCluster(t, layOut(3, 1, 3), bothKeys)
	log := &logbook{}
	start := func() {
		for _, n := range c.topology.Nodes {
			cfg := c.config(n.Name)
			cfg.Timing, cfg.Log = paxos.DefaultTiming(), slog.New(slog.NewTextHandler(log, nil))
			node, err := server.Start(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			c.nodes[n.Name] = node
		}
	}
	start()
	db := c.open()
	if err := db.Put(within(t, patience), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := c.nodes["n0"].AcceptLoss(within(t, patience), 0); !errors.Is(err, paxos.ErrNotLost) {
		t.Fatalf("a group that serves is given up: %v", err)
	}
	if err := c.nodes["n0"].AcceptLoss(within(t, patience), 9); !errors.Is(err, server.ErrNotHere) {
		t.Fatal(err)
	}
	for _, n := range c.topology.Nodes {
		c.stop(n.Name)
	}
	start()
	c.eventually("all say that the group is lost", func() bool {
		for name := range c.nodes {
			if s := c.status(name, 0); !s.Lost || s.Normal() {
				return false
			}
		}
		return true
	})
	if n := log.count("anode recover --group 0 --accept-data-loss"); n != 3 {
		t.Errorf("the command that decides was named %d times by 3 nodes", n)
	}
	if v, err := db.Get(within(t, 300*time.Millisecond), "k"); err == nil || errors.Is(err, client.ErrNotFound) {
		t.Fatalf("a closed group has answered: %q, %v", v, err)
	}
	if err := c.nodes["n1"].AcceptLoss(within(t, patience), 0); err != nil {
		t.Fatal(err)
	}
	c.leader(0)
	if v, err := db.Get(within(t, patience), "k"); !errors.Is(err, client.ErrNotFound) {
		t.Fatalf("a new group holds %q, %v", v, err)
	}
	// The client's session was given up with all else: its first word is told so, and may not be repeated blindly.
	if err := db.Put(within(t, patience), "k", []byte("w")); err != nil && !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	if err := db.Put(within(t, patience), "k", []byte("w")); err != nil {
		t.Fatal(err)
	}
	if s := c.status("n2", 0); s.Epoch != 1 || s.Lost {
		t.Errorf("%+v", s.State)
	}
}

// The first boot is no slower than a few round trips and three syncs of a small file.
func TestFirstBootIsQuick(t *testing.T) {
	c := newCluster(t, layOut(3, 1, 3), bothKeys)
	for _, n := range c.topology.Nodes {
		c.start(n.Name)
	}
	began := time.Now()
	c.leader(0)
	t.Logf("serves %v after its last node had started", time.Since(began))
}
