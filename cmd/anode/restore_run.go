package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/dump"
)

const (
	// batchKeys and batchBytes are what one transaction of a restore writes, all at one shard: enough that their
	// number does not matter, and little enough that none takes long.
	batchKeys  = 256
	batchBytes = 256 << 10
	// gatherBytes bounds what is gathered for all shards together.
	gatherBytes = 32 << 20
	// restoreWorkers write at a time.
	restoreWorkers = 8
	// restoreTries is how often a batch is tried. It writes only what is not there, so that a try whose outcome
	// is unknown is followed by another.
	restoreTries = 5
)

// pair is a key with the value that it had.
type pair struct {
	key   string
	value []byte
}

// otherValue is a key that has another value than the dump gives it.
type otherValue struct{ key string }

func (d otherValue) Error() string {
	return fmt.Sprintf("key %.64q has another value than the dump gives it", d.key)
}

// run puts back what belongs back. The file was found whole, and is checked again while it is read.
func (r *restoring) run(ctx context.Context, db *client.Client, limit time.Duration, whole *dump.Summary) error {
	if err := r.admissible(ctx, db, limit, whole); err != nil {
		return err
	}
	f, err := r.open()
	if err != nil {
		return err
	}
	defer f.Close()
	w := &restorer{restoring: r, db: db, limit: limit, batches: make([]batch, db.Shards())}
	w.most = max(1, min(batchBytes, gatherBytes/len(w.batches)))
	var all context.Context
	w.workers, all = errgroup.WithContext(ctx)
	w.workers.SetLimit(restoreWorkers)
	err = w.read(all, f, whole)
	// A worker that failed ends the reading; its error says more.
	if failed := w.workers.Wait(); failed != nil {
		err = failed
	}
	if err != nil {
		return r.brokeOff(ctx, err, whole)
	}
	return nil
}

// admissible refuses what cannot have been meant, before anything is written.
func (r *restoring) admissible(ctx context.Context, db *client.Client, limit time.Duration, whole *dump.Summary) error {
	switch {
	case r.single && r.group >= db.Shards():
		return fmt.Errorf("there is no group %d: the cluster has the groups 0 to %d", r.group, db.Shards()-1)
	case r.single && (whole.Cluster != db.Cluster() || whole.Shards != db.Shards()):
		return fmt.Errorf("the dump is of cluster %d with %d shards, and this is cluster %d with %d: --group puts back a group of the cluster that was dumped; nothing was written",
			whole.Cluster, whole.Shards, db.Cluster(), db.Shards())
	case r.single || r.resume:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pairs, err := db.Scan(ctx, client.ScanOptions{Limit: 1})
	if err == nil && len(pairs) > 0 {
		err = fmt.Errorf("the cluster holds keys, %.64q for one: a dump is restored into an empty cluster; --resume goes on with a restore that broke off, and --group N "+
			"puts back what a lost group held; nothing was written", pairs[0].Key)
	}
	return err
}

// brokeOff says how to go on.
func (r *restoring) brokeOff(ctx context.Context, err error, whole *dump.Summary) error {
	again := "anode restore --resume " + r.path
	if r.single {
		again = fmt.Sprintf("anode restore --group %d %s", r.group, r.path)
	}
	done := r.counts.Written + r.counts.Same + r.counts.Left
	var d otherValue
	switch {
	case errors.As(err, &d):
		return fmt.Errorf("the restore broke off after %d of %d keys: %w: somebody else writes to the cluster, or it was never restored from this dump", done, whole.Pairs, d)
	case ctx.Err() != nil:
		err = errors.New("it was interrupted")
	}
	// What becomes of the batches under way does not matter to who goes on, so that an unknown outcome is not told.
	return fmt.Errorf("the restore broke off after %d of %d keys: %s; to go on: %s", done, whole.Pairs, bare{err}.Error(), again)
}

// restorer writes the keys of a dump, in batches of one shard each.
type restorer struct {
	*restoring
	db      *client.Client
	limit   time.Duration
	most    int // bytes of a batch
	batches []batch
	workers *errgroup.Group
	mu      sync.Mutex // guards counts
}

// batch is what is gathered for one shard.
type batch struct {
	pairs []pair
	bytes int
}

// read goes through the file and hands out batches.
func (w *restorer) read(ctx context.Context, f io.Reader, whole *dump.Summary) error {
	in, err := dump.NewReader(f)
	if err != nil {
		return err
	}
	for n := 1; ctx.Err() == nil; n++ {
		key, value, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		w.add(ctx, pair{string(key), value})
		if n%tellEvery == 0 {
			fmt.Fprintf(w.progress, "%d of %d keys\n", n, whole.Pairs)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i := range w.batches {
		w.send(ctx, &w.batches[i])
	}
	if in.Summary() != *whole {
		return errors.New("the file was changed while it was read")
	}
	return nil
}

func (w *restorer) add(ctx context.Context, p pair) {
	g := w.db.ShardOf(p.key)
	if w.single && g != w.group {
		return
	}
	b := &w.batches[g]
	b.pairs = append(b.pairs, p)
	b.bytes += len(p.key) + len(p.value)
	if len(b.pairs) == batchKeys || b.bytes >= w.most {
		w.send(ctx, b)
	}
}

// send hands a batch to a worker, and waits while all are busy.
func (w *restorer) send(ctx context.Context, b *batch) {
	if pairs := b.pairs; len(pairs) > 0 {
		w.workers.Go(func() error { return w.put(ctx, pairs) })
	}
	*b = batch{}
}

// put writes a batch as one transaction, and tries again where that may help.
func (w *restorer) put(ctx context.Context, pairs []pair) error {
	for try := 1; ; try++ {
		counts, err := w.once(ctx, pairs)
		if err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.counts.Written += counts.Written
			w.counts.Same += counts.Same
			w.counts.Left += counts.Left
			return nil
		}
		again := errors.Is(err, client.ErrOutcomeUnknown) || errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrOverloaded)
		if !again || try == restoreTries || ctx.Err() != nil {
			return err
		}
	}
}

func (w *restorer) once(ctx context.Context, pairs []pair) (restored, error) {
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	keys := make([]string, len(pairs))
	for i := range pairs {
		keys[i] = pairs[i].key
	}
	return client.UpdateValue(ctx, w.db, func(ctx context.Context, tx *client.Txn) (n restored, err error) {
		there, err := tx.GetAll(ctx, keys...)
		if err != nil {
			return n, err
		}
		for i, p := range pairs {
			switch {
			case there[i] == nil:
				n.Written++
				err = tx.Put(ctx, p.key, p.value)
			case bytes.Equal(there[i], p.value):
				n.Same++
			case w.single:
				n.Left++
			default:
				err = otherValue{p.key}
			}
			if err != nil {
				return n, err
			}
		}
		return n, nil
	})
}
