package check

// edgeKind says why one transaction is before another.
type edgeKind uint8

const (
	edgeWW edgeKind = iota // it wrote a version that the other replaced
	edgeWR                 // it wrote a version that the other read
	edgeRW                 // it read a version that the other replaced
	edgeSO                 // it ended before the same client began the other
	edgeRT                 // it ended before the other began
	// edgeCarry leads through, or out of, a node that is not a transaction. The edge that led in has
	// the meaning.
	edgeCarry
)

var edgeNames = [...]string{"ww", "wr", "rw", "so", "rt", ""}

// edgeCosts makes a search prefer the cycle that says most: one anti-dependency less is worth thousands of steps, for
// G-single is worse than G2-item, and time is used only where it is needed.
var edgeCosts = [...]int64{edgeWW: 20, edgeWR: 21, edgeRW: 1 << 16, edgeSO: 64, edgeRT: 64, edgeCarry: 0}

// inferredCosts are added where time only told the order of two versions. A cycle is easier to believe
// if it says at which instants, and who read what he should not have.
var inferredCosts = [...]int64{edgeWW: 1 << 17, edgeRW: 100, edgeCarry: 0}

func (e *edge) cost() int64 {
	if e.by != fromValues {
		return edgeCosts[e.kind] + inferredCosts[e.kind]
	}
	return edgeCosts[e.kind]
}

// label is what a report needs to explain an edge: the version on the near side and, for ww and rw, the
// one that replaced it.
type label struct {
	key, version, version2 int32
	by                     basis
}

type edge struct {
	from, to int32
	kind     edgeKind
	label
}

// graph is a directed graph in one slice of edges, sorted by origin when sealed.
type graph struct {
	txns  int // nodes below this are transactions
	nodes int
	edges []edge
	first []int32 // edges[first[n]:first[n+1]] leave node n
}

func newGraph(txns int) *graph { return &graph{txns: txns, nodes: txns} }

func (g *graph) addNode() int32 {
	g.nodes++
	return int32(g.nodes - 1)
}

// add adds an edge. Edges from a transaction to itself say nothing, and neither do those of nobody.
func (g *graph) add(from, to int32, kind edgeKind, at label) {
	if from == to || from < 0 || to < 0 {
		return
	}
	g.edges = append(g.edges, edge{from: from, to: to, kind: kind, label: at})
}

// seal sorts the edges by origin, by counting; no edge may be added afterwards.
func (g *graph) seal() {
	g.first = make([]int32, g.nodes+1)
	for _, e := range g.edges {
		g.first[e.from+1]++
	}
	for n := range g.nodes {
		g.first[n+1] += g.first[n]
	}
	sorted := make([]edge, len(g.edges))
	at := append([]int32(nil), g.first...)
	for _, e := range g.edges {
		sorted[at[e.from]] = e
		at[e.from]++
	}
	g.edges = sorted
}

// tarjan finds the strongly connected components with more than one node, without recursion: a history
// of 200,000 transactions in a row would be as deep.
type tarjan struct {
	g    *graph
	view view

	index, low []int32
	onStack    []bool
	stack      []int32
	calls      []frame
	count      int32
	found      [][]int32
}

type frame struct {
	node int32
	next int32 // offset of the next edge to follow
}

// components returns the strongly connected components of more than one node.
func (g *graph) components(v view) [][]int32 {
	t := &tarjan{g: g, view: v,
		index: make([]int32, g.nodes), low: make([]int32, g.nodes), onStack: make([]bool, g.nodes)}
	for n := range g.nodes {
		if t.index[n] == 0 {
			t.visit(int32(n))
		}
	}
	return t.found
}

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.calls) > 0 {
		f := &t.calls[len(t.calls)-1]
		if f.next < t.g.first[f.node+1] {
			e := &t.g.edges[f.next]
			f.next++
			t.follow(f.node, e)
			continue
		}
		t.leave(f.node)
	}
}

func (t *tarjan) enter(n int32) {
	t.count++
	t.index[n], t.low[n] = t.count, t.count
	t.stack = append(t.stack, n)
	t.onStack[n] = true
	t.calls = append(t.calls, frame{node: n, next: t.g.first[n]})
}

func (t *tarjan) follow(n int32, e *edge) {
	switch {
	case !t.view.shows(e):
	case t.index[e.to] == 0:
		t.enter(e.to)
	case t.onStack[e.to]:
		t.low[n] = min(t.low[n], t.index[e.to])
	}
}

func (t *tarjan) leave(n int32) {
	t.calls = t.calls[:len(t.calls)-1]
	if len(t.calls) > 0 {
		caller := t.calls[len(t.calls)-1].node
		t.low[caller] = min(t.low[caller], t.low[n])
	}
	if t.low[n] != t.index[n] {
		return
	}
	at := len(t.stack) - 1
	for t.stack[at] != n {
		at--
	}
	for _, m := range t.stack[at:] {
		t.onStack[m] = false
	}
	if len(t.stack)-at > 1 {
		t.found = append(t.found, append([]int32(nil), t.stack[at:]...))
	}
	t.stack = t.stack[:at]
}
