package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

var errClosed = errors.New("connection to the leader's front end is closed")

// frontConn is a connection to the front end, for any number of goroutines.
type frontConn struct {
	conn net.Conn

	// queued counts those who are about to write. The last of them flushes, so that what many send at
	// once is one system call, and one that is alone never waits.
	queued  atomic.Int32
	writing sync.Mutex
	out     *bufio.Writer

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan reply
	failed  error // why no more answers will come
}

func dialFront(ctx context.Context, address string) (*frontConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial the leader's front end: %w", err)
	}
	c := &frontConn{conn: conn, waiting: make(map[uint64]chan reply),
		out: bufio.NewWriterSize(conn, socketBufferBytes)}
	go c.readReplies()
	return c, nil
}

// reply is an answer, from its status on, or why there is none.
type reply struct {
	body []byte
	err  error
}

// call sends a request and returns the answer to it, which begins with its status: done or conflict.
func (c *frontConn) call(ctx context.Context, request []byte) ([]byte, error) {
	id, answer, err := c.await()
	if err != nil {
		return nil, err
	}
	if err := c.send(frame(id, request)); err != nil {
		c.forget(id)
		return nil, fmt.Errorf("send a request: %w", err)
	}
	select {
	case r := <-answer:
		return r.body, r.err
	case <-ctx.Done():
		c.forget(id)
		return nil, ctx.Err()
	}
}

func (c *frontConn) Close() error { return c.conn.Close() }

// await makes an id, and the channel on which its answer will come.
func (c *frontConn) await() (uint64, <-chan reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return 0, nil, c.failed
	}
	c.last++
	answer := make(chan reply, 1)
	c.waiting[c.last] = answer
	return c.last, answer, nil
}

// forget returns the channel of an id, if anybody still waits on it.
func (c *frontConn) forget(id uint64) chan reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.waiting[id]
	delete(c.waiting, id)
	return answer
}

func (c *frontConn) send(request []byte) error {
	c.queued.Add(1)
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.out.Write(request)
	if c.queued.Add(-1) == 0 && err == nil {
		err = c.out.Flush()
	}
	return err
}

func (c *frontConn) readReplies() {
	in := bufio.NewReaderSize(c.conn, socketBufferBytes)
	for {
		id, body, err := readFrame(in)
		if err != nil {
			c.fail(fmt.Errorf("%w: %w", errClosed, err))
			return
		}
		answer := c.forget(id)
		switch {
		case answer == nil: // its request was given up
		case len(body) == 0:
			answer <- reply{err: errFrame}
		case body[0] == statusFailed:
			answer <- reply{err: errors.New(string(body[1:]))}
		default:
			answer <- reply{body: body}
		}
	}
}

// fail tells all that wait, and all that will ask, that no answer comes.
func (c *frontConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	for id, answer := range c.waiting {
		answer <- reply{err: err}
		delete(c.waiting, id)
	}
}
