package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/client"
)

// Anode is a client of anode. Several may share one [client.Client].
type Anode struct {
	DB *client.Client
	// Attempts bounds how often a transaction is run; 0 leaves it to the context.
	Attempts int

	// body is the function of all transactions, made once: it works on the operation that is under way, and counts.
	body             func(context.Context, *client.Txn) error
	op               *workload.Op
	retries, missing int
}

// Do implements [Store]. What concerns one key is a single call of the SDK: its retries, which happen only when a key
// is locked for too long, are not seen here.
func (a *Anode) Do(ctx context.Context, op *workload.Op) (out Outcome) {
	switch {
	case op.Kind == workload.Scan:
		out = a.scan(ctx, op)
	case len(op.Writes) == 0 && len(op.Reads) == 1:
		_, out.Err = a.DB.Get(ctx, op.Reads[0])
		if errors.Is(out.Err, client.ErrNotFound) {
			out.Err, out.Missing = nil, 1
		}
	case len(op.Reads) == 0 && len(op.Writes) == 1:
		out.Err = a.DB.Put(ctx, op.Writes[0], op.Value)
	default:
		out = a.transaction(ctx, op)
	}
	if errors.Is(out.Err, client.ErrConflict) {
		out.Err = fmt.Errorf("%w: %w", ErrAborted, out.Err)
	}
	return out
}

func (a *Anode) options() []client.Option {
	if a.Attempts == 0 {
		return nil
	}
	return []client.Option{client.Attempts(a.Attempts)}
}

func (a *Anode) transaction(ctx context.Context, op *workload.Op) Outcome {
	if a.body == nil {
		a.body = a.attempt
	}
	a.op, a.retries, a.missing = op, -1, 0
	var err error
	if len(op.Writes) == 0 {
		err = a.DB.View(ctx, a.body, a.options()...)
	} else {
		err = a.DB.Update(ctx, a.body, a.options()...)
	}
	a.op = nil
	return Outcome{Err: err, Missing: a.missing, Retries: max(0, a.retries)}
}

// attempt runs the transaction of the operation that is under way, once.
func (a *Anode) attempt(ctx context.Context, tx *client.Txn) error {
	a.retries++
	a.missing = 0
	if len(a.op.Reads) > 0 {
		values, err := tx.GetAll(ctx, a.op.Reads...)
		if err != nil {
			return err
		}
		for _, v := range values {
			if v == nil {
				a.missing++
			}
		}
	}
	for _, key := range a.op.Writes {
		if err := tx.Put(ctx, key, a.op.Value); err != nil {
			return err
		}
	}
	return nil
}

func (a *Anode) scan(ctx context.Context, op *workload.Op) (out Outcome) {
	out.Retries = -1
	out.Err = a.DB.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		out.Retries++
		for _, err := range tx.Scan(ctx, client.ScanOptions{Start: op.Reads[0], Limit: op.ScanKeys}) {
			if err != nil {
				return err
			}
		}
		return nil
	}, a.options()...)
	out.Retries = max(0, out.Retries)
	return out
}
