package client

import (
	"context"
	"iter"

	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// ScanOptions say which keys to scan. The zero ScanOptions mean all of them, in ascending order.
type ScanOptions struct {
	// Prefix, Start and End bound the keys: those that begin with Prefix, are not below Start, and are below
	// End. An empty one is no bound.
	Prefix, Start, End string
	// Limit ends the scan after so many keys. Zero is no limit.
	Limit int
	// Reverse goes from the highest key down.
	Reverse bool
}

// Pair is a key with its value. The value is the library's own: do not change it.
type Pair struct {
	Key   string
	Value []byte
}

// Scan walks the keys of a range in order, over all shards:
//
//	for pair, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "user/"}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It shows the transaction's own writes and deletes, those too that the loop makes ahead of where it stands, and
// of keys that were read before what was read. An error comes as the last element, and the commit fails with
// it as well.
//
// Keys are fetched in pages as the loop goes on. What the loop has seen is made sure of at the end of the
// transaction, the absence of keys included: one that another transaction adds in between, in the part that was
// walked, is a conflict. A loop that stops early depends on nothing beyond the key at which it stopped. A long scan
// among many writers therefore meets many conflicts; [Client.SnapshotAt] meets none.
func (t *Txn) Scan(ctx context.Context, opts ScanOptions) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		w, err := t.beginScan(&opts)
		if err != nil {
			yield(Pair{}, err)
			return
		}
		defer w.rest()
		for n := 0; opts.Limit <= 0 || n < opts.Limit; n++ {
			pair, ok, err := t.step(ctx, w)
			if err != nil {
				yield(Pair{}, err)
				return
			}
			if !ok || !yield(pair, nil) {
				return
			}
		}
	}
}

func (t *Txn) beginScan(opts *ScanOptions) (*walk, error) {
	if err := t.open("scan", ""); err != nil {
		return nil, err
	}
	t.sure = false
	w, err := t.c.walk(opts, t.at)
	if err == nil && t.at == 0 {
		t.walks = append(t.walks, w)
	}
	return w, err
}

// step returns the next key in order, from the shards or from the transaction itself, which goes before.
func (t *Txn) step(ctx context.Context, w *walk) (pair Pair, ok bool, err error) {
	for {
		if err := t.open("scan", ""); err != nil {
			return Pair{}, false, err
		}
		head, err := w.head(ctx)
		if err != nil {
			t.failed = err
			return Pair{}, false, err
		}
		own, has := w.next(t.ordered())
		switch {
		case head == nil && !has:
			w.ended = true
			return Pair{}, false, nil
		case has && (head == nil || !w.before(string(head.Key), own)):
			w.pass(own)
			if e := t.find(own); !e.deleted && (e.written || e.found) {
				return Pair{own, e.value}, true, nil
			}
		default:
			pair = Pair{string(head.Key), head.Value}
			w.pass(pair.Key)
			return pair, true, nil
		}
	}
}

// scanned is what the transaction has seen by scanning, by group.
func (t *Txn) scanned() []twopc.Part {
	var parts []twopc.Part
	for _, w := range t.walks {
		for i := range w.streams {
			if ranges := w.seen(&w.streams[i]); len(ranges) > 0 {
				parts = append(parts, twopc.Part{Group: w.streams[i].rest.Group, Work: txn.Work{Ranges: ranges}})
			}
		}
	}
	return parts
}

// Scan returns the keys of a range with their values, all of one moment, in order. It is a transaction of its own:
// give it a Limit, or see [Client.SnapshotAt] for what is large.
func (c *Client) Scan(ctx context.Context, opts ScanOptions) ([]Pair, error) {
	var pairs []Pair
	err := c.repeat(ctx, "scan", true, func(ctx context.Context, tx *Txn) error {
		pairs = pairs[:0]
		for pair, err := range tx.Scan(ctx, opts) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return pairs, nil
}
