package check

import (
	"cmp"
	"math"
	"slices"
)

// fragment is a chain of versions, each made by a transaction that read the one before. Its members, the
// writers and readers of those versions, fill one unbroken stretch of the key's life: no version of another
// fragment comes between.
//
// So fragment F is before G if any member of F ended before any member of G began, which is to say if
// F.minEnd < G.maxStart.
type fragment struct {
	id         int32
	head, tail int32
	minEnd     int64 // first end of any member
	maxStart   int64 // last start of any member
}

func (f *fragment) before(g *fragment) bool { return f.minEnd < g.maxStart }

// buildFragments walks the chains. The fragment of the first state has, so to say, a member that ended
// before all time, which puts it before all others.
func (o *order) buildFragments() {
	o.fragments = o.fragments[:0]
	for v := range o.versions {
		o.versions[v].fragment = none
	}
	for v := range o.versions {
		if o.versions[v].exists && o.versions[v].prev == none {
			o.walkFragment(int32(v))
		}
	}
	for v := range o.versions {
		if o.versions[v].exists && o.versions[v].fragment == none { // a ring: each read the other's write
			p := o.versions[v].prev
			o.versions[v].prev, o.versions[p].next = none, none
			o.walkFragment(int32(v))
		}
	}
}

func (o *order) walkFragment(head int32) {
	f := fragment{id: int32(len(o.fragments)), head: head, minEnd: math.MaxInt64, maxStart: math.MinInt64}
	if head == 0 {
		f.minEnd = math.MinInt64
	}
	for v := head; v != none; v = o.versions[v].next {
		o.versions[v].fragment = f.id
		f.tail = v
		f.minEnd = min(f.minEnd, o.firstEnd(v))
		f.maxStart = max(f.maxStart, o.writerStart(v), o.lastReaderStart(v))
	}
	o.fragments = append(o.fragments, f)
}

// firstEnd is the first end of the version's writer and readers.
func (o *order) firstEnd(v int32) int64 {
	first := int64(math.MaxInt64)
	if w := o.versions[v].writer; w != noTxn {
		first = o.c.end(w)
	}
	for _, r := range o.versions[v].readers {
		first = min(first, o.c.end(r))
	}
	return first
}

func (o *order) writerStart(v int32) int64 {
	if w := o.versions[v].writer; w != noTxn {
		return o.c.h[w].Start
	}
	return math.MinInt64
}

func (o *order) lastReaderStart(v int32) int64 {
	last := int64(math.MinInt64)
	for _, r := range o.versions[v].readers {
		last = max(last, o.c.h[r].Start)
	}
	return last
}

// end is when the transaction had surely taken effect: never, as far as its client knows, if the outcome
// is unknown.
func (c *checker) end(txn int32) int64 {
	if c.h[txn].Outcome != Committed {
		return Never
	}
	return c.h[txn].End
}

// boundVersions computes from what is before what the instants between which each version can be read.
func (o *order) boundVersions() {
	lower, deadline := o.lowerBounds(), o.deadlines()
	for i := range o.fragments {
		f := &o.fragments[i]
		at := lower[f.id]
		for v := f.head; v != none; v = o.versions[v].next {
			at = max(at, o.writerStart(v))
			o.versions[v].lower = at
			at = max(at, o.lastReaderStart(v))
		}
		at = deadline[f.id]
		for v := f.tail; v != none; v = o.versions[v].prev {
			o.versions[v].deadline = at
			at = min(at, o.firstEnd(v))
		}
	}
	for v := range o.versions {
		if x := &o.versions[v]; !x.exists {
			x.lower, x.deadline = o.writerStart(int32(v)), math.MaxInt64
		}
	}
}

// deadlines is, per fragment F, the first end of any member of a fragment after F: what begins later than
// that reads something newer.
func (o *order) deadlines() []int64 {
	sorted := o.sortedByMaxStart()
	first := extremes{better: func(a, b int64) bool { return a < b }, best: math.MaxInt64, second: math.MaxInt64, of: none}
	after := make([]extremes, len(sorted)+1)
	after[len(sorted)] = first
	for i := len(sorted) - 1; i >= 0; i-- {
		first.add(sorted[i].id, sorted[i].minEnd)
		after[i] = first
	}
	deadlines := make([]int64, len(sorted))
	for i := range sorted {
		f := &sorted[i]
		deadlines[f.id] = after[firstAfter(sorted, f.minEnd)].without(f.id)
	}
	return deadlines
}

// lowerBounds is, per fragment F, the last start of any member of a fragment before F: what ends earlier
// than that reads something older.
func (o *order) lowerBounds() []int64 {
	sorted := slices.Clone(o.fragments)
	slices.SortStableFunc(sorted, func(a, b fragment) int { return cmp.Compare(a.minEnd, b.minEnd) })
	last := extremes{better: func(a, b int64) bool { return a > b }, best: math.MinInt64, second: math.MinInt64, of: none}
	before := make([]extremes, len(sorted)+1)
	before[0] = last
	for i := range sorted {
		last.add(sorted[i].id, sorted[i].maxStart)
		before[i+1] = last
	}
	bounds := make([]int64, len(sorted))
	for i := range sorted {
		f := &sorted[i]
		n, _ := slices.BinarySearchFunc(sorted, f.maxStart, func(g fragment, t int64) int { return cmp.Compare(g.minEnd, t) })
		bounds[f.id] = before[n].without(f.id)
	}
	return bounds
}

func (o *order) sortedByMaxStart() []fragment {
	sorted := slices.Clone(o.fragments)
	slices.SortStableFunc(sorted, func(a, b fragment) int { return cmp.Compare(a.maxStart, b.maxStart) })
	return sorted
}

// firstAfter is the index of the first fragment with a member that began after the instant.
func firstAfter(sorted []fragment, instant int64) int {
	n, _ := slices.BinarySearchFunc(sorted, instant, func(f fragment, t int64) int {
		if f.maxStart > t {
			return 1
		}
		return -1
	})
	return n
}

// extremes keeps the best and the second best of some instants, so that the best of all others than one
// can be told.
type extremes struct {
	better       func(a, b int64) bool
	best, second int64
	of           int32 // whose the best is
}

func (e *extremes) add(of int32, instant int64) {
	switch {
	case e.better(instant, e.best):
		e.best, e.second, e.of = instant, e.best, of
	case e.better(instant, e.second):
		e.second = instant
	}
}

func (e *extremes) without(of int32) int64 {
	if e.of == of {
		return e.second
	}
	return e.best
}

// total tells that the order of all versions is known.
func (o *order) total() bool {
	sorted := o.sortedByMaxStart()
	for i := 1; i < len(sorted); i++ {
		if !sorted[i-1].before(&sorted[i]) {
			return false
		}
	}
	return true
}
