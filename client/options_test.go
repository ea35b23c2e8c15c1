package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func TestOptionsThatMakeNoSense(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	nothing := func(context.Context, *client.Txn) error { t.Error("the function ran"); return nil }
	for name, c := range map[string]struct {
		opt  client.Option
		want string
	}{
		"no attempts":    {client.Attempts(0), "attempts must be 1 or more"},
		"fewer than one": {client.Attempts(-3), "attempts must be 1 or more"},
		"priority":       {client.Priority(2), "the priority is 2: choose Low, Normal or High"},
		"the future":     {client.Staleness(-time.Second), "the staleness is -1s"},
		"stale update":   {client.Staleness(time.Second), "only View can do with the past"},
		"no option":      {nil, "an option is nil"},
	} {
		err := db.Update(ctx, nothing, c.opt)
		if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoFunctionToRun(t *testing.T) {
	db, ctx := newFake(t, 1).open(), within(t, 10*time.Second)
	_, valued := client.UpdateValue[int](ctx, db, nil)
	for name, err := range map[string]error{"update": db.Update(ctx, nil), "view": db.View(ctx, nil), "value": valued} {
		if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), "there is no function to run") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.Outcome(ctx, txn.ID{}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("the outcome of nothing: %v", err)
	}
}

// A stale view shows one moment of the past, by every way of reading, and conflicts with nothing.
func TestStaleView(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 20*time.Second)
	keys := []string{"s/a", "s/b", "s/c", "s/d"}
	for _, key := range keys {
		must(t, db.Put(ctx, key, []byte("old")))
	}
	time.Sleep(200 * time.Millisecond)
	for _, key := range keys {
		must(t, db.Put(ctx, key, []byte("new")))
	}
	runs := 0
	must(t, db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		runs++
		values, err := tx.GetAll(ctx, keys[:2]...)
		if err != nil {
			return err
		}
		must(t, db.Put(ctx, "s/a", []byte("newest"))) // a conflict, were this view of the present
		v, err := tx.Get(ctx, "s/c")
		if err != nil {
			return err
		}
		for _, v := range append(values, v) {
			if string(v) != "old" {
				t.Errorf("read %q", v)
			}
		}
		for pair, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "s/"}) {
			if err != nil {
				return err
			}
			if string(pair.Value) != "old" {
				t.Errorf("scanned %q", pair.Value)
			}
		}
		return nil
	}, client.Staleness(150*time.Millisecond), client.Attempts(1)))
	if runs != 1 {
		t.Errorf("ran %d times", runs)
	}
}

func TestUpdateValue(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 20*time.Second)
	first := true
	n, err := client.UpdateValue(ctx, db, func(ctx context.Context, tx *client.Txn) (int, error) {
		v, err := tx.GetAll(ctx, "n")
		if err != nil {
			return 0, err
		}
		if first { // this attempt's result must be forgotten
			first = false
			must(t, db.Put(ctx, "n", []byte("xx")))
		}
		return len(v[0]), tx.Put(ctx, "n", append(v[0], 'x'))
	})
	if err != nil || n != 2 {
		t.Errorf("%d, %v: want what the committed attempt returned", n, err)
	}
	own := errors.New("own")
	if n, err := client.ViewValue(ctx, db, func(context.Context, *client.Txn) (int, error) { return 7, own }); n != 0 || !errors.Is(err, own) {
		t.Errorf("%d, %v", n, err)
	}
}

// GetMulti costs one round per shard, whatever the number of keys.
func TestGetMulti(t *testing.T) {
	f := newFake(t, 3)
	db, ctx := f.open(), within(t, 20*time.Second)
	var keys []string
	for i := range 30 {
		keys = append(keys, fmt.Sprint("m", i))
		if i%2 == 0 {
			must(t, db.Put(ctx, keys[i], []byte(fmt.Sprint(i))))
		}
	}
	must(t, db.Put(ctx, "m4", nil))
	var mu sync.Mutex
	asked := 0
	for _, g := range f.groups {
		g.mu.Lock()
		g.filter = func(k wire.Kind) bool {
			mu.Lock()
			defer mu.Unlock()
			if k == wire.KindRead {
				asked++
			}
			return true
		}
		g.mu.Unlock()
	}
	rounds := func() (n int) {
		for i := range f.groups {
			f.on(i, func(g *fakeGroup) { n += g.confirmed })
		}
		return n
	}
	before := rounds()
	values, err := db.GetMulti(ctx, append(keys, "m0")...)
	if err != nil || len(values) != 31 {
		t.Fatal(len(values), err)
	}
	for i, v := range values[:30] {
		want := []byte(fmt.Sprint(i))
		if i == 4 {
			want = []byte{}
		}
		if i%2 == 1 && v != nil || i%2 == 0 && (v == nil || !bytes.Equal(v, want)) {
			t.Errorf("%s is %q", keys[i], v)
		}
	}
	if string(values[30]) != "0" {
		t.Errorf("a key that is asked for twice: %q", values[30])
	}
	if n := rounds() - before; n != 3 {
		t.Errorf("the leaders of 3 shards were confirmed %d times: what they told may be old", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if asked != 3 {
		t.Errorf("%d reads for 3 shards", asked)
	}
	if _, err := db.GetMulti(ctx, "a", ""); !errors.Is(err, client.ErrInvalid) {
		t.Error(err)
	}
	if v, err := db.GetMulti(ctx); v != nil || err != nil {
		t.Error(v, err)
	}
}

func TestCompareAndSwap(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 20*time.Second)
	for i, c := range []struct {
		old, next []byte
		swapped   bool
		after     string // "-" is absent
	}{
		{[]byte("x"), []byte("y"), false, "-"},
		{[]byte{}, []byte("y"), false, "-"},
		{nil, []byte{}, true, ""},
		{nil, []byte("y"), false, ""},
		{[]byte{}, []byte("y"), true, "y"},
		{[]byte("x"), []byte("z"), false, "y"},
		{[]byte("y"), []byte("z"), true, "z"},
		{[]byte("z"), nil, true, "-"},
		{nil, nil, true, "-"},
	} {
		swapped, err := db.CompareAndSwap(ctx, "k", c.old, c.next)
		if err != nil || swapped != c.swapped {
			t.Errorf("%d: %v, %v", i, swapped, err)
		}
		v, err := db.Get(ctx, "k")
		if c.after == "-" && !errors.Is(err, client.ErrNotFound) || c.after != "-" && (err != nil || string(v) != c.after) {
			t.Errorf("%d: %q, %v", i, v, err)
		}
	}
	if _, err := db.CompareAndSwap(ctx, "", nil, nil); !errors.Is(err, client.ErrInvalid) {
		t.Error(err)
	}
}

// Of many that swap the same value, one at a time wins: nothing is swapped twice and nothing is lost.
func TestCompareAndSwapCounts(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 30*time.Second)
	must(t, db.Put(ctx, "n", []byte{0}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for wins := 0; wins < 10; {
				v, err := db.Get(ctx, "n")
				if err != nil {
					t.Error(err)
					return
				}
				swapped, err := db.CompareAndSwap(ctx, "n", v, []byte{v[0] + 1})
				if err != nil {
					t.Error(err)
					return
				}
				if swapped {
					wins++
				}
			}
		})
	}
	wg.Wait()
	if v, err := db.Get(ctx, "n"); err != nil || v[0] != 40 {
		t.Errorf("%v, %v: want 40", v, err)
	}
}
