package client

import (
	"context"
	"sync"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// Client is a connection to a cluster, made by [Open]. It is safe for use by many goroutines.
type Client struct {
	loop     *loop
	topology shard.Topology
	free     sync.Pool // of *call
}

func start(cfg *Config, s *scout, coord *twopc.Coordinator) *Client {
	l := &loop{
		conn: s.conn, keys: s.keys, cluster: wire.ClusterID(s.topology.Cluster), addrs: s.addrs,
		coord: coord, out: transport.NewOutbox(cfg.DatagramBytes), epoch: time.Now(),
		orders: make(chan order, queueLength), pending: map[uint64]*call{},
		idle: idleWait, closeWait: cfg.CloseWait, stopped: make(chan struct{}),
	}
	c := &Client{loop: l, topology: s.topology}
	c.free.New = func() any { return &call{done: make(chan struct{}, 1)} }
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
	v, err := c.read(ctx, "get", reading{linearizable: true}, key)
	if err != nil {
		return nil, err
	}
	if !v[0].Found {
		return nil, newError("get", key, ErrNotFound, nil)
	}
	return v[0].Value, nil
}

// Put sets a key. The value is not kept.
func (c *Client) Put(ctx context.Context, key string, value []byte) error {
	if err := checkWrite("put", key, value); err != nil {
		return err
	}
	return c.write(ctx, "put", key, txn.Write{Key: []byte(key), Value: value})
}

// Delete removes a key. It is no error if there is none. Where a limit of a shard or of this client turns writes away,
// deletes get through: a bounded reserve is kept for them, and only when deletes have used that up is the error
// [ErrOverloaded]. A key that an unfinished transaction holds is waited for, as long as the context lasts.
func (c *Client) Delete(ctx context.Context, key string) error {
	if err := checkKey("delete", key); err != nil {
		return err
	}
	return c.write(ctx, "delete", key, txn.Write{Key: []byte(key), Delete: true})
}

// write sets or deletes one key. It depends on nothing, so that a conflict only means that the key was
// locked for too long.
func (c *Client) write(ctx context.Context, op, key string, w txn.Write) error {
	work := txn.Work{Writes: []txn.Write{w}}
	return retry(ctx, op, options{}, func() (bool, error) {
		err := c.commit(ctx, "commit", key, work, nil)
		return isConflict(err), err
	})
}

// read asks for keys, at once.
func (c *Client) read(ctx context.Context, op string, how reading, keys ...string) ([]txn.Value, error) {
	k := c.free.Get().(*call)
	k.errand, k.reading, k.keys = errandRead, how, k.keys[:0]
	for _, key := range keys {
		k.keys = append(k.keys, []byte(key))
	}
	first := ""
	if len(keys) == 1 {
		first = keys[0]
	}
	done, err := c.do(ctx, k, op, first)
	if err != nil {
		return nil, err
	}
	if done.Result != twopc.ResultValues {
		return nil, failure(op, first, &done, ctx.Err())
	}
	return done.Values, nil
}

// commit commits work as one transaction, once. What it saw by scanning is given by group.
func (c *Client) commit(ctx context.Context, op, key string, work txn.Work, scanned []twopc.Part) error {
	if err := checkSize(op, key, &work, scanned); err != nil {
		return err
	}
	k := c.free.Get().(*call)
	k.errand, k.work, k.scanned = errandCommit, work, scanned
	done, err := c.do(ctx, k, op, key)
	if err != nil {
		return err
	}
	if done.Result != twopc.ResultCommitted {
		return failure(op, key, &done, ctx.Err())
	}
	return nil
}
