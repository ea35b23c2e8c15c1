package client_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
)

// requests counts, by kind, what a group is asked from now on.
func (f *fake) requests(g int) func() map[wire.Kind]int {
	seen := map[wire.Kind]int{}
	f.on(g, func(g *fakeGroup) {
		g.filter = func(k wire.Kind) bool { seen[k]++; return true }
	})
	return func() (copied map[wire.Kind]int) {
		f.on(g, func(*fakeGroup) { copied = maps.Clone(seen) })
		return copied
	}
}

// What a transaction reads by one call from one shard is of one moment already: it costs one round, in which the
// leader makes sure that it leads. Everything else is validated.
func TestAViewOfOneShardIsOneRound(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		view func(ctx context.Context, f *fake, tx *client.Txn) error
		want map[wire.Kind]int
	}{
		"one key": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, err := tx.Get(ctx, f.keyAt(0, "a"))
			return err
		}, map[wire.Kind]int{wire.KindRead: 1}},
		"one key, again": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, _ = tx.Get(ctx, f.keyAt(0, "a"))
			_, err := tx.Get(ctx, f.keyAt(0, "a"))
			return err
		}, map[wire.Kind]int{wire.KindRead: 1}},
		"several at once": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, err := tx.GetAll(ctx, f.keyAt(0, "a"), f.keyAt(0, "b"))
			return err
		}, map[wire.Kind]int{wire.KindRead: 1}},
		"and fails": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, _ = tx.Get(ctx, f.keyAt(0, "a"))
			return failed
		}, map[wire.Kind]int{wire.KindRead: 1}},
		"one by one": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, _ = tx.Get(ctx, f.keyAt(0, "a"))
			_, err := tx.Get(ctx, f.keyAt(0, "b"))
			return err
		}, map[wire.Kind]int{wire.KindRead: 2, wire.KindValidate: 1}},
		"of two shards": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, err := tx.GetAll(ctx, f.keyAt(0, "a"), f.keyAt(1, "b"))
			return err
		}, map[wire.Kind]int{wire.KindRead: 1, wire.KindValidate: 1}},
		"a key and a scan": {func(ctx context.Context, f *fake, tx *client.Txn) error {
			_, err := tx.Get(ctx, f.keyAt(0, "a"))
			for _, err := range tx.Scan(ctx, client.ScanOptions{Limit: 1}) {
				if err != nil {
					return err
				}
				break
			}
			return err
		}, map[wire.Kind]int{wire.KindRead: 1, wire.KindScan: 1, wire.KindValidate: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, 2)
			db := f.open()
			ctx := within(t, 5*time.Second)
			for _, key := range []string{f.keyAt(0, "a"), f.keyAt(0, "b"), f.keyAt(1, "b")} {
				if err := db.Put(ctx, key, []byte("v")); err != nil {
					t.Fatal(err)
				}
			}
			seen, before := f.requests(0), 0
			f.on(0, func(g *fakeGroup) { before = g.confirmed })
			err := db.View(ctx, func(ctx context.Context, tx *client.Txn) error { return c.view(ctx, f, tx) })
			if want := name == "and fails"; errors.Is(err, failed) != want || err != nil && !want {
				t.Fatal(err)
			}
			got := seen()
			if !maps.Equal(got, c.want) {
				t.Errorf("asked %v, want %v", got, c.want)
			}
			f.on(0, func(g *fakeGroup) {
				if g.confirmed == before {
					t.Error("the leader did not make sure that it leads")
				}
			})
		})
	}
}

// An Update validates what it read, also when it is one key.
func TestAnUpdateIsValidated(t *testing.T) {
	f := newFake(t, 1)
	db, other := f.open(), f.open()
	ctx, runs := within(t, 5*time.Second), 0
	err := db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		runs++
		if _, err := tx.Get(ctx, "k"); err != nil && !errors.Is(err, client.ErrNotFound) {
			return err
		}
		if runs == 1 {
			return errors.Join(other.Put(ctx, "k", []byte("theirs")), tx.Put(ctx, "l", nil))
		}
		return tx.Put(ctx, "l", nil)
	})
	if err != nil || runs != 2 {
		t.Errorf("ran %d times, %v", runs, err)
	}
}
