package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// do hands a call to the loop and waits for its result. When the context ends first the call is cancelled,
// which the loop answers at once.
func (c *Client) do(ctx context.Context, k *call, op, key string) (twopc.Completion, error) {
	if err := c.submit(ctx, k, op, key); err != nil {
		c.release(k)
		return twopc.Completion{}, err
	}
	if !c.await(ctx, k) {
		return twopc.Completion{}, newError(op, key, ErrClosed, nil) // the call stays in the queue, for ever
	}
	result := k.result
	c.release(k)
	return result, nil
}

func (c *Client) submit(ctx context.Context, k *call, op, key string) error {
	if c.loop.closing.Load() {
		return newError(op, key, ErrClosed, nil)
	}
	if err := ctx.Err(); err != nil {
		e := newError(op, key, interruption(err), errors.New("nothing was sent"))
		e.Context = err
		return e
	}
	if c.loop.serve(k) {
		return nil
	}
	select {
	case c.loop.orders <- order{call: k}:
		c.loop.conn.Wake()
		return nil
	case <-c.loop.stopped:
		return newError(op, key, ErrClosed, nil)
	case <-ctx.Done():
		e := newError(op, key, ErrOverloaded, fmt.Errorf("%d requests wait in this client", queueLength))
		e.Context = ctx.Err()
		return e
	}
}

// await waits for the result. It reports false if the loop has stopped without having taken the call: the
// loop signals whatever it took before it stops.
func (c *Client) await(ctx context.Context, k *call) bool {
	select {
	case <-k.done:
		return true
	case <-c.loop.stopped:
	case <-ctx.Done():
		select {
		case <-k.done:
			return true
		case c.loop.orders <- order{call: k, cancel: true}:
			c.loop.conn.Wake()
		case <-c.loop.stopped:
		}
		select {
		case <-k.done:
			return true
		case <-c.loop.stopped:
		}
	}
	select {
	case <-k.done:
		return true
	default:
		return false
	}
}

// release takes a call back that the loop is done with.
func (c *Client) release(k *call) {
	clear(k.keys)
	k.keys, k.work, k.result = k.keys[:0], txn.Work{}, twopc.Completion{}
	k.pages, k.scanned = nil, nil
	c.free.Put(k)
}

// interruption is the kind of an error for a context that ended: a deadline means that the cluster took too
// long, anything else was the caller's wish.
func interruption(ctxErr error) error {
	if ctxErr == nil || errors.Is(ctxErr, context.DeadlineExceeded) {
		return ErrUnavailable
	}
	return ctxErr
}

func checkKey(op, key string) error {
	switch {
	case key == "":
		return newError(op, key, ErrInvalid, errors.New("the key is empty"))
	case len(key) > txn.MaxKeyBytes:
		return tooLarge(op, key, txn.CheckKey([]byte(key)))
	}
	return nil
}

// checkRead refuses more keys of one shard than it answers for at once.
func (c *Client) checkRead(keys []string) error {
	if len(keys) <= txn.MaxReadKeys {
		return nil
	}
	of := map[uint32]int{}
	for _, key := range keys {
		of[c.ShardOf(key)]++
	}
	for g := range c.Shards() {
		if n := of[g]; n > txn.MaxReadKeys {
			e := newError("get", "", ErrTooLarge, &txn.LimitError{What: "a read of one shard", Unit: "keys", Size: n, Limit: txn.MaxReadKeys})
			e.Shard = int64(g)
			return e
		}
	}
	return nil
}

func checkWrite(op, key string, value []byte) error {
	if err := tooLarge(op, key, txn.CheckValue(value)); err != nil {
		return err
	}
	return checkKey(op, key)
}

// checkSize refuses a transaction that is too large, before anything of it is sent.
func checkSize(op, key string, work *txn.Work, scanned []twopc.Part) error {
	var size txn.Size
	size.Add(work)
	for i := range scanned {
		size.Add(&scanned[i].Work)
	}
	return tooLarge(op, key, size.Check())
}

// tooLarge is the error for what exceeds a limit, which names it as a [txn.LimitError]; nil for nil.
func tooLarge(op, key string, limit error) error {
	if limit == nil {
		return nil
	}
	return newError(op, key, ErrTooLarge, limit)
}
