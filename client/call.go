package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// keptKeys and keptText bound what a call that is not in use keeps: keys, and bytes of them.
const (
	keptKeys = 64
	keptText = 4 << 10
)

// take returns a call to be filled in.
func (c *Client) take(what errand) *call {
	k := c.free.Get().(*call)
	k.errand = what
	return k
}

// key returns a key as bytes that are the call's.
func (k *call) key(key string) []byte {
	from := len(k.text)
	k.text = append(k.text, key...)
	return k.text[from:len(k.text):len(k.text)]
}

func (k *call) write(key, value []byte, erase bool) {
	k.work.Writes = append(k.work.Writes, txn.Write{Key: key, Value: value, Delete: erase})
}

// do hands a call to the loop and waits for its result. When the context ends first the call is cancelled,
// which the loop answers at once. A call that was never begun is released.
func (c *Client) do(ctx context.Context, k *call, op, key string) error {
	if err := c.submit(ctx, k, op, key); err != nil {
		c.release(k)
		return err
	}
	c.await(ctx, k)
	return nil
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
	for {
		first, full, ok := c.loop.orders.put(order{call: k})
		switch {
		case first:
			c.loop.conn.Wake()
			return nil
		case ok:
			return nil
		case full == nil:
			return newError(op, key, ErrClosed, nil)
		}
		select {
		case <-full:
		case <-ctx.Done():
			e := newError(op, key, ErrOverloaded, fmt.Errorf("%d requests wait in this client", queueLength))
			e.Context = ctx.Err()
			return e
		}
	}
}

// await waits for the result. It always comes: the loop signals whatever was put into its queue before it stops.
func (c *Client) await(ctx context.Context, k *call) {
	select {
	case <-k.done:
		return
	case <-ctx.Done():
	}
	if first, _, _ := c.loop.orders.put(order{call: k, cancel: true}); first {
		c.loop.conn.Wake()
	}
	<-k.done
}

// release takes a call back that the loop is done with.
func (c *Client) release(k *call) {
	clear(k.keys)
	clear(k.values)
	clear(k.work.Reads)
	clear(k.work.Writes)
	k.result, k.about, k.reading = twopc.Completion{}, txn.ID{}, reading{}
	k.pages, k.scanned = nil, nil
	k.keys, k.values, k.text = k.keys[:0], k.values[:0], k.text[:0]
	k.work = txn.Work{Reads: k.work.Reads[:0], Writes: k.work.Writes[:0]}
	if max(cap(k.keys), cap(k.values), cap(k.work.Reads), cap(k.work.Writes)) > keptKeys || cap(k.text) > keptText {
		return // left to the garbage collector
	}
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
