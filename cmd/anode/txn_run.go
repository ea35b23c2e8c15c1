package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/statement"
)

// transaction is the statements of one.
type transaction []statement.Statement

// run runs the statements in their order. It may be run again, and so keeps nothing.
func (t transaction) run(ctx context.Context, tx *client.Txn) ([]record, error) {
	if err := t.fetch(ctx, tx); err != nil {
		return nil, err
	}
	var out []record
	for i, s := range t {
		records, err := step(ctx, tx, s)
		if err != nil {
			return nil, fmt.Errorf("statement %d, %v: %w", i+1, s.At, bare{err})
		}
		out = append(out, records...)
	}
	return out, nil
}

// fetch reads at once all keys that the statements are going to read.
func (t transaction) fetch(ctx context.Context, tx *client.Txn) error {
	var keys []string
	for _, s := range t {
		if s.Verb == statement.Get || s.Verb == statement.Add || s.Verb == statement.Check {
			keys = append(keys, s.Key)
		}
	}
	_, err := tx.GetAll(ctx, keys...)
	return err
}

func step(ctx context.Context, tx *client.Txn, s statement.Statement) ([]record, error) {
	switch s.Verb {
	case statement.Put:
		return nil, tx.Put(ctx, s.Key, []byte(s.Value))
	case statement.Delete:
		return nil, tx.Delete(ctx, s.Key)
	case statement.Scan:
		return list(ctx, tx, s)
	}
	values, err := tx.GetAll(ctx, s.Key)
	if err != nil {
		return nil, err
	}
	switch s.Verb {
	case statement.Check:
		return nil, check(s, values[0])
	case statement.Add:
		return add(ctx, tx, s, values[0])
	}
	return []record{found(s.Key, values[0])}, nil
}

func list(ctx context.Context, tx *client.Txn, s statement.Statement) (out []record, err error) {
	for pair, err := range tx.Scan(ctx, client.ScanOptions{Prefix: s.Key, Limit: int(s.Number)}) {
		if err != nil {
			return nil, err
		}
		out = append(out, record{key: pair.Key, result: "found", value: append([]byte{}, pair.Value...)})
	}
	return out, nil
}

// check compares a value, nil being none, with what a statement expects.
func check(s statement.Statement, value []byte) error {
	holds, is := false, "is absent"
	if value != nil {
		is = fmt.Sprintf("is %.64q", value)
	}
	switch s.Test {
	case statement.Exists:
		holds = value != nil
	case statement.Absent:
		holds = value == nil
	case statement.Equal:
		holds = value != nil && string(value) == s.Value
	case statement.Differs:
		holds = value == nil || string(value) != s.Value
	}
	if holds {
		return nil
	}
	return no{fmt.Errorf("%v does not hold: %.64q %s; nothing was changed", s, s.Key, is)}
}

// add adds to a number, a key that does not exist being 0.
func add(ctx context.Context, tx *client.Txn, s statement.Statement, value []byte) ([]record, error) {
	var now int64
	if value != nil {
		var err error
		if now, err = strconv.ParseInt(string(value), 10, 64); err != nil {
			return nil, fmt.Errorf("%.64q is %.64q, which is no whole number: nothing was changed", s.Key, value)
		}
	}
	sum := now + s.Number
	if (sum > now) != (s.Number > 0) && s.Number != 0 {
		return nil, errors.New("the sum does not fit 64 bits: nothing was changed")
	}
	text := strconv.AppendInt(nil, sum, 10)
	return []record{{key: s.Key, result: "stored", value: text}}, tx.Put(ctx, s.Key, text)
}
