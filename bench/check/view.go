package check

// basis is what an edge follows from.
type basis uint8

const (
	// fromValues: who wrote and who read what. No serializable store gives such a cycle.
	fromValues basis = iota
	// fromSessions: one client did the one after the other, too.
	fromSessions
	// fromTime: one ended before the other began, whoever did them. Sessions are a part of that.
	fromTime

	bases
)

// view is a part of the graph: the edges that follow from values, with those of one other basis, and only of
// some kinds. Cycles are sought in one view after another, the one that assumes least first, so that a cycle has the
// name of the worst that it shows.
type view struct {
	by    basis
	kinds uint8 // one bit for each
	// inferred shows what time tells about the order of versions, too.
	inferred bool
}

func (v view) shows(e *edge) bool {
	switch {
	case v.kinds>>e.kind&1 == 0:
		return false
	case e.by == fromValues:
		return true
	default:
		return e.by == v.by && (v.inferred || e.kind == edgeSO || e.kind == edgeRT)
	}
}

// everything shows every cycle that any other view does.
func everything() view {
	return view{by: fromTime, kinds: kindsOf(edgeWW, edgeWR, edgeRW), inferred: true}
}

// views lists where to look: G0, then G1c, then the cycles with anti-dependencies, without time, then with
// sessions, then with real time; what needs an inferred order of versions comes last in each.
func views() (all []view) {
	for by := range bases {
		for _, kinds := range []uint8{kindsOf(edgeWW), kindsOf(edgeWW, edgeWR), kindsOf(edgeWW, edgeWR, edgeRW)} {
			all = append(all, view{by: by, kinds: kinds})
		}
		if by != fromValues {
			all = append(all, view{by: by, kinds: kindsOf(edgeWW, edgeWR, edgeRW), inferred: true})
		}
	}
	return all
}

// kindsOf is a set of kinds of dependencies. Edges of time are in all of them.
func kindsOf(kinds ...edgeKind) uint8 {
	set := uint8(1<<edgeSO | 1<<edgeRT | 1<<edgeCarry)
	for _, k := range kinds {
		set |= 1 << k
	}
	return set
}
