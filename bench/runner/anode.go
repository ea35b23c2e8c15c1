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
}

// Do implements [Store]. What concerns one key is a single call of the SDK: its retries, which happen only when a key
// is locked for too long, are not seen here.
func (a *Anode) Do(ctx context.Context, op *workload.Op) (out Outcome) {
	switch {
	case op.Kind == workload.Scan:
		a.scan(ctx, op, &out)
	case len(op.Writes) == 0 && len(op.Reads) == 1:
		_, out.Err = a.DB.Get(ctx, op.Reads[0])
		if errors.Is(out.Err, client.ErrNotFound) {
			out.Err, out.Missing = nil, 1
		}
	case len(op.Reads) == 0 && len(op.Writes) == 1:
		out.Err = a.DB.Put(ctx, op.Writes[0], op.Value)
	default:
		a.transaction(ctx, op, &out)
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

func (a *Anode) transaction(ctx context.Context, op *workload.Op, out *Outcome) {
	run := a.DB.Update
	if len(op.Writes) == 0 {
		run = a.DB.View
	}
	out.Retries = -1
	out.Err = run(ctx, func(ctx context.Context, tx *client.Txn) error {
		out.Retries++
		out.Missing = 0
		if len(op.Reads) > 0 {
			values, err := tx.GetAll(ctx, op.Reads...)
			if err != nil {
				return err
			}
			for _, v := range values {
				if v == nil {
					out.Missing++
				}
			}
		}
		for _, key := range op.Writes {
			if err := tx.Put(ctx, key, op.Value); err != nil {
				return err
			}
		}
		return nil
	}, a.options()...)
	out.Retries = max(0, out.Retries)
}

func (a *Anode) scan(ctx context.Context, op *workload.Op, out *Outcome) {
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
}
