package check

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkTransactions checks 200,000 transactions of 64 clients; they take seconds.
func BenchmarkTransactions(b *testing.B) {
	stale := Txn{Start: 1 << 40, End: 1 << 40, Ops: []Op{Read("k0", Absent)}, Outcome: Committed}
	for _, test := range []struct {
		name string
		w    workload
		more []Txn
	}{
		{"chained", workload{keys: 1000}, nil},
		{"everything", workload{keys: 1000, deletes: true, blind: true, unknown: true, aborted: true}, nil},
		{"one hot key", workload{keys: 1, deletes: true, blind: true, unknown: true}, nil},
		// The stale read joins nearly the whole history into one component.
		{"one stale read", workload{keys: 1000}, []Txn{stale}},
	} {
		b.Run(test.name, func(b *testing.B) {
			h := append(test.w.long(200_000), test.more...)
			for b.Loop() {
				if v := Transactions(h); v.OK != (test.more == nil) {
					b.Fatal(v)
				}
			}
		})
	}
}

// BenchmarkRegisters checks the keys of such a history one by one.
func BenchmarkRegisters(b *testing.B) {
	w := workload{keys: 1000, deletes: true, unknown: true}
	h := w.long(200_000)
	for b.Loop() {
		if v := Registers(h); !v.OK {
			b.Fatal(v)
		}
	}
}

// long is history without copies of the state, for many transactions.
func (w *workload) long(txns int) History {
	rng := rand.New(rand.NewPCG(1, 0))
	w.overlap = 320
	state := make(map[string]Value)
	h := make(History, txns)
	for i := range h {
		at := int64(10 * (i + 1))
		h[i] = Txn{Start: at - w.reach(rng), End: at + w.reach(rng), Outcome: Committed}
		switch {
		case w.unknown && rng.IntN(100) == 0:
			h[i].Outcome, h[i].End = Unknown, Never
		case w.aborted && rng.IntN(20) == 0:
			h[i].Outcome = Aborted
		}
		for n := range 4 {
			w.step(rng, &h[i], state, fmt.Sprintf("%d.%d", i, n))
		}
	}
	return h
}

// step adds a read, or a write, or both, of one key.
func (w *workload) step(rng *rand.Rand, t *Txn, state map[string]Value, token string) {
	key := "k" + strconv.Itoa(rng.IntN(w.keys))
	for _, op := range t.Ops {
		if op.Key == key {
			return // state does not hold what an aborted transaction wrote
		}
	}
	if !w.blind || rng.IntN(2) == 0 {
		t.Ops = append(t.Ops, Read(key, state[key]))
	}
	if rng.IntN(2) == 0 {
		return
	}
	op := w.write(rng, key, token, false)
	t.Ops = append(t.Ops, op)
	if t.Outcome != Aborted {
		state[key] = op.Value
	}
}
