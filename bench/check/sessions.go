package check

import (
	"maps"
	"slices"
)

// addSessionEdges adds what the sessions of clients tell about the order of versions: if a client wrote or read a
// version of one fragment, and later a version of another, then all of the one fragment is before all of the other.
// A client's last transaction before each is enough, for the rest follows from that.
func (o *order) addSessionEdges(g *graph) {
	if len(o.fragments) < 2 {
		return
	}
	of := o.fragmentsOfTxns()
	sessions := make(map[int][]int32)
	for _, t := range slices.Sorted(maps.Keys(of)) {
		sessions[o.c.h[t].Client] = append(sessions[o.c.h[t].Client], t)
	}
	pasts := make([]int32, len(o.fragments)) // 0 for none: a transaction is node 0
	for _, client := range slices.Sorted(maps.Keys(sessions)) {
		ended := o.c.byEnd(sessions[client])
		for _, t := range sessions[client] {
			n := o.c.endedBefore(ended, t)
			if n == 0 || of[ended[n-1]] == of[t] {
				continue
			}
			before := &o.fragments[of[ended[n-1]]]
			if before.head == 0 {
				continue // all others come after the first state anyway
			}
			if pasts[before.id] == 0 {
				pasts[before.id] = o.addPastNode(g, before, fromSessions)
			}
			o.addHeadEdge(g, pasts[before.id], &o.fragments[of[t]])
		}
	}
}

// fragmentsOfTxns tells in which fragment each transaction wrote or read.
func (o *order) fragmentsOfTxns() map[int32]int32 {
	of := make(map[int32]int32)
	for i := range o.versions {
		v := &o.versions[i]
		if !v.exists {
			continue
		}
		for _, r := range v.readers {
			of[r] = v.fragment
		}
		if v.writer != noTxn {
			of[v.writer] = v.fragment
		}
	}
	return of
}
