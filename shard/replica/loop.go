package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/anodekv/anode/paxos/transport"
)

// Clock reads the two clocks.
type Clock interface{ Now() Instant }

const (
	// recvBatch bounds the datagrams of one turn, so that time and duties are not kept waiting.
	recvBatch = 128
	// questions bounds those who wait to look into a replica.
	questions = 64
)

// ErrStopped is returned for a question to a replica that no longer runs.
var ErrStopped = errors.New("replica: stopped")

// Loop runs one replica on real sockets, in one goroutine.
type Loop struct {
	replica *Replica
	conn    transport.Conn
	clock   Clock
	asked   chan func(*Replica)
	done    chan struct{}
}

// NewLoop prepares a loop. The loop owns the connection from now on.
func NewLoop(r *Replica, conn transport.Conn, clock Clock) *Loop {
	return &Loop{replica: r, conn: conn, clock: clock, asked: make(chan func(*Replica), questions), done: make(chan struct{})}
}

// Run steps the replica until the context ends or the replica cannot go on. It closes the connection.
func (l *Loop) Run(ctx context.Context) error {
	defer close(l.done)
	defer func() { _ = l.conn.Close() }()
	stop := context.AfterFunc(ctx, l.conn.Wake)
	defer stop()
	in := make([]transport.Datagram, recvBatch)
	for ctx.Err() == nil {
		wait := time.Duration(tickEvery)
		if !l.replica.Rest() {
			wait = 0
		}
		n, err := l.conn.Recv(in, wait)
		l.replica.Rise()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("receive: %w", err)
		}
		if err := l.replica.Step(l.clock.Now(), in[:n], l.conn); err != nil {
			return err
		}
		l.answer()
	}
	return nil
}

// answer serves the questions that have come in, without waiting for any.
func (l *Loop) answer() {
	for {
		select {
		case fn := <-l.asked:
			fn(l.replica)
		default:
			return
		}
	}
}

// Transport tells what the loop's connection has counted. It may be called by any goroutine.
func (l *Loop) Transport() transport.Stats { return l.conn.Stats() }

// Do runs fn in the replica's own goroutine, between two turns, and waits for it.
func (l *Loop) Do(ctx context.Context, fn func(*Replica)) error {
	ran := make(chan struct{})
	select {
	case l.asked <- func(r *Replica) { fn(r); close(ran) }:
	case <-l.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	l.conn.Wake()
	select {
	case <-ran:
		return nil
	case <-l.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}
