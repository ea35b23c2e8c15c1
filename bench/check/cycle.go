package check

import (
	"container/heap"
	"math"
	"slices"
)

const (
	// maxStarts bounds from how many transactions of a component a shortest cycle is sought: with one
	// stale read over a long history all transactions in between are one component, and a short cycle
	// through nearly any of them is as good.
	maxStarts = 256
	// maxSteps bounds the edges followed for one component.
	maxSteps = 20_000_000
)

// step is one edge between transactions on a cycle; those through carrying nodes are joined.
type step struct {
	from, to int32
	kind     edgeKind
	label
}

// search looks for the cheapest cycle in one component.
type search struct {
	g      *graph
	view   view
	inside []bool  // nodes of the component
	cost   []int64 // from the start, for nodes in touched; else unset
	via    []int32 // the edge by which a node was reached
	heap   distances
	steps  int

	touched []int32
}

const unset = math.MaxInt64

func newSearch(g *graph) *search {
	s := &search{g: g, inside: make([]bool, g.nodes), cost: make([]int64, g.nodes), via: make([]int32, g.nodes)}
	for i := range s.cost {
		s.cost[i] = unset
	}
	return s
}

// cheapest returns the cheapest cycle it finds in the component of a view.
func (s *search) cheapest(v view, component []int32) []step {
	s.view = v
	s.mark(component, true)
	defer s.mark(component, false)
	s.steps = 0
	var best []step
	limit := int64(unset)
	starts := s.starts(component)
	for _, start := range starts {
		if cost, cycle := s.from(start, limit); cycle != nil {
			best, limit = cycle, cost
		}
		if s.steps > maxSteps && best != nil {
			break
		}
	}
	return best
}

func (s *search) mark(component []int32, inside bool) {
	for _, n := range component {
		s.inside[n] = inside
	}
}

// starts picks transactions of the component, evenly if there are too many.
func (s *search) starts(component []int32) []int32 {
	var txns []int32
	for _, n := range component {
		if int(n) < s.g.txns {
			txns = append(txns, n)
		}
	}
	slices.Sort(txns)
	if len(txns) <= maxStarts {
		return txns
	}
	picked := make([]int32, maxStarts)
	for i := range picked {
		picked[i] = txns[i*len(txns)/maxStarts]
	}
	return picked
}

// from finds the cheapest cycle through start that costs less than limit.
func (s *search) from(start int32, limit int64) (int64, []step) {
	defer s.clear()
	s.reach(start, 0, none)
	for s.heap.Len() > 0 {
		at := heap.Pop(&s.heap).(distance)
		if at.cost > s.cost[at.node] {
			continue
		}
		for e := s.g.first[at.node]; e < s.g.first[at.node+1]; e++ {
			s.steps++
			x := &s.g.edges[e]
			cost := at.cost + x.cost()
			switch {
			case !s.view.shows(x) || !s.inside[x.to] || cost >= limit:
			case x.to == start:
				limit = cost
				s.via[start] = e
			case cost < s.cost[x.to]:
				s.reach(x.to, cost, e)
			}
		}
	}
	if s.via[start] == none {
		return 0, nil
	}
	return limit, s.steppedBack(start)
}

func (s *search) reach(n int32, cost int64, via int32) {
	if s.cost[n] == unset {
		s.touched = append(s.touched, n)
	}
	s.cost[n], s.via[n] = cost, via
	heap.Push(&s.heap, distance{node: n, cost: cost})
}

func (s *search) clear() {
	for _, n := range s.touched {
		s.cost[n] = unset
	}
	s.touched, s.heap = s.touched[:0], s.heap[:0]
}

// steppedBack walks from the start back to it, and joins the edges through carrying nodes: the first of
// them has the meaning, the last the version at the far end.
func (s *search) steppedBack(start int32) []step {
	var steps []step
	for n, first := start, true; first || n != start; first = false {
		e := s.g.edges[s.via[n]]
		x := step(e)
		for int(x.from) >= s.g.txns {
			in := s.g.edges[s.via[x.from]]
			x.from, x.kind, x.key, x.version, x.by = in.from, in.kind, in.key, in.version, in.by
		}
		steps = append(steps, x)
		n = x.from
	}
	slices.Reverse(steps)
	return steps
}

// distance is a node to go on from.
type distance struct {
	node int32
	cost int64
}

type distances []distance

func (d distances) Len() int { return len(d) }
func (d distances) Less(i, j int) bool {
	return d[i].cost < d[j].cost || d[i].cost == d[j].cost && d[i].node < d[j].node
}
func (d distances) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *distances) Push(x any)   { *d = append(*d, x.(distance)) }
func (d *distances) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}
