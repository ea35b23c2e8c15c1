package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// text renders what a scan shows.
func text(t testing.TB, pairs iter.Seq2[client.Pair, error]) string {
	t.Helper()
	var b strings.Builder
	for p, err := range pairs {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s=%s ", p.Key, p.Value)
	}
	return b.String()
}

func put(t testing.TB, c *client.Client, keys ...string) {
	t.Helper()
	err := c.Update(within(t, 5*time.Second), func(ctx context.Context, tx *client.Txn) error {
		for _, key := range keys {
			if err := tx.Put(ctx, key, []byte("v")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestScanMergesAllShardsInOrder(t *testing.T) {
	c := newFake(t, 3).open()
	ctx := within(t, 5*time.Second)
	put(t, c, "a", "b", "ba", "bb", "c", "b\xff", "b\xffx")
	for _, q := range []struct {
		opts client.ScanOptions
		want string
	}{
		{client.ScanOptions{}, "a=v b=v ba=v bb=v b\xff=v b\xffx=v c=v "},
		{client.ScanOptions{Reverse: true}, "c=v b\xffx=v b\xff=v bb=v ba=v b=v a=v "},
		{client.ScanOptions{Prefix: "b"}, "b=v ba=v bb=v b\xff=v b\xffx=v "},
		{client.ScanOptions{Prefix: "b\xff"}, "b\xff=v b\xffx=v "},
		{client.ScanOptions{Prefix: "b", Start: "ba", End: "b\xff"}, "ba=v bb=v "},
		{client.ScanOptions{Prefix: "b", Start: "a", End: "z", Limit: 2}, "b=v ba=v "},
		{client.ScanOptions{Start: "b", Limit: 3, Reverse: true}, "c=v b\xffx=v b\xff=v "},
		{client.ScanOptions{Start: "c", End: "b"}, ""},
		{client.ScanOptions{Prefix: "x"}, ""},
		{client.ScanOptions{Prefix: "\xff"}, ""},
	} {
		err := c.View(ctx, func(ctx context.Context, tx *client.Txn) error {
			if got := text(t, tx.Scan(ctx, q.opts)); got != q.want {
				t.Errorf("%+v: %q, want %q", q.opts, got, q.want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%+v: %v", q.opts, err)
		}
		pairs, err := c.Scan(ctx, q.opts)
		if err != nil || len(pairs) != strings.Count(q.want, " ") {
			t.Errorf("%+v: %v %v", q.opts, pairs, err)
		}
	}
}

// A transaction that writes, reads and scans at random sees what a plain map would show, in both directions and
// from pages of any size.
func TestScanShowsTheTransactionItsOwnWrites(t *testing.T) {
	c := newFake(t, 3).open()
	ctx := within(t, 30*time.Second)
	rng := rand.New(rand.NewPCG(1, 2))
	stored := map[string]string{}
	for round := range 60 {
		var seen map[string]string
		err := c.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
			seen = mapOf(stored)
			for range 12 {
				key, value := fmt.Sprintf("k%02d", rng.IntN(40)), fmt.Sprint(round)
				switch rng.IntN(4) {
				case 0:
					delete(seen, key)
					if err := tx.Delete(ctx, key); err != nil {
						return err
					}
				case 1:
					if _, err := tx.Get(ctx, key); err != nil && !errors.Is(err, client.ErrNotFound) {
						return err
					}
				case 2:
					seen[key] = value
					if err := tx.Put(ctx, key, []byte(value)); err != nil {
						return err
					}
				default:
					opts := client.ScanOptions{Start: fmt.Sprintf("k%02d", rng.IntN(40)), Limit: rng.IntN(9), Reverse: rng.IntN(2) == 0}
					if rng.IntN(2) == 0 {
						opts.End = fmt.Sprintf("k%02d", rng.IntN(40))
					}
					if got, want := text(t, tx.Scan(ctx, opts)), plain(seen, opts); got != want {
						t.Fatalf("round %d: %+v: %q, want %q", round, opts, got, want)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		stored = seen
	}
}

func mapOf(m map[string]string) map[string]string {
	c := map[string]string{}
	for k, v := range m {
		c[k] = v
	}
	return c
}

// plain is what a scan of a map shows.
func plain(m map[string]string, opts client.ScanOptions) string {
	var keys []string
	for k := range m {
		if k >= opts.Start && (opts.End == "" || k < opts.End) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if opts.Reverse {
		slices.Reverse(keys)
	}
	if opts.Limit > 0 && len(keys) > opts.Limit {
		keys = keys[:opts.Limit]
	}
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s=%s ", k, m[k])
	}
	return b.String()
}

// A loop may delete what it walks over, and meets what it adds ahead of itself.
func TestALoopMayWriteWhatItWalks(t *testing.T) {
	c := newFake(t, 3).open()
	ctx := within(t, 5*time.Second)
	put(t, c, "q1", "q2", "q3")
	err := c.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		var walked []string
		for p, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "q"}) {
			if err != nil {
				return err
			}
			walked = append(walked, p.Key)
			if err := tx.Delete(ctx, p.Key); err != nil {
				return err
			}
			if p.Key == "q2" {
				_ = tx.Put(ctx, "q1x", nil)
				_ = tx.Put(ctx, "q9", nil)
				_ = tx.Delete(ctx, "q3")
			}
		}
		if got := strings.Join(walked, " "); got != "q1 q2 q9" {
			t.Errorf("walked %s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pairs, err := c.Scan(ctx, client.ScanOptions{Prefix: "q"}); err != nil || len(pairs) != 1 || pairs[0].Key != "q1x" {
		t.Errorf("left: %v %v", pairs, err)
	}
}

// What was walked is made sure of, and nothing else: a change where the loop has been is a conflict, whatever the
// change, and one beyond the key at which it stopped is none.
func TestAScanIsValidatedAsFarAsItWent(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		for _, q := range []struct {
			name     string
			reverse  bool
			limit    int
			stopAt   string
			change   func(*client.Client, context.Context) error
			conflict bool
		}{
			{"phantom", false, 0, "", add("kc5"), true},
			{"phantom at the end", false, 0, "", add("kz"), true},
			{"deleted", false, 0, "", remove("kc"), true},
			{"overwritten", false, 0, "", add("kc"), true},
			{"outside", false, 0, "", add("l"), false},
			{"before the stop", false, 0, "kc", add("kb5"), true},
			{"the stop itself", false, 0, "kc", add("kc"), true},
			{"right behind the stop", false, 0, "kc", add("kc\x00"), false},
			{"far behind the stop", false, 0, "kc", add("ky"), false},
			{"before the limit", false, 2, "", add("kb"), true},
			{"behind the limit", false, 2, "", add("kb1"), false},
			{"before the stop, downwards", true, 0, "kc", add("kd5"), true},
			{"the stop itself, downwards", true, 0, "kc", remove("kc"), true},
			{"behind the stop, downwards", true, 0, "kc", add("kb5"), false},
		} {
			t.Run(fmt.Sprintf("%s, read-only %v", q.name, readOnly), func(t *testing.T) {
				c := newFake(t, 3).open()
				ctx := within(t, 5*time.Second)
				put(t, c, "ka", "kb", "kc", "kd", "ke")
				tx := c.Begin()
				for p, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "k", Reverse: q.reverse, Limit: q.limit}) {
					if err != nil {
						t.Fatal(err)
					}
					if p.Key == q.stopAt {
						break
					}
				}
				if err := q.change(c, ctx); err != nil {
					t.Fatal(err)
				}
				if !readOnly {
					_ = tx.Put(ctx, "elsewhere", nil)
				}
				if err := tx.Commit(ctx); errors.Is(err, client.ErrConflict) != q.conflict || err != nil && !q.conflict {
					t.Errorf("commit: %v, want a conflict: %v", err, q.conflict)
				}
			})
		}
	}
}

func add(key string) func(*client.Client, context.Context) error {
	return func(c *client.Client, ctx context.Context) error { return c.Put(ctx, key, []byte("new")) }
}

func remove(key string) func(*client.Client, context.Context) error {
	return func(c *client.Client, ctx context.Context) error { return c.Delete(ctx, key) }
}

// A loop may commit before it has ended: what it has walked until then counts.
func TestCommitInsideALoop(t *testing.T) {
	c := newFake(t, 3).open()
	ctx := within(t, 5*time.Second)
	put(t, c, "ka", "kb", "kc")
	tx := c.Begin()
	for p, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "k"}) {
		if p.Key == "kb" {
			put(t, c, "kb")
			if err := tx.Commit(ctx); !errors.Is(err, client.ErrConflict) {
				t.Errorf("commit: %v", err)
			}
		} else if p.Key == "" && !errors.Is(err, client.ErrTxnDone) {
			t.Errorf("after the commit: %v", err)
		}
	}
}

// More keys than one page of each shard holds, in values that fill pages.
func TestALongScanIsPaged(t *testing.T) {
	c := newFake(t, 3).open()
	ctx := within(t, 20*time.Second)
	const keys = 1500
	for i := 0; i < keys; i += 100 {
		err := c.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
			for k := i; k < i+100; k++ {
				if err := tx.Put(ctx, fmt.Sprintf("p%05d", k), make([]byte, 300)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, reverse := range []bool{false, true} {
		pairs, err := c.Scan(ctx, client.ScanOptions{Prefix: "p", Reverse: reverse})
		if err != nil || len(pairs) != keys {
			t.Fatalf("%d keys: %v", len(pairs), err)
		}
		for i, p := range pairs {
			n := i
			if reverse {
				n = keys - 1 - i
			}
			if p.Key != fmt.Sprintf("p%05d", n) {
				t.Fatalf("%s stands at %d", p.Key, i)
			}
		}
	}
}

// A shard that cannot be reached ends the loop with an error, and the transaction with it.
func TestAnErrorEndsTheLoopAndTheTransaction(t *testing.T) {
	f := newFake(t, 2)
	c := f.open()
	put(t, c, f.keyAt(0, "k"), f.keyAt(1, "k"))
	f.on(1, func(g *fakeGroup) { g.filter = func(k wire.Kind) bool { return k != wire.KindScan } })
	tx := c.Begin()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	failed := 0
	for _, err := range tx.Scan(ctx, client.ScanOptions{}) {
		if !errors.Is(err, client.ErrUnavailable) {
			t.Fatalf("%v", err)
		}
		failed++
	}
	if err := tx.Commit(t.Context()); failed != 1 || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("%d errors, then %v", failed, err)
	}
	for _, err := range c.Begin().Scan(t.Context(), client.ScanOptions{Prefix: strings.Repeat("x", txn.MaxKeyBytes+1)}) {
		if !errors.Is(err, client.ErrTooLarge) {
			t.Errorf("a long prefix: %v", err)
		}
	}
}

func TestSnapshotsOfThePast(t *testing.T) {
	c := newFake(t, 3).open()
	ctx := within(t, 5*time.Second)
	put(t, c, "sa", "sb", "sc")
	time.Sleep(time.Millisecond) // the commit above and the moment below are told apart by a clock
	then := time.Now()
	time.Sleep(time.Millisecond)
	if err := c.Delete(ctx, "sb"); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(ctx, "sc", []byte("new")); err != nil {
		t.Fatal(err)
	}
	put(t, c, "sd")
	past, present := c.SnapshotAt(then), c.SnapshotAt(time.Now())
	if got := text(t, past.Scan(ctx, client.ScanOptions{Prefix: "s"})); got != "sa=v sb=v sc=v " {
		t.Errorf("then: %q", got)
	}
	if got := text(t, present.Scan(ctx, client.ScanOptions{Prefix: "s", Reverse: true, Limit: 2})); got != "sd=v sc=new " {
		t.Errorf("now: %q", got)
	}
	if v, err := past.Get(ctx, "sb"); err != nil || string(v) != "v" {
		t.Errorf("sb then: %q %v", v, err)
	}
	if _, err := present.Get(ctx, "sb"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("sb now: %v", err)
	}
	if all, err := past.GetAll(ctx, "sc", "sd"); err != nil || string(all[0]) != "v" || all[1] != nil {
		t.Errorf("then: %q %v", all, err)
	}
	if _, err := past.Get(ctx, ""); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("an empty key: %v", err)
	}
}

func TestASnapshotTooOldIsRefused(t *testing.T) {
	f := newFake(t, 1)
	c := f.open()
	ctx := within(t, 5*time.Second)
	put(t, c, "k")
	f.on(0, func(g *fakeGroup) {
		collect := wire.AppendValue([]byte{byte(wire.KindCollect)}, &struct{ Below txn.Timestamp }{g.p.Clock()})
		g.p.Apply(g.p.Applied()+1, txn.Timestamp(clock()), [][]byte{collect})
	})
	old := c.SnapshotAt(time.Now().Add(-time.Hour))
	if _, err := old.Get(ctx, "k"); !errors.Is(err, client.ErrTooOld) {
		t.Errorf("get: %v", err)
	}
	for _, err := range old.Scan(ctx, client.ScanOptions{}) {
		if !errors.Is(err, client.ErrTooOld) {
			t.Errorf("scan: %v", err)
		}
	}
}
