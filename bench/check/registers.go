package check

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// registersTimeout is how long Registers looks for an order. A history of a test takes milliseconds;
	// one that takes a minute has far too much going on at once in one key.
	registersTimeout = time.Minute
	// maxPieceOps bounds the operations that porcupine gets at once. It remembers a set of operations
	// per step, so its memory grows with the square: 100 MB here.
	maxPieceOps = 20_000
)

// Registers checks that every key alone is a linearizable register: each transaction reads and writes it
// at one instant between its start and its end. That follows from strict serializability and is weaker,
// but it is checked by porcupine, which knows nothing of this package, and needs no unique values. Lists are
// registers too, if every append read the list first; other appends are left out. Checked counts operations
// on keys. What cannot be decided in a minute is a failure.
func Registers(h History) Verdict {
	return RegistersWithin(h, registersTimeout)
}

// RegistersWithin is [Registers] with another bound on its time.
func RegistersWithin(h History, timeout time.Duration) Verdict {
	if err := h.malformed(); err != nil {
		return malformedVerdict(err)
	}
	c := newChecker(h)
	c.reportInternal()
	deadline := time.Now().Add(timeout)
	checked, blind := 0, 0
	for _, k := range c.keys {
		ops, left := c.registerOps(k)
		if blind += left; left > 0 {
			continue // what a read can see depends on the append that is left out
		}
		checked += len(ops)
		c.checkRegister(k, ops, deadline)
	}
	if blind > 0 {
		c.f.note("%d appends to lists that their transaction had not read: their keys are left out", blind)
	}
	return c.f.verdict(checked)
}

// register is the model of one key: its state is a number that stands for a value. An operation whose
// outcome is unknown has no end, so it can be put last, where it matters to nobody; where its read does not
// fit it has no effect.
func register(initial int32) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, _ any) (bool, any) {
			op := input.(*registerOp)
			switch {
			case op.reads && op.seen != state.(int32):
				return op.unknown, state
			case op.writes:
				return true, op.leaves
			default:
				return true, state
			}
		},
	}
}

// registerOp is what one transaction did to one key, at one instant.
type registerOp struct {
	txn           int32
	start, end    int64
	reads, writes bool
	unknown       bool
	seen, leaves  int32 // values, as numbers
}

// registerOps returns the operations on a key that can have had an effect, by start, and how many appends
// had to be left out.
func (c *checker) registerOps(k *keyHistory) (ops []registerOp, blind int) {
	numbers := map[Value]int32{Absent: 0}
	number := func(v Value) int32 {
		n, ok := numbers[v]
		if !ok {
			n = int32(len(numbers))
			numbers[v] = n
		}
		return n
	}
	for i := range k.accesses {
		a := &k.accesses[i]
		outcome := c.h[a.txn].Outcome
		switch {
		case outcome == Aborted || outcome == Unknown && (!a.write || a.torn):
			continue
		case a.write && !a.finalKnown:
			blind++
			continue
		}
		op := registerOp{txn: a.txn, start: c.h[a.txn].Start, end: c.end(a.txn),
			reads: a.read, writes: a.write, unknown: outcome == Unknown}
		if a.read {
			op.seen = number(a.seen)
		}
		if a.write {
			op.leaves = number(a.final)
		}
		ops = append(ops, op)
	}
	slices.SortStableFunc(ops, func(a, b registerOp) int { return compareSpans(a.start, b.start) })
	return boundUnknown(ops), blind
}

func compareSpans(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// boundUnknown makes operations of unknown outcome cheap, without which each of them is concurrent with all
// that follows. Of a write of value v that no other operation writes: if nobody read v, it is dropped, as
// any order stays one without it. If somebody did, it took effect before the first such read ended.
func boundUnknown(ops []registerOp) []registerOp {
	writers, firstRead := make(map[int32]int), make(map[int32]int64)
	for i := range ops {
		op := &ops[i]
		if op.writes {
			writers[op.leaves]++
		}
		if end, seen := firstRead[op.seen]; op.reads && (!seen || op.end < end) {
			firstRead[op.seen] = op.end
		}
	}
	kept := ops[:0]
	for _, op := range ops {
		first, read := firstRead[op.leaves]
		switch {
		case !op.unknown:
		case !read:
			continue
		case op.leaves != 0 && writers[op.leaves] == 1:
			op.end = max(op.start, first)
		}
		kept = append(kept, op)
	}
	return kept
}

// checkRegister checks one key, in pieces.
func (c *checker) checkRegister(k *keyHistory, ops []registerOp, deadline time.Time) {
	var initial int32
	for len(ops) > 0 {
		n, next := cutPiece(ops, initial)
		if n > maxPieceOps {
			c.f.add(Undecided, nil, "key %q: %d operations without a moment of rest are more than can be checked (%d): spread the load over more keys",
				k.name, n, maxPieceOps)
			return
		}
		if !c.checkPiece(k, ops[:n], initial, deadline) {
			return
		}
		ops, initial = ops[n:], next
	}
}

// minPieceOps is the size of a piece worth cutting off: below it porcupine's own costs prevail.
const minPieceOps = 256

// cutPiece looks for an instant at which nothing is under way and the value is known, so that what is
// before it and after it can be checked apart. It returns how many operations come before, and the value.
//
// Invariant: ops are sorted by start.
func cutPiece(ops []registerOp, value int32) (int, int32) {
	p := piece{value: value, known: true}
	for i := range ops {
		op := &ops[i]
		if i >= minPieceOps && p.known && op.start > p.lastEnd {
			return i, p.value
		}
		p.add(op)
	}
	return len(ops), p.value
}

// piece follows what is known of a register's value at rest.
type piece struct {
	lastEnd, lastWriteEnd int64
	any, wrote            bool

	value int32
	known bool
}

// add takes the next operation, by start. The value at rest is known if the last write to begin began
// after all others had ended, or if a read began after all writes had.
func (p *piece) add(op *registerOp) {
	after := !p.wrote || op.start > p.lastWriteEnd
	switch {
	case op.unknown && op.writes:
		p.known = false // it may have had no effect, also where its end is bounded
	case op.writes:
		p.value, p.known = op.leaves, after
	case op.reads && after:
		p.value, p.known = op.seen, true
	}
	if op.writes {
		p.wrote = true
		p.lastWriteEnd = max(p.lastWriteEnd, op.end)
	}
	if !p.any || op.end > p.lastEnd {
		p.lastEnd = op.end
	}
	p.any = true
}

// checkPiece tells that an order was found.
func (c *checker) checkPiece(k *keyHistory, ops []registerOp, initial int32, deadline time.Time) bool {
	left := time.Until(deadline)
	if left <= 0 {
		c.f.add(Undecided, nil, "key %q: no time left to check it", k.name)
		return false
	}
	switch porcupine.CheckOperationsTimeout(register(initial), porcupineOps(ops), left) {
	case porcupine.Ok:
		return true
	case porcupine.Illegal:
		c.reportRegister(k, ops, initial, left)
	default:
		c.f.add(Undecided, nil, "key %q: no order of its %d operations was found or ruled out in time", k.name, len(ops))
	}
	return false
}

func porcupineOps(ops []registerOp) []porcupine.Operation {
	operations := make([]porcupine.Operation, len(ops))
	for i := range ops {
		operations[i] = porcupine.Operation{Input: &ops[i], Call: ops[i].start, Return: ops[i].end}
	}
	return operations
}
