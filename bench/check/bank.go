package check

import (
	"fmt"
	"strconv"
	"strings"
)

// Accounts describes a bank: money moves between its accounts, and none is made or lost.
type Accounts struct {
	Keys  []string
	Total int64
	// Balance reads an amount out of a value, which often holds a token too. Nil means a decimal number,
	// with nothing at an absent key.
	Balance func(Value) (int64, error)
}

// Decimal reads a value as a decimal number; an absent one is 0.
func Decimal(v Value) (int64, error) {
	if !v.Present {
		return 0, nil
	}
	n, err := strconv.ParseInt(v.Data, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("value %v is not a number: %w", v, err)
	}
	return n, nil
}

// Bank checks that every committed transaction which read all accounts saw the whole money. Checked counts
// those transactions. Only what was read before the transaction's own write of the account counts.
func Bank(h History, a Accounts) Verdict {
	if err := h.malformed(); err != nil {
		return malformedVerdict(err)
	}
	if a.Balance == nil {
		a.Balance = Decimal
	}
	var f findings
	checked := 0
	for i := range h {
		if h[i].Outcome != Committed {
			continue
		}
		values, all := a.read(&h[i])
		if !all {
			continue
		}
		checked++
		a.check(&f, h, i, values)
	}
	return f.verdict(checked)
}

// read returns what the transaction saw in the accounts, and whether it saw all of them.
func (a *Accounts) read(t *Txn) ([]Value, bool) {
	first := make(map[string]Value, len(t.Ops))
	wrote := make(map[string]bool)
	for _, op := range t.Ops {
		_, seen := first[op.Key]
		if op.Kind != KindRead {
			wrote[op.Key] = true
		} else if !seen && !wrote[op.Key] {
			first[op.Key] = op.Value
		}
	}
	values := make([]Value, len(a.Keys))
	for i, key := range a.Keys {
		v, ok := first[key]
		if !ok {
			return nil, false
		}
		values[i] = v
	}
	return values, len(a.Keys) > 0
}

func (a *Accounts) check(f *findings, h History, i int, values []Value) {
	var sum int64
	for k, v := range values {
		n, err := a.Balance(v)
		if err != nil {
			f.add(WrongTotal, []int{i}, "%s\n  account %q: %v", describe(h, i), a.Keys[k], err)
			return
		}
		sum += n
	}
	if sum == a.Total {
		return
	}
	var b strings.Builder
	for k, v := range values {
		fmt.Fprintf(&b, " %s=%v", a.Keys[k], v)
	}
	f.add(WrongTotal, []int{i}, "%s\n  saw %d in all accounts instead of %d (%+d):%s",
		describe(h, i), sum, a.Total, sum-a.Total, b.String())
}

// Counter checks a key that every writing transaction raises by one: its final value must hold every
// acknowledged increment once, and of those with an unknown outcome any number, each at most once. Checked
// counts the acknowledged increments.
func Counter(h History, key string, final Value) Verdict {
	if err := h.malformed(); err != nil {
		return malformedVerdict(err)
	}
	var f findings
	acked, unknown := increments(h, key)
	n, err := Decimal(final)
	switch {
	case err != nil:
		f.add(WrongCount, nil, "counter %q: %v", key, err)
	case n < acked:
		f.add(WrongCount, nil, "counter %q holds %d, but %d increments were acknowledged: %d lost", key, n, acked, acked-n)
	case n > acked+unknown:
		f.add(WrongCount, nil, "counter %q holds %d, but only %d increments were acknowledged and %d have an unknown outcome: %d took effect twice, or after an abort was told",
			key, n, acked, unknown, n-acked-unknown)
	}
	if unknown > 0 {
		f.note("%d increments have an unknown outcome", unknown)
	}
	return f.verdict(int(acked))
}

func increments(h History, key string) (acked, unknown int64) {
	for i := range h {
		if !h[i].writes(key) {
			continue
		}
		switch h[i].Outcome {
		case Committed:
			acked++
		case Unknown:
			unknown++
		}
	}
	return acked, unknown
}

func (t *Txn) writes(key string) bool {
	for _, op := range t.Ops {
		if op.Key == key && op.Kind != KindRead {
			return true
		}
	}
	return false
}
