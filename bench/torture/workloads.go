package torture

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/client"
)

// How many keys of each sort there are in a round: few, so that transactions meet.
const (
	registers = 24
	cells     = 12 // read and written several at a time
	accounts  = 16
	opening   = 100 // what an account holds that was never written
	pairs     = 4   // of each sort of write skew
	doors     = 4   // keys of a range of which one at most may be there
	counters  = 4
	sets      = 3
	members   = 16
	lists     = 6
	// listAge is how long lists are appended to before others take their place: a list is read whole.
	listAge = 3 * time.Second
)

// Workload is something that clients do.
type Workload struct {
	Name string
	// Share is how often it is done, beside the others.
	Share int
	do    func(*worker, context.Context)
}

// Workloads are all that there are.
func Workloads() []Workload {
	return []Workload{
		{"registers", 30, (*worker).register},
		{"cells", 14, (*worker).cells},
		{"lists", 16, (*worker).lists},
		{"bank", 16, (*worker).bank},
		{"skew", 14, (*worker).skew},
		{"counters", 8, (*worker).increment},
		{"sets", 14, (*worker).sets},
		{"hot", 6, (*worker).hot},
	}
}

// keys names the keys of a round.
type keys struct{ round int }

func (k keys) key(sort string, n ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "t%03d/%s", k.round, sort)
	for _, i := range n {
		fmt.Fprintf(&b, "/%02d", i)
	}
	return b.String()
}

// many are the keys of a sort with numbers from 0 on.
func (k keys) many(sort string, n int) (all []string) {
	for i := range n {
		all = append(all, k.key(sort, i))
	}
	return all
}

// below are the keys below one.
func (k keys) below(sort string, i, n int) (all []string) {
	for j := range n {
		all = append(all, k.key(sort, i, j))
	}
	return all
}

// some chooses some of the numbers below n, all different.
func (w *worker) some(n, least, most int) []int {
	return w.rand.Perm(n)[:least+w.rand.IntN(most-least+1)]
}

// register does one thing to one key, without a transaction.
func (w *worker) register(ctx context.Context) {
	key := w.load.keys.key("r", w.rand.IntN(registers))
	switch n := w.rand.IntN(100); {
	case n < 35:
		w.run(ctx, func(ctx context.Context, e *Entry) error {
			value, err := w.get(ctx, key)
			if err == nil {
				e.Op(check.Read(key, value))
			}
			return err
		})
	case n < 75:
		w.run(ctx, func(ctx context.Context, e *Entry) error {
			value := w.unique()
			e.Op(check.Write(key, value))
			e.Intend()
			return w.db.Put(ctx, key, w.noted(value))
		})
	case n < 84:
		w.run(ctx, func(ctx context.Context, e *Entry) error {
			e.Op(check.Delete(key))
			e.Intend()
			return w.db.Delete(ctx, key)
		})
	default:
		w.swap(ctx, key)
	}
}

func (w *worker) get(ctx context.Context, key string) (check.Value, error) {
	b, err := w.db.Get(ctx, key)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return check.Absent, nil
	case err != nil:
		return check.Absent, err
	case b == nil:
		b = []byte{}
	}
	return valueOf(b), nil
}

// swap compares and swaps what it has seen before, if its value has no note.
func (w *worker) swap(ctx context.Context, key string) {
	var old []byte
	if w.run(ctx, func(ctx context.Context, e *Entry) (err error) {
		if old, err = w.db.Get(ctx, key); errors.Is(err, client.ErrNotFound) {
			err = nil
		}
		if err == nil {
			e.Op(check.Read(key, valueOf(old)))
		}
		return err
	}) != check.Committed {
		return
	}
	w.run(ctx, func(ctx context.Context, e *Entry) error {
		value := w.unique()
		e.Op(check.Read(key, valueOf(old)), check.Write(key, value))
		e.Intend()
		swapped, err := w.db.CompareAndSwap(ctx, key, old, []byte(value))
		if err == nil && !swapped {
			e.Reset() // it read something else, and nobody knows what
		}
		return err
	})
}

// cells reads some keys, most often of several shards, and writes some, which need not be the same.
func (w *worker) cells(ctx context.Context) {
	all := w.load.keys.many("c", cells)
	if w.chance(0.25) {
		w.view(ctx, func(ctx context.Context, t tx) error {
			for _, i := range w.some(cells, 2, 4) {
				if _, err := t.read(ctx, all[i]); err != nil {
					return err
				}
			}
			return nil
		})
		return
	}
	w.update(ctx, func(ctx context.Context, t tx) error {
		for _, i := range w.some(cells, 0, 3) {
			if _, err := t.read(ctx, all[i]); err != nil {
				return err
			}
		}
		for _, i := range w.some(cells, 1, 3) {
			if w.chance(0.1) {
				if err := t.remove(ctx, all[i]); err != nil {
					return err
				}
			} else if err := t.write(ctx, all[i], w.unique()); err != nil {
				return err
			}
		}
		return nil
	})
}

// lists appends to some lists, or reads some.
func (w *worker) lists(ctx context.Context) {
	generation := int(time.Since(w.load.began) / listAge)
	var names []string
	for _, i := range w.some(lists, 1, 3) {
		names = append(names, w.load.keys.key("l", generation, i))
	}
	if w.chance(0.3) {
		w.view(ctx, func(ctx context.Context, t tx) error {
			_, err := t.read(ctx, names...)
			return err
		})
		return
	}
	w.update(ctx, func(ctx context.Context, t tx) error {
		values, err := t.read(ctx, names...)
		if err != nil {
			return err
		}
		for i, name := range names {
			token := w.unique()
			t.entry.Op(check.Append(name, token))
			if err := t.Put(ctx, name, []byte(strings.TrimSpace(values[i].Data+" "+token))); err != nil {
				return err
			}
		}
		return nil
	})
}

// increment adds one to a counter: a request that is sent again must not add two.
func (w *worker) increment(ctx context.Context) {
	key := w.load.keys.key("n", w.rand.IntN(counters))
	w.update(ctx, func(ctx context.Context, t tx) error {
		values, err := t.read(ctx, key)
		if err != nil {
			return err
		}
		n, err := check.Decimal(values[0])
		if err != nil {
			return err
		}
		return t.write(ctx, key, strconv.FormatInt(n+1, 10))
	})
}

// sets adds members to a set, takes some away, and reads sets by scans.
func (w *worker) sets(ctx context.Context) {
	set := w.rand.IntN(sets)
	all := w.load.keys.below("m", set, members)
	key := all[w.rand.IntN(members)]
	switch n := w.rand.IntN(100); {
	case n < 35:
		w.update(ctx, func(ctx context.Context, t tx) error { return t.write(ctx, key, w.unique()) })
	case n < 60:
		w.update(ctx, func(ctx context.Context, t tx) error { return t.remove(ctx, key) })
	default:
		o := client.ScanOptions{Prefix: w.load.keys.key("m", set) + "/", Reverse: w.chance(0.3)}
		if w.chance(0.3) {
			o.Limit = 1 + w.rand.IntN(6)
		}
		w.view(ctx, func(ctx context.Context, t tx) error {
			_, err := t.scan(ctx, o, all)
			return err
		})
	}
}

// hot is a transaction that takes its time over a key that all others want, too.
func (w *worker) hot(ctx context.Context) {
	hot, others := w.load.keys.key("h"), w.load.keys.many("i", 4)
	long := w.chance(0.3)
	w.update(ctx, func(ctx context.Context, t tx) error {
		if _, err := t.read(ctx, hot); err != nil {
			return err
		}
		if long {
			time.Sleep(time.Duration(20+w.rand.IntN(180)) * time.Millisecond)
			if _, err := t.read(ctx, others[w.rand.IntN(len(others))]); err != nil {
				return err
			}
		}
		if err := t.write(ctx, others[w.rand.IntN(len(others))], w.unique()); err != nil {
			return err
		}
		return t.write(ctx, hot, w.unique())
	})
}
