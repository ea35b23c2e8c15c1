package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/client"
)

const (
	// askTime is how long a client asks for the outcome of its transaction that it was not told.
	askTime = 15 * time.Second
	// overtime is how much later than its context's end a call may return, on a machine that has much to do.
	overtime = 15 * time.Second
	// noteShare is how many of the values are notes of several datagrams' size, and maxNote their size.
	noteShare = 0.03
	maxNote   = 60_000
	// noteMark divides what a value says from its note, which no history needs to hold.
	noteMark = "|"
)

// worker is one client in the sense of a history: it does one thing after another.
type worker struct {
	load    *load
	db      *client.Client
	client  int
	rand    *rand.Rand
	written int
	commits int64
	// patience is how long each transaction may take, and asks how often an unknown outcome is asked for.
	patience time.Duration
	asks     float64
}

// unique is a value that nobody else writes.
func (w *worker) unique() string {
	w.written++
	return fmt.Sprintf("c%d-%d", w.client, w.written)
}

func (w *worker) chance(p float64) bool { return w.rand.Float64() < p }

// noted is the value as it is stored, sometimes with a note that makes it large.
func (w *worker) noted(value string) []byte {
	if !w.chance(noteShare) {
		return []byte(value)
	}
	return []byte(value + noteMark + strings.Repeat("x", w.rand.IntN(maxNote)))
}

// valueOf is what was read, without its note.
func valueOf(b []byte) check.Value {
	if b == nil {
		return check.Absent
	}
	value, _, _ := strings.Cut(string(b), noteMark)
	return check.Of(value)
}

// run does one transaction and writes it down.
func (w *worker) run(ctx context.Context, do func(context.Context, *Entry) error) check.Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.patience)
	defer cancel()
	e := w.load.journal.Begin(w.client)
	began := time.Now()
	err := do(ctx, e)
	if late := time.Since(began) - w.patience; late > overtime {
		w.load.journal.Complain("client %d: a call returned %v after its context had ended: %v", w.client, late, err)
	}
	outcome := w.outcome(ctx, err)
	e.End(outcome)
	w.load.count(outcome)
	if outcome == check.Committed {
		w.commits++
	}
	return outcome
}

// outcome is what the client knows. Of what it was not told it may ask.
func (w *worker) outcome(ctx context.Context, err error) check.Outcome {
	var told *client.Error
	switch {
	case err == nil:
		return check.Committed
	case !excusable(err):
		w.load.journal.Complain("client %d was told: %v", w.client, err)
		return check.Unknown
	case !errors.Is(err, client.ErrOutcomeUnknown):
		return check.Aborted
	case !errors.As(err, &told) || !w.chance(w.asks):
		return check.Unknown
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	w.load.asked.Add(1)
	switch known, err := w.db.Outcome(ask, told.Txn); {
	case err != nil || known == client.Pending:
		return check.Unknown
	case known == client.Committed:
		return check.Committed
	default:
		return check.Aborted
	}
}

// excusable errors are what a client must expect of a cluster under faults.
func excusable(err error) bool {
	return slices.ContainsFunc([]error{client.ErrConflict, client.ErrUnavailable, client.ErrOutcomeUnknown, client.ErrOverloaded,
		client.ErrTooOld, context.Canceled, context.DeadlineExceeded}, func(e error) bool { return errors.Is(err, e) })
}

// tx is a transaction whose reads and writes are written down.
type tx struct {
	*client.Txn
	entry *Entry
	w     *worker
}

// update runs a transaction again until no other is faster.
func (w *worker) update(ctx context.Context, do func(context.Context, tx) error) check.Outcome {
	return w.run(ctx, func(ctx context.Context, e *Entry) error {
		return w.db.Update(ctx, func(ctx context.Context, t *client.Txn) error {
			e.Reset() // an attempt before this one had no effect
			err := do(ctx, tx{t, e, w})
			e.Intend()
			return err
		})
	})
}

// view reads.
func (w *worker) view(ctx context.Context, do func(context.Context, tx) error) check.Outcome {
	return w.run(ctx, func(ctx context.Context, e *Entry) error {
		return w.db.View(ctx, func(ctx context.Context, t *client.Txn) error {
			e.Reset()
			return do(ctx, tx{t, e, w})
		})
	})
}

// read reads keys, all at once.
func (t tx) read(ctx context.Context, keys ...string) ([]check.Value, error) {
	raw, err := t.GetAll(ctx, keys...)
	if err != nil {
		return nil, err
	}
	values := make([]check.Value, len(keys))
	for i, b := range raw {
		values[i] = valueOf(b)
		t.entry.Op(check.Read(keys[i], values[i]))
	}
	return values, nil
}

// write writes a value that says what it should, and nothing about it.
func (t tx) write(ctx context.Context, key, value string) error {
	t.entry.Op(check.Write(key, value))
	return t.Put(ctx, key, t.w.noted(value))
}

func (t tx) remove(ctx context.Context, key string) error {
	t.entry.Op(check.Delete(key))
	return t.Delete(ctx, key)
}

// scan walks the keys that begin with a prefix, and writes down what it saw of all of those that there can be: a key that a
// scan passed and did not show is absent. With a limit it stops early, and knows nothing of what comes behind.
func (t tx) scan(ctx context.Context, o client.ScanOptions, universe []string) (map[string]check.Value, error) {
	seen := map[string]check.Value{}
	last := ""
	for pair, err := range t.Scan(ctx, o) {
		if err != nil {
			return nil, err
		}
		if !slices.Contains(universe, pair.Key) {
			t.w.load.journal.Complain("client %d: a scan of %q shows the key %q, which nobody wrote", t.w.client, o.Prefix, pair.Key)
		}
		seen[pair.Key], last = valueOf(pair.Value), pair.Key
	}
	cut := o.Limit > 0 && len(seen) == o.Limit
	for _, key := range universe {
		switch behind := key > last && !o.Reverse || key < last && o.Reverse; {
		case cut && behind:
		default:
			t.entry.Op(check.Read(key, seen[key]))
		}
	}
	return seen, nil
}
