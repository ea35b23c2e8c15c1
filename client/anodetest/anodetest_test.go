package anodetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/client/anodetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// What a user's test does: write, lose a node, read, get the node back, lose another, read.
func TestNodesMayDie(t *testing.T) {
	cluster := anodetest.Start(t)
	db, ctx := cluster.Open(t), within(t, time.Minute)
	for i := range 20 {
		if err := db.Put(ctx, fmt.Sprint("k", i), []byte(fmt.Sprint("v", i))); err != nil {
			t.Fatal(err)
		}
	}
	for node := range 3 {
		cluster.Kill(t, node)
		for i := range 20 {
			if v, err := db.Get(ctx, fmt.Sprint("k", i)); err != nil || string(v) != fmt.Sprint("v", i) {
				t.Fatalf("without node %d: %q, %v", node, v, err)
			}
		}
		cluster.Restart(t, node)
	}
}

// Two clusters of one process know nothing of each other.
func TestTwoClusters(t *testing.T) {
	ctx := within(t, time.Minute)
	one, other := anodetest.Start(t, anodetest.Nodes(1), anodetest.Shards(1)).Open(t), anodetest.Start(t, anodetest.Nodes(1)).Open(t)
	if err := one.Put(ctx, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if v, err := other.Get(ctx, "k"); !errors.Is(err, client.ErrNotFound) {
		t.Fatalf("%q, %v", v, err)
	}
}

// A client without the key is not answered.
func TestTheClusterHasKeys(t *testing.T) {
	cfg := anodetest.Start(t, anodetest.Nodes(1)).Config()
	cfg.Key = nil
	if _, err := client.Open(within(t, 300*time.Millisecond), cfg); !errors.Is(err, client.ErrUnavailable) {
		t.Fatal(err)
	}
}

// failing is a test that is expected to fail: it notes why.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(f)
}

// Mistakes of a test fail that test, with a sentence.
func TestMistakes(t *testing.T) {
	cluster := anodetest.Start(t, anodetest.Nodes(1), anodetest.Shards(1))
	for want, mistake := range map[string]func(testing.TB){
		"2 nodes: choose 1, or 3 to 9":                func(t testing.TB) { anodetest.Start(t, anodetest.Nodes(2)) },
		"0 shards: choose 1 to 64":                    func(t testing.TB) { anodetest.Start(t, anodetest.Shards(0)) },
		"there is no node 1: there are nodes 0 to 0":  func(t testing.TB) { cluster.Kill(t, 1) },
		"there is no node -1: there are nodes 0 to 0": func(t testing.TB) { cluster.Restart(t, -1) },
		"100 shards: choose 1 to 64":                  func(t testing.TB) { anodetest.Start(t, anodetest.Shards(100)) },
		"there is no node 7: there are nodes 0 to 0":  func(t testing.TB) { cluster.Restart(t, 7) },
	} {
		f := &failing{TB: t}
		func() {
			defer func() { _ = recover() }()
			mistake(f)
		}()
		if !strings.Contains(f.said, want) {
			t.Errorf("%q, want %q", f.said, want)
		}
	}
}
