package check

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// workload makes histories of a store that is correct by construction: every transaction takes effect at
// one instant between its start and its end, in the order of those instants.
type workload struct {
	txns, keys, opsPerTxn int
	overlap               int64 // how far a transaction reaches around its instant; 0 is a serial history

	deletes, blind, repeated bool // writes that make versions harder to tell
	lists                    bool // half of the keys are lists
	unknown, aborted         bool
}

func (w *workload) history(rng *rand.Rand) History {
	state := make(map[string]Value)
	h := make(History, 0, w.txns)
	for i := range w.txns {
		at := int64(10 * (i + 1))
		t := Txn{Client: i % 8, Start: at - w.reach(rng), End: at + w.reach(rng), Outcome: Committed}
		next := w.body(rng, &t, state, i)
		switch {
		case w.unknown && rng.IntN(8) == 0:
			t.Outcome, t.End = Unknown, Never
			if rng.IntN(2) == 0 {
				state = next
			}
		case w.aborted && rng.IntN(8) == 0:
			t.Outcome = Aborted
		default:
			state = next
		}
		h = append(h, t)
	}
	rng.Shuffle(len(h), func(i, j int) { h[i], h[j] = h[j], h[i] })
	return h
}

func (w *workload) reach(rng *rand.Rand) int64 {
	return rng.Int64N(w.overlap + 1)
}

// body draws the operations of transaction i and returns the state after it.
func (w *workload) body(rng *rand.Rand, t *Txn, state map[string]Value, i int) map[string]Value {
	changed := make(map[string]Value)
	get := func(key string) Value {
		if v, ok := changed[key]; ok {
			return v
		}
		return state[key]
	}
	for n := range 1 + rng.IntN(w.opsPerTxn) {
		k := rng.IntN(w.keys)
		key := "k" + strconv.Itoa(k)
		if !w.blind || rng.IntN(2) == 0 {
			t.Ops = append(t.Ops, Read(key, get(key)))
		}
		if rng.IntN(2) == 0 {
			continue
		}
		op := w.write(rng, key, fmt.Sprintf("%d.%d", i, n), k%2 == 1 && w.lists)
		if op.Kind == KindAppend {
			changed[key] = joinToken(get(key), op.Value.Data)
		} else {
			changed[key] = op.Value
		}
		t.Ops = append(t.Ops, op)
	}
	next := make(map[string]Value, len(state)+len(changed))
	for key, v := range state {
		next[key] = v
	}
	for key, v := range changed {
		next[key] = v
	}
	return next
}

func (w *workload) write(rng *rand.Rand, key, token string, list bool) Op {
	switch {
	case list:
		return Append(key, token)
	case w.deletes && rng.IntN(3) == 0:
		return Delete(key)
	case w.repeated:
		return Write(key, strconv.Itoa(rng.IntN(4)))
	default:
		return Write(key, token)
	}
}

func drawWorkload(t *rapid.T) workload {
	return workload{
		txns:      rapid.IntRange(1, 80).Draw(t, "txns"),
		keys:      rapid.IntRange(1, 6).Draw(t, "keys"),
		opsPerTxn: rapid.IntRange(1, 5).Draw(t, "opsPerTxn"),
		overlap:   rapid.SampledFrom([]int64{0, 5, 12, 40, 100}).Draw(t, "overlap"),
		deletes:   rapid.Bool().Draw(t, "deletes"),
		blind:     rapid.Bool().Draw(t, "blind"),
		repeated:  rapid.Bool().Draw(t, "repeated"),
		lists:     rapid.Bool().Draw(t, "lists"),
		unknown:   rapid.Bool().Draw(t, "unknown"),
		aborted:   rapid.Bool().Draw(t, "aborted"),
	}
}

// TestCleanNeverFlagged: a correct store is never accused.
func TestCleanNeverFlagged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorkload(t)
		h := w.history(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		for _, v := range []Verdict{Transactions(h), Registers(h)} {
			if len(v.Anomalies) > 0 {
				t.Fatalf("%+v: %v", w, v)
			}
		}
	})
}

// TestUniqueFullyMatched: with unique values and reads before all writes nothing is left undecided,
// deletes included as long as transactions overlap little.
func TestUniqueFullyMatched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := workload{txns: 60, keys: 3, opsPerTxn: 3, lists: true, aborted: true,
			overlap: rapid.SampledFrom([]int64{0, 30}).Draw(t, "overlap")}
		w.deletes = w.overlap == 0
		v := Transactions(w.history(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))))
		if !v.OK || v.Note != "" {
			t.Fatalf("%v", v)
		}
	})
}

// TestStaleReadsCaught: one read of an otherwise correct history is set back to the key's first value, which
// had been replaced long before.
func TestStaleReadsCaught(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := workload{txns: 200, keys: 2, opsPerTxn: 2, overlap: 30, lists: rapid.Bool().Draw(t, "lists"),
			unknown: true, blind: rapid.Bool().Draw(t, "blind")}
		h := w.history(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		h = append(h, Txn{Start: 5000, End: 5001, Ops: []Op{Read("k0", Absent)}, Outcome: Committed})
		for name, v := range map[string]Verdict{"transactions": Transactions(h), "registers": Registers(h)} {
			if v.OK || !strings.Contains(v.String(), "absent") {
				t.Fatalf("%s: %v", name, v)
			}
		}
	})
}
