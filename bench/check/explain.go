package check

import (
	"fmt"
	"slices"
	"strings"
)

// reportCycles reports one cycle of each strongly connected component: first those that need no real
// time, then those that do.
func (c *checker) reportCycles() {
	g := c.graphOf()
	for _, timed := range []bool{false, true} {
		var s *search
		for _, component := range g.components(timed) {
			if s == nil {
				s = newSearch(g, timed)
			}
			if c.explained(component) {
				continue
			}
			if cycle := s.cheapest(component); cycle != nil {
				c.reportCycle(cycle)
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

// classify names a cycle by its edges.
func classify(cycle []step) AnomalyKind {
	counts := make([]int, len(edgeNames))
	timed := false
	for _, s := range cycle {
		counts[s.kind]++
		timed = timed || s.timed
	}
	var plain, realtime AnomalyKind
	switch {
	case counts[edgeRW] > 1:
		plain, realtime = G2, G2Realtime
	case counts[edgeRW] == 1:
		plain, realtime = GSingle, GSingleRealtime
	case counts[edgeWR] > 0:
		plain, realtime = G1c, G1cRealtime
	default:
		plain, realtime = G0, G0Realtime
	}
	if timed {
		return realtime
	}
	return plain
}

// explain tells in a sentence why the step's first transaction is before its second.
func (c *checker) explain(s step) string {
	if s.kind == edgeRT {
		return fmt.Sprintf("T%d ended at %s, before T%d began at %s",
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
	if s.timed {
		why = " (of the writers and readers of the two, one ended before another began)"
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
