package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func TestGetPutDelete(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 10*time.Second)
	for i := range 20 {
		key := fmt.Sprint("key", i)
		if err := db.Put(ctx, key, []byte(key+" value")); err != nil {
			t.Fatal(err)
		}
		if v, err := db.Get(ctx, key); err != nil || string(v) != key+" value" {
			t.Fatalf("%q, %v", v, err)
		}
		if err := db.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		if v, err := db.Get(ctx, key); !errors.Is(err, client.ErrNotFound) {
			t.Fatalf("%q, %v: deleted keys are not found", v, err)
		}
	}
}

func TestATransactionReadsItsOwnWritesAndNothingTwice(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 10*time.Second)
	must(t, db.Put(ctx, "a", []byte("old")))
	tx := db.Begin()
	wantValue(t, tx, "a", "old")
	must(t, db.Put(ctx, "a", []byte("other")))
	wantValue(t, tx, "a", "old")
	must(t, tx.Put(ctx, "b", []byte("mine")))
	wantValue(t, tx, "b", "mine")
	must(t, tx.Delete(ctx, "b"))
	if _, err := tx.Get(ctx, "b"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a key that it deleted: %v", err)
	}
	if err := tx.Commit(ctx); !errors.Is(err, client.ErrConflict) {
		t.Errorf("it read what has changed since: %v", err)
	}
	for what, err := range map[string]error{
		"commit": tx.Commit(ctx), "put": tx.Put(ctx, "a", nil), "delete": tx.Delete(ctx, "a"), "get": second(tx.Get(ctx, "a")),
	} {
		if !errors.Is(err, client.ErrTxnDone) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
}

func TestGetAllKeepsTheOrder(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 10*time.Second)
	var keys []string
	for i := range 30 {
		keys = append(keys, fmt.Sprint("k", i))
		if i%3 > 0 {
			must(t, db.Put(ctx, keys[i], []byte(strings.Repeat("x", i%3-1))))
		}
	}
	must(t, db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		values, err := tx.GetAll(ctx, keys...)
		if err != nil {
			return err
		}
		for i, v := range values {
			if i%3 == 0 && v != nil || i%3 > 0 && (v == nil || len(v) != i%3-1) {
				t.Errorf("key %d: %v", i, v)
			}
		}
		return nil
	}))
}

// TestMoneyIsNeitherMadeNorLost has many goroutines share one client.
func TestMoneyIsNeitherMadeNorLost(t *testing.T) {
	f := newFake(t, 3)
	db, ctx := f.open(), within(t, 30*time.Second)
	const accounts, workers, transfers = 10, 16, 20
	for i := range accounts {
		must(t, db.Put(ctx, fmt.Sprint("acc", i), []byte("100")))
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range transfers {
				from, to := fmt.Sprint("acc", (w+i)%accounts), fmt.Sprint("acc", (w+3*i+1)%accounts)
				if from == to {
					continue
				}
				if err := transfer(ctx, db, from, to, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 6 {
		time.Sleep(20 * time.Millisecond)
		f.elect(1)
	}
	wg.Wait()
	sum := 0
	must(t, db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		sum = 0
		for i := range accounts {
			n, err := balance(ctx, tx, fmt.Sprint("acc", i))
			if err != nil {
				return err
			}
			sum += n
		}
		return nil
	}))
	if sum != accounts*100 {
		t.Errorf("%d, want %d", sum, accounts*100)
	}
}

func transfer(ctx context.Context, db *client.Client, from, to string, amount int) error {
	return db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		a, err := balance(ctx, tx, from)
		if err != nil {
			return err
		}
		b, err := balance(ctx, tx, to)
		if err != nil {
			return err
		}
		if err := tx.Put(ctx, from, strconv.AppendInt(nil, int64(a-amount), 10)); err != nil {
			return err
		}
		return tx.Put(ctx, to, strconv.AppendInt(nil, int64(b+amount), 10))
	})
}

func balance(ctx context.Context, tx *client.Txn, key string) (int, error) {
	v, err := tx.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(v))
}

func TestAClosureThatSwallowsAFailureCannotCommit(t *testing.T) {
	f := newFake(t, 2)
	db := f.open()
	here, there := f.keyAt(0, "a"), f.keyAt(1, "b")
	f.on(1, func(g *fakeGroup) { g.filter = func(k wire.Kind) bool { return k != wire.KindRead } })
	err := db.Update(within(t, 10*time.Second), func(ctx context.Context, tx *client.Txn) error {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, _ = tx.Get(short, there)
		return tx.Put(ctx, here, []byte("x"))
	})
	if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "group 1: no answer") {
		t.Errorf("%v", err)
	}
	if _, err := db.Get(within(t, time.Second), here); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("it committed all the same: %v", err)
	}
}

// A write that was refused is missing, whether the caller looked at the error or not.
func TestAClosureThatSwallowsARefusedWriteCannotCommit(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	huge := make([]byte, txn.MaxValueBytes+1)
	for name, c := range map[string]struct {
		run  func(context.Context, func(context.Context, *client.Txn) error, ...client.Option) error
		miss func(context.Context, *client.Txn)
		want error
	}{
		"large value": {db.Update, func(ctx context.Context, tx *client.Txn) { _ = tx.Put(ctx, "k", huge) }, client.ErrTooLarge},
		"empty key":   {db.Update, func(ctx context.Context, tx *client.Txn) { _ = tx.Delete(ctx, "") }, client.ErrInvalid},
		"read-only":   {db.View, func(ctx context.Context, tx *client.Txn) { _ = tx.Put(ctx, "k", nil) }, client.ErrReadOnly},
	} {
		err := c.run(ctx, func(ctx context.Context, tx *client.Txn) error {
			c.miss(ctx, tx)
			if _, err := tx.Get(ctx, "other"); !errors.Is(err, client.ErrNotFound) { // it may read on
				t.Errorf("%s: a read after it: %v", name, err)
			}
			if name != "read-only" {
				return tx.Put(ctx, "other", nil)
			}
			return nil
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := db.Get(ctx, "other"); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s: the rest was committed: %v", name, err)
		}
	}
}

func TestAnErrorRollsBackAndComesOutAsItIs(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	mine := errors.New("mine")
	err := db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		must(t, tx.Put(ctx, "k", []byte("v")))
		return mine
	})
	if err != mine {
		t.Errorf("%v", err)
	}
	if _, err := db.Get(ctx, "k"); !errors.Is(err, client.ErrNotFound) {
		t.Error("rolled back, and written all the same")
	}
}

// TestAnErrorFromReadsThatDoNotBelongTogetherIsNotBelieved: fn sees one account before a transfer and the other
// after it, and complains.
func TestAnErrorFromReadsThatDoNotBelongTogetherIsNotBelieved(t *testing.T) {
	db, ctx := newFake(t, 3).open(), within(t, 10*time.Second)
	must(t, db.Put(ctx, "x", []byte("50")))
	must(t, db.Put(ctx, "y", []byte("50")))
	runs := 0
	must(t, db.View(ctx, func(viewCtx context.Context, tx *client.Txn) error {
		runs++
		x, err := balance(viewCtx, tx, "x")
		if err != nil {
			return err
		}
		if runs == 1 {
			must(t, transfer(ctx, db, "x", "y", 20))
		}
		y, err := balance(viewCtx, tx, "y")
		if err != nil {
			return err
		}
		if x+y != 100 {
			return errors.New("money was made")
		}
		return nil
	}))
	if runs != 2 {
		t.Errorf("ran %d times", runs)
	}
}

func TestAPanicRollsBackAndGoesOn(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
			must(t, tx.Put(ctx, "k", []byte("v")))
			panic("boom")
		})
	}()
	if _, err := db.Get(ctx, "k"); !errors.Is(err, client.ErrNotFound) {
		t.Error("written all the same")
	}
}

func TestViewDoesNotWrite(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	err := db.View(ctx, func(ctx context.Context, tx *client.Txn) error { return tx.Put(ctx, "k", nil) })
	if !errors.Is(err, client.ErrReadOnly) {
		t.Errorf("%v", err)
	}
}

func TestConflictsAreTriedAgainUpToTheBound(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	runs := 0
	err := db.Update(ctx, func(fnCtx context.Context, tx *client.Txn) error {
		runs++
		if _, err := tx.Get(fnCtx, "k"); err != nil && !errors.Is(err, client.ErrNotFound) {
			return err
		}
		must(t, db.Put(ctx, "k", []byte(strconv.Itoa(runs))))
		return tx.Put(fnCtx, "k", []byte("mine"))
	}, client.Attempts(3))
	var e *client.Error
	if !errors.As(err, &e) || e.Kind != client.ErrConflict || e.Attempts != 3 || e.Key != "k" || e.Op != "update" || runs != 3 {
		t.Errorf("%#v after %d runs", err, runs)
	}
}

func TestLimitsAreToldByName(t *testing.T) {
	db, ctx := newFake(t, 2).open(), within(t, 10*time.Second)
	huge := bytes.Repeat([]byte("x"), txn.MaxValueBytes+1)
	longKey := strings.Repeat("k", txn.MaxKeyBytes+1)
	for what, err := range map[string]error{
		"value": db.Put(ctx, "k", huge), "key": db.Put(ctx, longKey, nil), "get": second(db.Get(ctx, longKey)),
	} {
		if !errors.Is(err, client.ErrTooLarge) || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := db.Put(ctx, "", nil); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("the empty key: %v", err)
	}
	_, err := db.Scan(ctx, client.ScanOptions{Prefix: longKey})
	wantLimit(t, err, txn.LimitError{What: "the bound of a scan", Unit: "bytes", Size: txn.MaxKeyBytes + 1, Limit: txn.MaxKeyBytes})
	tx := db.Begin()
	for i := range txn.MaxTransactionBytes/txn.MaxValueBytes + 1 {
		must(t, tx.Put(ctx, fmt.Sprint("k", i), huge[1:]))
	}
	wantLimit(t, tx.Commit(ctx), txn.LimitError{What: "the values of a transaction", Unit: "bytes", Size: txn.MaxTransactionBytes + txn.MaxValueBytes, Limit: txn.MaxTransactionBytes})
	tx = db.Begin()
	for i := range txn.MaxEntries + 1 {
		must(t, tx.Delete(ctx, fmt.Sprint("k", i)))
	}
	wantLimit(t, tx.Commit(ctx), txn.LimitError{What: "a transaction", Unit: "entries", Size: txn.MaxEntries + 1, Limit: txn.MaxEntries})
	must(t, db.Put(ctx, "k", huge[1:]))
	if v, err := db.Get(ctx, "k"); err != nil || len(v) != txn.MaxValueBytes {
		t.Errorf("the largest value: %d bytes, %v", len(v), err)
	}
}

// A shard answers for so many keys at a time. A transaction, and a look at the past, ask several times; one answer cannot.
func TestReadsOfManyKeys(t *testing.T) {
	f := newFake(t, 2)
	db, ctx := f.open(), within(t, 20*time.Second)
	var keys []string
	for i := 0; len(keys) < 2*txn.MaxReadKeys+5; i++ {
		if key := fmt.Sprint("many", i); db.ShardOf(key) == 1 {
			keys = append(keys, key)
		}
	}
	last := keys[len(keys)-1]
	must(t, db.Put(ctx, last, []byte("v")))
	look := func(values [][]byte, err error) {
		t.Helper()
		if err != nil || len(values) != len(keys) || values[0] != nil || string(values[len(keys)-1]) != "v" {
			t.Errorf("%d values, %v", len(values), err)
		}
	}
	must(t, db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		values, err := tx.GetAll(ctx, keys...)
		look(values, err)
		return err
	}))
	look(db.SnapshotAt(time.Now()).GetAll(ctx, keys...))
	_, err := db.GetMulti(ctx, keys...)
	wantLimit(t, err, txn.LimitError{What: "a read of one shard", Unit: "keys", Size: len(keys), Limit: txn.MaxReadKeys})
	if e := asError(t, err); e.Shard != 1 {
		t.Errorf("%v names shard %d", err, e.Shard)
	}
}

func wantLimit(t *testing.T, err error, want txn.LimitError) {
	t.Helper()
	var got *txn.LimitError
	if !errors.Is(err, client.ErrTooLarge) || !errors.As(err, &got) || *got != want {
		t.Errorf("%v, want %v", err, &want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second(_ []byte, err error) error { return err }

func wantValue(t *testing.T, tx *client.Txn, key, want string) {
	t.Helper()
	if v, err := tx.Get(t.Context(), key); err != nil || string(v) != want {
		t.Errorf("%s: %q, %v, want %q", key, v, err, want)
	}
}
