package check

import (
	"fmt"
	"slices"
	"strings"
)

// reportCycles reports one cycle of each strongly connected component, view by view. If the largest view has no
// cycle then none has.
func (c *checker) reportCycles() {
	g := c.graphOf()
	if len(g.components(everything())) == 0 {
		return
	}
	s := newSearch(g)
	for _, v := range views() {
		for _, component := range g.components(v) {
			if c.explained(component) {
				continue
			}
			if cycle := s.cheapest(v, component); cycle != nil {
				c.reportCycle(cycle)
			} else {
				c.f.add(Undecided, nil, "%d transactions depend on each other, but no cycle of them was found", len(component))
			}
		}
	}
}

// explained tells that an anomaly which was reported already lies in the component, and would only be
// told again in other words.
func (c *checker) explained(component []int32) bool {
	within := make(map[int]bool, len(component))
	for _, n := range component {
		within[int(n)] = true
	}
	for _, a := range c.f.anomalies {
		if len(a.Txns) > 1 && !slices.ContainsFunc(a.Txns, func(t int) bool { return !within[t] }) {
			return true
		}
	}
	return false
}

func (c *checker) reportCycle(cycle []step) {
	var txns []int
	var path, text strings.Builder
	for _, s := range cycle {
		txns = append(txns, int(s.from))
		fmt.Fprintf(&path, "T%d -%s-> ", s.from, edgeNames[s.kind])
	}
	fmt.Fprintf(&path, "T%d", cycle[0].from)
	for _, t := range txns {
		fmt.Fprintf(&text, "\n  %s", describe(c.h, t))
	}
	for i, s := range cycle {
		fmt.Fprintf(&text, "\n  %d. %s", i+1, c.explain(s))
	}
	c.f.add(classify(cycle), txns, "%s%s", path.String(), text.String())
}

// classes are the names of cycles: by what makes them cycles, and by what must be believed to see it.
var classes = map[edgeKind][bases]AnomalyKind{
	edgeWW: {G0, G0Process, G0Realtime},
	edgeWR: {G1c, G1cProcess, G1cRealtime},
	edgeRW: {GSingle, GSingleProcess, GSingleRealtime},
}

var classesOfMany = [bases]AnomalyKind{G2Item, G2ItemProcess, G2ItemRealtime}

// classify names a cycle by its edges.
func classify(cycle []step) AnomalyKind {
	counts := make([]int, len(edgeNames))
	by := fromValues
	for _, s := range cycle {
		counts[s.kind]++
		by = max(by, s.by)
	}
	switch {
	case counts[edgeRW] > 1:
		return classesOfMany[by]
	case counts[edgeRW] == 1:
		return classes[edgeRW][by]
	case counts[edgeWR] > 0:
		return classes[edgeWR][by]
	default:
		return classes[edgeWW][by]
	}
}

// explain tells in a sentence why the step's first transaction is before its second.
func (c *checker) explain(s step) string {
	switch s.kind {
	case edgeRT:
		return fmt.Sprintf("T%d ended at %s, before T%d began at %s",
			s.from, instant(c.h[s.from].End), s.to, instant(c.h[s.to].Start))
	case edgeSO:
		return fmt.Sprintf("T%d ended at %s, before the same client began T%d at %s",
			s.from, instant(c.h[s.from].End), s.to, instant(c.h[s.to].Start))
	}
	o := c.orders[s.key]
	near := fmt.Sprintf("%q = %v", o.k.name, o.versions[s.version].value)
	if s.kind == edgeWR {
		return fmt.Sprintf("T%d wrote %s, and T%d read that", s.from, near, s.to)
	}
	did := "wrote"
	if s.kind == edgeRW {
		did = "read"
	}
	why := ""
	switch s.by {
	case fromTime:
		why = " (of the writers and readers of the two, one ended before another began)"
	case fromSessions:
		why = " (one client wrote or read the first, and then the other)"
	}
	return fmt.Sprintf("T%d %s %s, and T%d replaced that by %v%s",
		s.from, did, near, s.to, o.shown(s.version2), why)
}

// shown prints the value of a version, or the token that it added if the list was never read.
func (o *order) shown(v int32) string {
	x := &o.versions[v]
	if o.k.list && !x.value.Present {
		for _, a := range o.k.accesses {
			if a.txn == x.writer && len(a.tokens) > 0 {
				return fmt.Sprintf("a list with %q added", a.tokens[0])
			}
		}
	}
	return x.value.String()
}
