package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// Update runs fn as a transaction and commits it. When another transaction was faster it runs fn again, with
// growing pauses, until the context ends: fn should do nothing else that must not be repeated.
//
// What fn does by tx belongs to the transaction. What it does by the Client does not: it happens at once, for good, and once per
// run; and if it changes what tx has read, every run meets that as a conflict.
//
// If fn returns an error the transaction is rolled back and the error is returned as it is; first Update makes
// sure that what fn read was true, and runs it again if it was not. If fn panics the transaction is rolled back.
// An unknown outcome is never repeated.
func (c *Client) Update(ctx context.Context, fn func(ctx context.Context, tx *Txn) error, opts ...Option) error {
	return c.repeat(ctx, "update", false, fn, opts)
}

// View is Update for reading: all that fn reads is of one moment. One that reads all its keys by a single call, from a
// single shard, costs one round. Its writes fail with [ErrReadOnly].
func (c *Client) View(ctx context.Context, fn func(ctx context.Context, tx *Txn) error, opts ...Option) error {
	return c.repeat(ctx, "view", true, fn, opts)
}

func (c *Client) repeat(ctx context.Context, op string, readOnly bool, fn func(context.Context, *Txn) error, opts []Option) error {
	if fn == nil {
		return newError(op, "", ErrInvalid, errors.New("there is no function to run"))
	}
	o, err := gather(op, readOnly, opts)
	if err != nil {
		return err
	}
	return retry(ctx, op, o, func() (bool, error) {
		return c.attempt(ctx, c.begin(readOnly, o.moment()), fn)
	})
}

// attempt runs fn once. It says whether the transaction itself met a conflict, so that it may be run again.
func (c *Client) attempt(ctx context.Context, tx *Txn, fn func(context.Context, *Txn) error) (again bool, err error) {
	defer tx.Rollback() // also when fn panics
	if err := fn(ctx, tx); err != nil {
		return c.trust(ctx, tx, err)
	}
	if tx.done {
		return false, newError("commit", "", ErrTxnDone, errors.New("the function must leave the end of the transaction to its caller"))
	}
	err = tx.Commit(ctx)
	return isConflict(err), err
}

// trust returns fn's own error, unless it may have come from reads that do not belong together.
func (c *Client) trust(ctx context.Context, tx *Txn, err error) (again bool, _ error) {
	if tx.done || tx.failed != nil || tx.sure || ctx.Err() != nil {
		return false, err
	}
	k := c.take(errandCommit)
	tx.fill(k, false)
	if e := c.commit(ctx, k, ""); isConflict(e) {
		return true, e
	}
	return false, err
}

// own returns the error of this very call. One that a function wrapped, or passed on from elsewhere, is not
// ours to judge or to change.
func own(err error) (*Error, bool) {
	e, ours := err.(*Error) //nolint:errorlint // see above
	return e, ours
}

func isConflict(err error) bool {
	e, ours := own(err)
	return ours && errors.Is(e.Kind, ErrConflict)
}

// retry runs a transaction again for as long as it meets a conflict of its own, and the options let it.
func retry(ctx context.Context, op string, o options, try func() (again bool, err error)) error {
	var pause txn.Backoff
	for n := 1; ; n++ {
		began := time.Now()
		again, err := try()
		e, ours := own(err)
		if ours && e.Op == "commit" {
			e.Op, e.Attempts = op, n
		}
		if !again || n == o.attempts {
			return err
		}
		wait := pause.Next(wire.Duration(time.Since(began)), rand.Float64())
		if ctxErr := sleep(ctx, o.pause(time.Duration(wait))); ctxErr != nil {
			e.Context = ctxErr
			return err
		}
	}
}

// sleep waits, or returns why the context ended. It does not begin what the deadline would cut short.
func sleep(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Outcome is what became of a transaction.
type Outcome uint8

const (
	// Pending: it is not decided, or not known, yet.
	Pending Outcome = iota
	// Committed: it happened, once.
	Committed
	// Aborted: it did not happen and never will.
	Aborted
)

func (o Outcome) String() string { return [...]string{"pending", "committed", "aborted"}[o] }

// Outcome tells what became of a transaction whose outcome was unknown; its ID stands in [Error.Txn]. It waits
// until it is known or the context ends, which gives Pending. It fails with [ErrOutcomeUnknown] when waiting
// cannot help, because the transaction is forgotten.
//
// The transaction may be another client's, one that has died for instance. Then asking settles it: what had not
// been prepared at all of its shards is refused, and told as Aborted.
func (c *Client) Outcome(ctx context.Context, id txn.ID) (Outcome, error) {
	if id == (txn.ID{}) {
		return Pending, newError("outcome", "", ErrInvalid, errors.New("no transaction has this ID: it stands in Error.Txn where an outcome is unknown"))
	}
	k := c.take(errandOutcome)
	k.about = id
	if err := c.do(ctx, k, "outcome", ""); err != nil {
		return Pending, err
	}
	defer c.release(k)
	switch done := &k.result; {
	case done.Result == twopc.ResultCommitted:
		return Committed, nil
	case done.Result == twopc.ResultConflict, done.Result == twopc.ResultRejected:
		return Aborted, nil
	case ctx.Err() != nil:
		return Pending, nil
	default:
		return Pending, failure("outcome", "", done, nil)
	}
}
