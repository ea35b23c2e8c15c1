package torture

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/client"
)

// What follows keeps a rule, and complains by itself when a transaction that was committed has seen it broken.

// bank moves money between two accounts, or counts it all: by reading, by a scan, or as it was a while ago.
func (w *worker) bank(ctx context.Context) {
	all := w.load.keys.many("a", accounts)
	switch n := w.rand.IntN(100); {
	case n < 80:
		two := w.some(accounts, 2, 2)
		w.transfer(ctx, all[two[0]], all[two[1]], 1+w.rand.Int64N(9))
	case n < 88:
		w.view(ctx, func(ctx context.Context, t tx) error {
			_, err := t.read(ctx, all...)
			return err
		})
	case n < 96:
		w.view(ctx, func(ctx context.Context, t tx) error {
			_, err := t.scan(ctx, client.ScanOptions{Prefix: w.load.keys.key("a") + "/"}, all)
			return err
		})
	default:
		w.countPast(ctx, all)
	}
}

func (w *worker) transfer(ctx context.Context, from, to string, amount int64) {
	w.update(ctx, func(ctx context.Context, t tx) error {
		for key, by := range map[string]int64{from: -amount, to: amount} {
			values, err := t.read(ctx, key)
			if err != nil {
				return err
			}
			n, err := Balance(values[0])
			if err != nil {
				return err
			}
			if err := t.write(ctx, key, fmt.Sprint(n+by, " ", w.unique())); err != nil {
				return err
			}
		}
		return nil
	})
}

// Balance is what an account holds: an amount, and a token that makes the value unique.
func Balance(v check.Value) (int64, error) {
	if !v.Present {
		return opening, nil
	}
	amount, _, _ := strings.Cut(v.Data, " ")
	n, err := strconv.ParseInt(amount, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("an account holds %v: %w", v, err)
	}
	return n, nil
}

// countPast reads all accounts as they were. Such a read need not be the newest, so that it is no part of the history; but it is
// of one moment, and the money is all there.
func (w *worker) countPast(ctx context.Context, all []string) {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	values, err := w.db.SnapshotAt(time.Now().Add(-time.Duration(w.rand.IntN(2000))*time.Millisecond)).GetAll(ctx, all...)
	if err != nil {
		w.outcome(ctx, err)
		return
	}
	var sum int64
	for _, b := range values {
		n, err := Balance(valueOf(b))
		if err != nil {
			w.load.journal.Complain("client %d: %v", w.client, err)
			return
		}
		sum += n
	}
	if sum != accounts*opening {
		w.load.journal.Complain("client %d: a snapshot of all accounts holds %d instead of %d: %q", w.client, sum, accounts*opening, values)
	}
}

// skew keeps rules that hold only if what was read is validated: keys that are there, absent and deleted ones, ranges.
func (w *worker) skew(ctx context.Context) {
	keep := []func(tx, context.Context, int) (string, error){tx.oneOfTwo, tx.onDuty, tx.oneDoor}[w.rand.IntN(3)]
	pair, broken := w.rand.IntN(pairs), ""
	outcome := w.update(ctx, func(ctx context.Context, t tx) (err error) {
		broken, err = keep(t, ctx, pair)
		return err
	})
	if broken != "" && outcome == check.Committed {
		w.load.journal.Complain("client %d: write skew: %s", w.client, broken)
	}
}

// oneOfTwo keeps one key of a pair at most: it adds one only if the other is absent, and deletes it again.
func (t tx) oneOfTwo(ctx context.Context, pair int) (broken string, err error) {
	two := t.w.load.keys.below("s", pair, 2)
	if t.w.chance(0.5) {
		two[0], two[1] = two[1], two[0]
	}
	values, err := t.read(ctx, two...)
	if err != nil {
		return "", err
	}
	switch {
	case values[0].Present && values[1].Present:
		return fmt.Sprintf("both keys of the pair are there: %v = %v", two, values), nil
	case values[0].Present:
		return "", t.remove(ctx, two[0])
	case !values[1].Present:
		return "", t.write(ctx, two[0], t.w.unique())
	}
	return "", nil
}

const offDuty = "off "

// onDuty keeps one of two on duty at least: each goes only if the other is there. Both begin on duty.
func (t tx) onDuty(ctx context.Context, pair int) (broken string, err error) {
	two := t.w.load.keys.below("e", pair, 2)
	if t.w.chance(0.5) {
		two[0], two[1] = two[1], two[0]
	}
	values, err := t.read(ctx, two...)
	if err != nil {
		return "", err
	}
	off := func(v check.Value) bool { return strings.HasPrefix(v.Data, offDuty) }
	switch {
	case off(values[0]) && off(values[1]):
		return fmt.Sprintf("nobody is on duty: %v = %v", two, values), nil
	case off(values[0]) || off(values[1]):
		return "", t.write(ctx, two[0], "on "+t.w.unique())
	}
	return "", t.write(ctx, two[0], offDuty+t.w.unique())
}

// oneDoor keeps one key of a range at most: it adds one where a scan shows none, and deletes what it shows.
func (t tx) oneDoor(ctx context.Context, i int) (broken string, err error) {
	all := t.w.load.keys.below("d", i, doors)
	seen, err := t.scan(ctx, client.ScanOptions{Prefix: t.w.load.keys.key("d", i) + "/"}, all)
	if err != nil {
		return "", err
	}
	if len(seen) > 1 {
		return fmt.Sprintf("the range holds %v", seen), nil
	}
	for key := range seen {
		return "", t.remove(ctx, key)
	}
	return "", t.write(ctx, all[t.w.rand.IntN(doors)], t.w.unique())
}
