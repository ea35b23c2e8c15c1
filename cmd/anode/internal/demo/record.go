package demo

import (
	"context"
	"errors"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/client"
)

func (l *load) now() int64 { return int64(time.Since(l.started)) }

// run records one operation or transaction.
func (l *load) run(id int, do func(*check.Record) error) error {
	rec, err := l.recorder.Begin(id, l.now())
	if err != nil {
		return err
	}
	err = do(rec)
	outcome := check.Committed
	switch {
	case err == nil:
	case errors.Is(err, client.ErrOutcomeUnknown):
		outcome = check.Unknown
	default:
		outcome = check.Aborted
	}
	rec.End(l.now(), outcome)
	l.rates.count(outcome)
	return err
}

func (l *load) get(ctx context.Context, id int, key string) error {
	return l.run(id, func(rec *check.Record) error {
		value, err := l.db.Get(ctx, key)
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return err
		}
		rec.Op(check.Read(key, valueOf(value, err)))
		return nil
	})
}

func (l *load) put(ctx context.Context, id int, key, value string) error {
	return l.run(id, func(rec *check.Record) error {
		rec.Op(check.Write(key, value))
		return l.db.Put(ctx, key, []byte(value))
	})
}

func (l *load) update(ctx context.Context, id int, do func(context.Context, *recordedTxn) error) error {
	return l.run(id, func(rec *check.Record) error {
		return l.db.Update(ctx, func(ctx context.Context, t *client.Txn) error {
			rec.Reset() // an attempt before this one had no effect
			return do(ctx, &recordedTxn{t, rec})
		})
	})
}

// recordedTxn is a transaction that tells the recorder what it sees.
type recordedTxn struct {
	txn *client.Txn
	rec *check.Record
}

func (t *recordedTxn) get(ctx context.Context, key string) (check.Value, error) {
	value, err := t.txn.Get(ctx, key)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return check.Value{}, err
	}
	v := valueOf(value, err)
	t.rec.Op(check.Read(key, v))
	return v, nil
}

func (t *recordedTxn) put(ctx context.Context, key, value string) error {
	t.rec.Op(check.Write(key, value))
	return t.txn.Put(ctx, key, []byte(value))
}

// add changes a balance.
func (t *recordedTxn) add(ctx context.Context, key string, amount int64, token string) error {
	v, err := t.get(ctx, key)
	if err != nil {
		return err
	}
	balance, err := parseBalance(v)
	if err != nil {
		return err
	}
	return t.put(ctx, key, formatBalance(balance+amount, token))
}

func valueOf(value []byte, err error) check.Value {
	if err != nil {
		return check.Absent
	}
	return check.Of(string(value))
}
