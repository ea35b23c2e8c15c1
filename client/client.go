package client

import (
	"context"
	"sync"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn/twopc"
)

// Client is a connection to a cluster, made by [Open]. It is safe for use by many goroutines.
type Client struct {
	loop     *loop
	topology shard.Topology
	free     sync.Pool // of *call
	rooms    sync.Pool // of *room
}

func start(cfg *Config, s *scout, coord *twopc.Coordinator) *Client {
	l := &loop{
		conn: s.conn, keys: s.keys, cluster: wire.ClusterID(s.topology.Cluster), addrs: s.addrs,
		coord: coord, out: transport.NewOutbox(cfg.DatagramBytes), epoch: time.Now(),
		pending: map[uint64]*call{},
		idle:    idleWait, closeWait: cfg.CloseWait, stopped: make(chan struct{}),
	}
	c := &Client{loop: l, topology: s.topology}
	c.free.New = func() any { return &call{done: make(chan struct{}, 1)} }
	c.rooms.New = func() any { return new(room) }
	go l.run()
	return c
}

// Close ends the client. Transactions under way are given a bounded time to finish; see [Config]. What is
// still waiting then is told [ErrUnavailable] or [ErrOutcomeUnknown], later calls [ErrClosed]. Shards are told that the
// client is gone, so that they need not keep a place for it until they have heard nothing for ten minutes.
func (c *Client) Close() error {
	c.loop.closing.Store(true)
	c.loop.conn.Wake()
	<-c.loop.stopped
	return nil
}

// Get returns the value of a key as it is now: nothing that completed before the call is missed. It fails
// with [ErrNotFound] when there is none.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey("get", key); err != nil {
		return nil, err
	}
	k, err := c.read(ctx, "get", reading{linearizable: true}, key)
	if err != nil {
		return nil, err
	}
	v := k.values[0]
	c.release(k)
	if !v.Found {
		return nil, newError("get", key, ErrNotFound, nil)
	}
	return v.Value, nil
}

// Put sets a key. The value is not kept.
func (c *Client) Put(ctx context.Context, key string, value []byte) error {
	if err := checkWrite("put", key, value); err != nil {
		return err
	}
	return c.write(ctx, "put", key, value, false)
}

// Delete removes a key. It is no error if there is none. Where a limit of a shard or of this client turns writes away,
// deletes get through: a bounded reserve is kept for them, and only when deletes have used that up is the error
// [ErrOverloaded]. A key that an unfinished transaction holds is waited for, as long as the context lasts.
func (c *Client) Delete(ctx context.Context, key string) error {
	if err := checkKey("delete", key); err != nil {
		return err
	}
	return c.write(ctx, "delete", key, nil, true)
}

// write sets or deletes one key. It depends on nothing, so that a conflict only means that the key was
// locked for too long.
func (c *Client) write(ctx context.Context, op, key string, value []byte, erase bool) error {
	return retry(ctx, op, options{}, func() (bool, error) {
		k := c.take(errandCommit)
		k.write(k.key(key), value, erase)
		err := c.commit(ctx, k, key)
		return isConflict(err), err
	})
}

// read asks for keys, at once. The call that it returns holds the values, and is the caller's to release.
func (c *Client) read(ctx context.Context, op string, how reading, keys ...string) (*call, error) {
	k := c.take(errandRead)
	k.reading = how
	for _, key := range keys {
		k.keys = append(k.keys, k.key(key))
	}
	first := ""
	if len(keys) == 1 {
		first = keys[0]
	}
	if err := c.do(ctx, k, op, first); err != nil {
		return nil, err
	}
	if k.result.Result != twopc.ResultValues {
		defer c.release(k)
		return nil, failure(op, first, &k.result, ctx.Err())
	}
	return k, nil
}

// commit commits the work of a call as one transaction, once, and releases the call.
func (c *Client) commit(ctx context.Context, k *call, key string) error {
	const op = "commit"
	if err := checkSize(op, key, &k.work, k.scanned); err != nil {
		c.release(k)
		return err
	}
	if err := c.do(ctx, k, op, key); err != nil {
		return err
	}
	defer c.release(k)
	if k.result.Result != twopc.ResultCommitted {
		return failure(op, key, &k.result, ctx.Err())
	}
	return nil
}
