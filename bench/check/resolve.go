package check

import (
	"cmp"
	"slices"
)

// resolve matches reads that several versions would explain, by ruling versions out. Each match can join
// two fragments, which tells more about the others, so it goes on until nothing changes.
func (o *order) resolve() {
	for {
		o.buildFragments()
		if len(o.pending) == 0 {
			return
		}
		o.boundVersions()
		if !o.resolveRound() {
			return
		}
	}
}

// resolveRound goes through the pending reads once, and tells if any was settled.
func (o *order) resolveRound() bool {
	groups := make(map[Value]*candidates)
	var left []pendingRead
	for _, p := range o.pending {
		group := groups[p.value]
		if group == nil {
			group = o.newCandidates(p.value)
			groups[p.value] = group
		}
		switch possible := group.possible(p.access); len(possible) {
		case 0:
			o.reportUnexplained(p)
		case 1:
			o.matched(p.access, possible[0])
		default:
			left = append(left, p)
		}
	}
	settled := len(left) < len(o.pending)
	o.pending = left
	return settled
}

// candidates are the versions of one value.
type candidates struct {
	o      *order
	sorted []int32 // those that exist, by lower bound
	// latest[i] is the latest deadline among sorted[:i+1]: a search from the back can stop early.
	latest   []int64
	unproven []int32
}

func (o *order) newCandidates(value Value) *candidates {
	c := &candidates{o: o}
	for _, v := range o.byValue[value] {
		if o.versions[v].exists {
			c.sorted = append(c.sorted, v)
		} else {
			c.unproven = append(c.unproven, v)
		}
	}
	slices.SortStableFunc(c.sorted, func(a, b int32) int {
		return cmp.Compare(o.versions[a].lower, o.versions[b].lower)
	})
	c.latest = make([]int64, len(c.sorted))
	for i, v := range c.sorted {
		c.latest[i] = o.versions[v].deadline
		if i > 0 {
			c.latest[i] = max(c.latest[i], c.latest[i-1])
		}
	}
	return c
}

// possible returns the versions that the access can have read: none, one, or the first two.
func (c *candidates) possible(access int32) []int32 {
	var found []int32
	txn := c.o.k.accesses[access].txn
	start, end := c.o.c.h[txn].Start, c.o.c.end(txn)
	for i := len(c.sorted) - 1; i >= 0 && c.latest[i] >= start && len(found) < 2; i-- {
		if v := c.sorted[i]; c.o.readable(v, access, start, end) {
			found = append(found, v)
		}
	}
	for i := 0; i < len(c.unproven) && len(found) < 2; i++ {
		if v := c.unproven[i]; c.o.readable(v, access, start, end) {
			found = append(found, v)
		}
	}
	return found
}

// readable tells that nothing known forbids that the access read version v.
func (o *order) readable(v, access int32, start, end int64) bool {
	x, own := &o.versions[v], o.own[access]
	switch {
	case x.writer == o.k.accesses[access].txn:
		return false
	case start > x.deadline || end < x.lower:
		return false
	case own == none:
		return true
	case x.next != none:
		return false // another transaction replaced it
	default: // not what descends from the reader's own write
		return x.fragment == none || x.fragment != o.versions[own].fragment
	}
}

// reportUnexplained lists why no version of its value can be what the access read. A version that is
// only ruled out because another transaction replaced it makes this a lost update.
func (o *order) reportUnexplained(p pendingRead) {
	a := &o.k.accesses[p.access]
	txn := a.txn
	start, end := o.c.h[txn].Start, o.c.end(txn)
	kind, text := Unexplained, ""
	txns := []int{int(txn)}
	for i, v := range o.byValue[p.value] {
		x := &o.versions[v]
		why := "it descends from the reader's own write"
		switch {
		case x.writer == txn:
			continue
		case start > x.deadline:
			why = "it was replaced by " + instant(x.deadline) + ", before the reader began"
		case end < x.lower:
			why = "it cannot be older than " + instant(x.lower) + ", when the reader had ended"
		case x.next != none:
			kind = LostUpdate
			second := o.versions[x.next].writer
			txns = append(txns, int(second))
			why = "it was read and replaced by " + describe(o.c.h, int(second))
		}
		if i < maxAnomalies {
			text += "\n    not " + o.origin(v) + ": " + why
		}
	}
	o.c.f.add(kind, txns, "%s\n  read %q = %v%s, which no version explains:%s",
		describe(o.c.h, int(txn)), o.k.name, p.value, wroteSuffix(o.k, a), text)
}

func wroteSuffix(k *keyHistory, a *access) string {
	if !a.write {
		return ""
	}
	return " and" + wroteOf(k, a.txn)
}

func (o *order) origin(v int32) string {
	if v == 0 {
		return "the state before all writes"
	}
	return "the one of " + describe(o.c.h, int(o.versions[v].writer))
}
