package client

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/anodekv/anode/txn"
)

// Snapshot is the database as it was at one moment of the past; see [Client.SnapshotAt].
type Snapshot struct {
	c  *Client
	at txn.Timestamp
}

// SnapshotAt gives a view of the database as it was at a time. All that it shows belongs to one moment: the
// transactions that committed up to then, whole, and nothing of the others. Nothing needs to be validated and nothing
// can conflict, so that it suits long scans among many writers.
//
// It promises less than [Client.View]. The time is compared with the commit times that the shards' leaders gave, by
// their clocks and not by this machine's. A transaction that was acknowledged before the call, even one of this
// very client, may be timed later and not show: the view is serializable, but not strictly so. And the shards keep
// old values for a bounded time, 30 s as a rule and less under a load of overwrites; then it fails with [ErrTooOld].
// A time that lies ahead of the shards' clocks is waited for.
func (c *Client) SnapshotAt(t time.Time) *Snapshot {
	return &Snapshot{c, max(1, txn.Timestamp(t.UnixNano()))}
}

// Get returns the value that a key had, or [ErrNotFound].
func (s *Snapshot) Get(ctx context.Context, key string) ([]byte, error) {
	values, err := s.GetAll(ctx, key)
	if err != nil {
		return nil, err
	}
	if values[0] == nil {
		return nil, newError("get", key, ErrNotFound, nil)
	}
	return values[0], nil
}

// GetAll returns the values that several keys had; nil stands for a key that did not exist.
func (s *Snapshot) GetAll(ctx context.Context, keys ...string) ([][]byte, error) {
	for _, key := range keys {
		if err := checkKey("get", key); err != nil {
			return nil, err
		}
	}
	values := make([][]byte, 0, len(keys))
	for some := range slices.Chunk(keys, txn.MaxReadKeys) { // the moment is the same whenever it is looked at
		k, err := s.c.read(ctx, "get", reading{at: s.at}, some...)
		if err != nil {
			return nil, err
		}
		values = appendFound(values, k.values)
		s.c.release(k)
	}
	return values, nil
}

// Scan walks the keys of a range in order, over all shards, as [Txn.Scan] does. An error comes as the last element.
func (s *Snapshot) Scan(ctx context.Context, opts ScanOptions) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		w, err := s.c.walk(&opts, s.at)
		if err != nil {
			yield(Pair{}, err)
			return
		}
		for n := 0; opts.Limit <= 0 || n < opts.Limit; n++ {
			head, err := w.head(ctx)
			if err != nil {
				yield(Pair{}, err)
				return
			}
			if head == nil {
				return
			}
			pair := Pair{string(head.Key), head.Value}
			w.pass(pair.Key)
			if !yield(pair, nil) {
				return
			}
		}
	}
}
