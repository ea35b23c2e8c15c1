package client_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// lose makes a group lose requests or answers of one kind, until found.
func (f *fake) lose(g int, kind wire.Kind) {
	f.on(g, func(g *fakeGroup) {
		g.filter = func(k wire.Kind) bool { return k != kind }
		g.mute = func(k wire.Kind) bool { return k == kind }
	})
}

func (f *fake) found(g int) { f.on(g, func(g *fakeGroup) { g.filter, g.mute = nil, nil }) }

func asError(t *testing.T, err error) *client.Error {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is not an *Error", err)
	}
	return e
}

func putBoth(ctx context.Context, tx *client.Txn, keys ...string) error {
	for _, key := range keys {
		if err := tx.Put(ctx, key, []byte("new")); err != nil {
			return err
		}
	}
	return nil
}

func TestALostPrepareIsUnknownUntilItIsRefused(t *testing.T) {
	f := newFake(t, 2)
	db := f.open()
	a, b := f.keyAt(0, "a"), f.keyAt(1, "b")
	must(t, db.Put(t.Context(), a, []byte("old"))) // opens the sessions, so that the prepare itself is lost
	must(t, db.Put(t.Context(), b, []byte("old")))
	f.lose(1, wire.KindPrepare)
	runs := 0
	err := db.Update(within(t, 100*time.Millisecond), func(ctx context.Context, tx *client.Txn) error {
		runs++
		return putBoth(ctx, tx, a, b)
	})
	e := asError(t, err)
	if !errors.Is(err, client.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) || e.Txn == (txn.ID{}) || runs != 1 {
		t.Fatalf("%v (%#v) after %d runs", err, e, runs)
	}
	if !strings.Contains(err.Error(), "group 1: no answer") {
		t.Errorf("the cause is not told: %v", err)
	}
	if got, err := db.Outcome(within(t, 5*time.Second), e.Txn); err != nil || got != client.Aborted {
		t.Errorf("%v, %v: the shard that never prepared it has refused it", got, err)
	}
	for _, key := range []string{a, b} {
		if v, err := db.Get(within(t, time.Second), key); err != nil || string(v) != "old" {
			t.Errorf("%s: %q, %v", key, v, err)
		}
	}
}

func TestALostVoteIsUnknownUntilItIsHeard(t *testing.T) {
	f := newFake(t, 2)
	db := f.open()
	a, b := f.keyAt(0, "a"), f.keyAt(1, "b")
	must(t, db.Put(t.Context(), a, nil))
	must(t, db.Put(t.Context(), b, nil))
	f.lose(1, wire.KindTxnReply)
	err := db.Update(within(t, 100*time.Millisecond), func(ctx context.Context, tx *client.Txn) error { return putBoth(ctx, tx, a, b) })
	if !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	id := asError(t, err).Txn
	if got, err := db.Outcome(within(t, 50*time.Millisecond), id); err != nil || got != client.Pending {
		t.Errorf("%v, %v before the vote can be heard", got, err)
	}
	f.found(1)
	if got, err := db.Outcome(within(t, 5*time.Second), id); err != nil || got != client.Committed {
		t.Errorf("%v, %v: both had voted yes", got, err)
	}
	if v, err := db.Get(within(t, time.Second), b); err != nil || string(v) != "new" {
		t.Errorf("%q, %v", v, err)
	}
}

func TestAShardThatIsSilentIsNamed(t *testing.T) {
	f := newFake(t, 2)
	db := f.open()
	f.lose(1, wire.KindRead)
	_, err := db.Get(within(t, 80*time.Millisecond), f.keyAt(1, "k"))
	e := asError(t, err)
	if !errors.Is(err, client.ErrUnavailable) || e.Shard != 1 || !strings.Contains(err.Error(), "group 1: no answer") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := db.Get(ctx, f.keyAt(1, "k")); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnavailable) {
		t.Errorf("the caller's own wish: %v", err)
	}
}

func TestANewLeaderIsFound(t *testing.T) {
	f := newFake(t, 1)
	db := f.open()
	for range 7 {
		must(t, db.Put(within(t, 5*time.Second), "k", []byte("v")))
		f.elect(0)
	}
	dead := make(chan struct{})
	f.on(0, func(g *fakeGroup) { g.conns[g.leader()].Close(); close(dead) })
	<-dead
	f.elect(0)
	must(t, db.Put(within(t, 5*time.Second), "k", []byte("v")))
}

func TestCloseLetsDecidedTransactionsReachTheirShards(t *testing.T) {
	f := newFake(t, 2)
	db, err := client.Open(t.Context(), f.config())
	must(t, err)
	f.lose(1, wire.KindCommit)
	must(t, db.Update(within(t, 5*time.Second), func(ctx context.Context, tx *client.Txn) error {
		return putBoth(ctx, tx, f.keyAt(0, "a"), f.keyAt(1, "b"))
	}))
	if f.prepared() == 0 {
		t.Error("the commit was to be lost")
	}
	time.AfterFunc(50*time.Millisecond, func() { f.found(1) })
	must(t, db.Close())
	if n := f.prepared(); n > 0 {
		t.Errorf("%d prepared after Close", n)
	}
	if err := db.Put(t.Context(), "k", nil); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	must(t, db.Close())
}

func TestCloseEndsThoseWhoWait(t *testing.T) {
	f := newFake(t, 2)
	cfg := f.config()
	cfg.CloseWait = 50 * time.Millisecond
	db, err := client.Open(t.Context(), cfg)
	must(t, err)
	must(t, db.Put(t.Context(), f.keyAt(1, "k"), nil))
	f.lose(1, wire.KindRead)
	f.on(1, func(g *fakeGroup) { g.filter = func(wire.Kind) bool { return false } })
	errs := make(chan error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { errs <- second(db.Get(t.Context(), f.keyAt(1, "k"))) })
	wg.Go(func() { errs <- db.Put(t.Context(), f.keyAt(1, "k"), nil) })
	time.Sleep(30 * time.Millisecond)
	begun := time.Now()
	must(t, db.Close())
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	wg.Wait()
	close(errs)
	unknown := 0
	for err := range errs {
		if errors.Is(err, client.ErrOutcomeUnknown) {
			unknown++
		} else if !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	if unknown != 1 {
		t.Errorf("%d unknown: the put was sent, the get is nothing to be unsure of", unknown)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	f := newFake(t, 2)
	for want, change := range map[string]func(*client.Config){
		"no servers":             func(c *client.Config) { c.Servers = nil },
		"write it as host:port":  func(c *client.Config) { c.Servers = []string{"10.0.0.1"} },
		"the port is not a numb": func(c *client.Config) { c.Servers = []string{"10.0.0.1:http"} },
		"no server answered":     func(c *client.Config) { c.Servers = []string{"10.9.9.9:1"} },
		"belongs to cluster 77":  func(c *client.Config) { c.Cluster = 78 },
		"the key has 3 bytes":    func(c *client.Config) { c.Key = []byte("abc") },
		"the key has 2 bytes":    func(c *client.Config) { c.Key, c.AlsoKey = make([]byte, 16), []byte("ab") },
		"an AlsoKey and no Key":  func(c *client.Config) { c.Key, c.AlsoKey = nil, make([]byte, 16) },
		"no server answered: ch": func(c *client.Config) { c.Key = make([]byte, 16); c.Key[0] = 9 },
		"a number from 1 to 655": func(c *client.Config) { c.Servers = []string{"10.0.0.1:0"} },
		`server ":7000"`:         func(c *client.Config) { c.Servers = []string{":7000"} },
		"CloseWait is -1ns":      func(c *client.Config) { c.CloseWait = -1 },
		"DatagramBytes is 100":   func(c *client.Config) { c.DatagramBytes = 100 },
		"DatagramBytes is 70000": func(c *client.Config) { c.DatagramBytes = 70000 },
	} {
		cfg := f.config()
		change(&cfg)
		db, err := client.Open(within(t, 250*time.Millisecond), cfg)
		if err == nil {
			db.Close()
			t.Errorf("%s: opened", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		} else if reached := strings.HasPrefix(want, "no server answered") || strings.HasPrefix(want, "belongs"); errors.Is(err, client.ErrInvalid) == reached {
			t.Errorf("%v: is it the caller's mistake?", err)
		}
		cfg.Conn.Close()
	}
}

func TestAContextThatHasEndedSendsNothing(t *testing.T) {
	f := newFake(t, 1)
	db := f.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Put(ctx, "k", nil); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
	if _, err := db.Get(within(t, time.Second), "k"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func BenchmarkPut64(b *testing.B) {
	f := newFake(b, 4)
	db, err := client.Open(b.Context(), f.config())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 100)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		key := "key-000000000016"
		for pb.Next() {
			if err := db.Put(context.Background(), key, value); err != nil {
				b.Error(err)
			}
		}
	})
}
