package client

import (
	"bytes"
	"context"
	"errors"

	"github.com/anodekv/anode/txn"
)

// UpdateValue is [Client.Update] for a function that has a result. What it returns is the result of the attempt
// that was committed; with an error, it is the zero value.
func UpdateValue[T any](ctx context.Context, c *Client, fn func(ctx context.Context, tx *Txn) (T, error), opts ...Option) (T, error) {
	return valued(ctx, c.Update, fn, opts)
}

// ViewValue is [Client.View] for a function that has a result.
func ViewValue[T any](ctx context.Context, c *Client, fn func(ctx context.Context, tx *Txn) (T, error), opts ...Option) (T, error) {
	return valued(ctx, c.View, fn, opts)
}

type runner func(context.Context, func(context.Context, *Txn) error, ...Option) error

func valued[T any](ctx context.Context, run runner, fn func(context.Context, *Txn) (T, error), opts []Option) (T, error) {
	var v, zero T
	if fn == nil {
		return zero, run(ctx, nil, opts...)
	}
	err := run(ctx, func(ctx context.Context, tx *Txn) (err error) {
		v, err = fn(ctx, tx)
		return err
	}, opts...)
	if err != nil {
		return zero, err
	}
	return v, nil
}

// GetMulti returns the values of several keys, one round to each shard that holds any, all at once; nil stands for
// a key that does not exist. Each value is as [Client.Get] would return it, and those of one shard belong to one
// moment. Those of different shards may not: where that matters use [Client.View] and [Txn.GetAll], which
// cost a second round. One shard answers for 1,024 keys at a time: more of one shard are [ErrTooLarge].
func (c *Client) GetMulti(ctx context.Context, keys ...string) ([][]byte, error) {
	for _, key := range keys {
		if err := checkKey("get", key); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	if err := c.checkRead(keys); err != nil {
		return nil, err
	}
	k, err := c.read(ctx, "get", reading{linearizable: true}, keys...)
	if err != nil {
		return nil, err
	}
	defer c.release(k)
	return appendFound(make([][]byte, 0, len(keys)), k.values), nil
}

// appendFound appends values as callers see them: nil stands for a key that does not exist.
func appendFound(values [][]byte, found []txn.Value) [][]byte {
	for _, v := range found {
		switch {
		case !v.Found:
			v.Value = nil
		case v.Value == nil:
			v.Value = []byte{} // empty, but there
		}
		values = append(values, v.Value)
	}
	return values
}

// errDiffers ends the transaction of a CompareAndSwap that finds something else.
var errDiffers = errors.New("the value differs")

// CompareAndSwap sets a key to next if its value is old, and tells whether it did. A nil old means that the key must not
// exist, a nil next deletes it; an empty value is written []byte{}. That the value differed is as true as
// what [Client.Get] returns, and no error. With [ErrOutcomeUnknown] the swap may have happened.
func (c *Client) CompareAndSwap(ctx context.Context, key string, old, next []byte, opts ...Option) (swapped bool, err error) {
	err = c.repeat(ctx, "cas", false, func(ctx context.Context, tx *Txn) error {
		now, err := tx.Get(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			now = nil
		case err != nil:
			return err
		case now == nil:
			now = []byte{} // empty, but there
		}
		if (now == nil) != (old == nil) || !bytes.Equal(now, old) {
			return errDiffers
		}
		if next == nil {
			return tx.Delete(ctx, key)
		}
		return tx.Put(ctx, key, next)
	}, opts)
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, err
}
