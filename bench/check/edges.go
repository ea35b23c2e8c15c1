package check

import (
	"cmp"
	"maps"
	"slices"
)

// graphOf builds the dependency graph of the committed transactions. Nodes below len(h) are transactions;
// those above only carry order from many to many, so that its size stays linear.
func (c *checker) graphOf() *graph {
	g := newGraph(len(c.h))
	for _, o := range c.orders {
		o.addChainEdges(g)
		o.addFragmentEdges(g)
		o.addSessionEdges(g)
	}
	c.addRealtimeEdges(g)
	g.seal()
	return g
}

// addChainEdges adds what each chain of versions tells.
func (o *order) addChainEdges(g *graph) {
	for i := range o.versions {
		v := &o.versions[i]
		if !v.exists {
			continue
		}
		at := label{key: o.k.id, version: int32(i)}
		for _, r := range v.readers {
			g.add(v.writer, r, edgeWR, at)
		}
		if v.next != none {
			next := o.versions[v.next].writer
			at.version2 = v.next
			g.add(v.writer, next, edgeWW, at)
			for _, r := range v.readers {
				g.add(r, next, edgeRW, at)
			}
		}
	}
}

// addFragmentEdges adds that a chain which is before another by real time is overwritten by it. Each
// fragment F gets a node that stands for "F's last version is past", and the fragments in the order of
// their last starts get a chain of nodes that stand for "before the head of this one and of all further".
func (o *order) addFragmentEdges(g *graph) {
	if len(o.fragments) < 2 {
		return
	}
	sorted := o.sortedByMaxStart()
	suffix := make([]int32, len(sorted)+1)
	suffix[len(sorted)] = none
	for i := len(sorted) - 1; i >= 0; i-- {
		suffix[i] = g.addNode()
		o.addHeadEdge(g, suffix[i], &sorted[i])
		g.add(suffix[i], suffix[i+1], edgeCarry, label{})
	}
	for i := range sorted {
		by := fromTime
		if sorted[i].head == 0 {
			by = fromValues // what was before all writes is older than they are
		}
		past := o.addPastNode(g, &sorted[i], by)
		from := firstAfter(sorted, sorted[i].minEnd)
		for j := from; j < i; j++ {
			o.addHeadEdge(g, past, &sorted[j])
			if sorted[j].before(&sorted[i]) {
				break // each is before the other: one such cycle is enough
			}
		}
		g.add(past, suffix[max(from, i+1)], edgeCarry, label{})
	}
}

func (o *order) addHeadEdge(g *graph, from int32, f *fragment) {
	g.add(from, o.versions[f.head].writer, edgeCarry, label{key: o.k.id, version2: f.head})
}

// addPastNode adds the node that the writer and the readers of the fragment's last version precede.
func (o *order) addPastNode(g *graph, f *fragment, by basis) int32 {
	past := g.addNode()
	tail := &o.versions[f.tail]
	at := label{key: o.k.id, version: f.tail, by: by}
	g.add(tail.writer, past, edgeWW, at)
	for _, r := range tail.readers {
		g.add(r, past, edgeRW, at)
	}
	return past
}

// addRealtimeEdges adds that what ended before another began is before it, for those of one client and then for all.
func (c *checker) addRealtimeEdges(g *graph) {
	var all []int32
	sessions := make(map[int][]int32)
	for i := range c.h {
		if c.in[i] {
			all = append(all, int32(i))
			sessions[c.h[i].Client] = append(sessions[c.h[i].Client], int32(i))
		}
	}
	for _, client := range slices.Sorted(maps.Keys(sessions)) {
		c.addMoments(g, sessions[client], edgeSO, fromSessions)
	}
	c.addMoments(g, all, edgeRT, fromTime)
}

// addMoments puts the transactions into the order of time, by a chain of nodes in the order of their ends.
func (c *checker) addMoments(g *graph, txns []int32, kind edgeKind, by basis) {
	ended := c.byEnd(txns)
	moments := make([]int32, len(ended))
	for i, t := range ended {
		moments[i] = g.addNode()
		g.add(t, moments[i], kind, label{by: by})
		if i > 0 {
			g.add(moments[i-1], moments[i], edgeCarry, label{})
		}
	}
	for _, t := range txns {
		if n := c.endedBefore(ended, t); n > 0 {
			g.add(moments[n-1], t, edgeCarry, label{})
		}
	}
}

// byEnd returns those of the transactions that are known to have ended, in the order in which they did.
func (c *checker) byEnd(txns []int32) []int32 {
	ended := slices.DeleteFunc(slices.Clone(txns), func(t int32) bool { return c.end(t) == Never })
	slices.SortStableFunc(ended, func(a, b int32) int { return cmp.Compare(c.h[a].End, c.h[b].End) })
	return ended
}

// endedBefore is how many of those sorted by their ends had ended when the transaction began.
func (c *checker) endedBefore(ended []int32, txn int32) int {
	n, _ := slices.BinarySearchFunc(ended, c.h[txn].Start, func(t int32, start int64) int {
		return cmp.Compare(c.h[t].End, start)
	})
	return n
}
