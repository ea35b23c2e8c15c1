package check

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// orderable tries every order, and every subset of the transactions of unknown outcome: the definition of
// strict serializability, for histories small enough for it.
func orderable(h History) bool { return orderableBy(h, fromTime) }

// orderableBy is orderable where an order needs to agree with sessions alone, or with no clock at all.
func orderableBy(h History, by basis) bool {
	var must, may []int
	for i := range h {
		switch h[i].Outcome {
		case Committed:
			must = append(must, i)
		case Unknown:
			may = append(may, i)
		}
	}
	for subset := range 1 << len(may) {
		txns := slices.Clone(must)
		for j, t := range may {
			if subset>>j&1 == 1 {
				txns = append(txns, t)
			}
		}
		if extend(h, txns, map[string]Value{}, by) {
			return true
		}
	}
	return false
}

// extend tells that the transactions left can follow in some order, from the given state.
func extend(h History, left []int, state map[string]Value, by basis) bool {
	for i, t := range left {
		later := slices.Delete(slices.Clone(left), i, i+1)
		first := func(u int) bool {
			counts := by == fromTime || by == fromSessions && h[u].Client == h[t].Client
			return counts && h[u].Outcome == Committed && h[u].End < h[t].Start
		}
		if slices.ContainsFunc(later, first) {
			continue
		}
		if next, ok := run(h[t].Ops, state); ok && extend(h, later, next, by) {
			return true
		}
	}
	return len(left) == 0
}

// run does the operations, and tells if the reads see what they saw.
func run(ops []Op, state map[string]Value) (map[string]Value, bool) {
	next := make(map[string]Value, len(state))
	for k, v := range state {
		next[k] = v
	}
	for _, op := range ops {
		switch op.Kind {
		case KindRead:
			if next[op.Key] != op.Value {
				return nil, false
			}
		case KindWrite:
			next[op.Key] = op.Value
		case KindAppend:
			next[op.Key] = joinToken(next[op.Key], op.Value.Data)
		}
	}
	return next, true
}

var tokens = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}

// drawSpan draws when a transaction of a tiny history runs, and how it ends.
func drawSpan(t *rapid.T, outcomes ...Outcome) Txn {
	start := rapid.Int64Range(0, 12).Draw(t, "start")
	txn := Txn{Client: rapid.IntRange(1, 3).Draw(t, "client"), Start: start, End: start + rapid.Int64Range(0, 6).Draw(t, "length"),
		Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome")}
	if txn.Outcome == Unknown {
		txn.End = Never
	}
	return txn
}

// drawChained draws a history in which every writer reads first and values are unique: all is known.
func drawChained(t *rapid.T) History {
	h := make(History, rapid.IntRange(1, 5).Draw(t, "txns"))
	written := map[string][]Value{}
	for i := range h {
		h[i] = drawSpan(t, Committed)
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 1, 3, rapid.ID[string]).Draw(t, "keys") {
			h[i].Ops = append(h[i].Ops, Read(key, Absent))
			if rapid.Bool().Draw(t, "write") {
				v := Write(key, tokens[i])
				h[i].Ops = append(h[i].Ops, v)
				written[key] = append(written[key], v.Value)
			}
		}
	}
	for i := range h {
		for j := range h[i].Ops {
			if op := &h[i].Ops[j]; op.Kind == KindRead {
				others := slices.DeleteFunc(slices.Clone(written[op.Key]), func(v Value) bool { return v == Of(tokens[i]) })
				op.Value = rapid.SampledFrom(append(others, Absent)).Draw(t, "saw")
			}
		}
	}
	return h
}

// drawLists draws appends and reads of lists; the reads are of some order, and not always the same.
func drawLists(t *rapid.T) History {
	h := make(History, rapid.IntRange(1, 5).Draw(t, "txns"))
	appended := map[string][]string{}
	for i := range h {
		h[i] = drawSpan(t, Committed)
		key := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
		if rapid.Bool().Draw(t, "append") {
			h[i].Ops = append(h[i].Ops, Append(key, tokens[i]))
			appended[key] = append(appended[key], tokens[i])
		}
	}
	for i := range h {
		key := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
		others := slices.DeleteFunc(slices.Clone(appended[key]), func(token string) bool { return token == tokens[i] })
		order := rapid.Permutation(others).Draw(t, "order")
		seen := canonicalList(List(order[:rapid.IntRange(0, len(order)).Draw(t, "length")]...))
		h[i].Ops = append([]Op{Read(key, seen)}, h[i].Ops...)
	}
	return h
}

// drawAnything draws few values, blind writes, deletes and unknown outcomes: much that nothing tells.
func drawAnything(t *rapid.T) History {
	h := make(History, rapid.IntRange(1, 5).Draw(t, "txns"))
	value := rapid.SampledFrom([]Value{Absent, Of("1"), Of("2"), Of("3")})
	for i := range h {
		h[i] = drawSpan(t, Committed, Committed, Committed, Unknown, Aborted)
		for range rapid.IntRange(1, 3).Draw(t, "ops") {
			h[i].Ops = append(h[i].Ops, Op{
				Kind:  rapid.SampledFrom([]Kind{KindRead, KindWrite}).Draw(t, "kind"),
				Key:   rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key"),
				Value: value.Draw(t, "value"),
			})
		}
	}
	return h
}

// many repeats a property: most random histories are broken in more than one way, and the interesting ones
// are rare.
func many(t *testing.T, name string, property func(*rapid.T)) {
	t.Run(name, func(t *testing.T) {
		for range 20 {
			rapid.Check(t, property)
		}
	})
}

// TestOracleExact: where all is known, the checker says what the definition says.
func TestOracleExact(t *testing.T) {
	many(t, "registers", func(t *rapid.T) { agree(t, drawChained(t)) })
	many(t, "lists", func(t *rapid.T) { agree(t, drawLists(t)) })
}

func agree(t *rapid.T, h History) {
	got := Transactions(h)
	if want := orderable(h); got.OK != want && known(h) {
		t.Fatalf("orderable %v, but the checker says: %v", want, got)
	}
}

// TestOracleVariants: an anomaly is told as one of values, of a session, or of real time by what the least is
// that must be believed to exclude every order.
func TestOracleVariants(t *testing.T) {
	met := map[basis]int{}
	many(t, "registers", func(t *rapid.T) { agreeOnBasis(t, drawChained(t), met) })
	many(t, "lists", func(t *rapid.T) { agreeOnBasis(t, drawLists(t), met) })
	for by := range bases {
		if met[by] < 20 {
			t.Errorf("only %d histories were wrong by %d", met[by], by)
		}
	}
}

func agreeOnBasis(t *rapid.T, h History, met map[basis]int) {
	if !known(h) {
		return
	}
	want, got := bases, bases
	for by := range bases {
		if want == bases && !orderableBy(h, by) {
			want = by
		}
	}
	v := Transactions(h)
	for _, a := range v.Anomalies {
		got = min(got, basisOf(a.Kind))
	}
	if want != got {
		t.Fatalf("wrong by %d, but the checker says: %v", want, v)
	}
	met[want]++
}

// basisOf reads the name of an anomaly.
func basisOf(kind AnomalyKind) basis {
	switch {
	case strings.HasSuffix(string(kind), "-process"):
		return fromSessions
	case strings.HasSuffix(string(kind), "-realtime"):
		return fromTime
	default:
		return fromValues
	}
}

// known tells that every list append is placed by a read, so that the order of versions is complete.
func known(h History) bool {
	c := newChecker(h)
	c.orderKeys()
	for _, o := range c.orders {
		if len(o.fragments) > 1 || len(o.pending) > 0 {
			return len(c.f.anomalies) > 0
		}
	}
	return true
}

// TestOracleSound: whatever the history, one that has an order is never flagged, by any check.
func TestOracleSound(t *testing.T) {
	many(t, "anything", func(t *rapid.T) { neverFlagged(t, drawAnything(t)) })
	many(t, "registers", func(t *rapid.T) { neverFlagged(t, drawChained(t)) })
	many(t, "lists", func(t *rapid.T) { neverFlagged(t, drawLists(t)) })
}

func neverFlagged(t *rapid.T, h History) {
	if !orderable(h) {
		return
	}
	for _, v := range []Verdict{Transactions(h), Registers(h)} {
		if len(v.Anomalies) > 0 {
			t.Fatalf("it has an order, but: %v", v)
		}
	}
}

// TestOracleRegisters: on single keys, porcupine with our model says what the definition says.
func TestOracleRegisters(t *testing.T) {
	many(t, "one key", func(t *rapid.T) {
		h := drawAnything(t)
		for i := range h {
			for j := range h[i].Ops {
				h[i].Ops[j].Key = "x"
			}
		}
		v := Registers(h)
		if want := orderable(h); want != (len(v.Anomalies) == 0) {
			t.Fatalf("orderable %v, but: %v", want, v)
		}
	})
}
