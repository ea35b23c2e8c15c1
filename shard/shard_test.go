package shard

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func nodes(n int) []Node {
	out := make([]Node, n)
	for i := range out {
		out[i] = Node{Name: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: uint16(7000 + 100*i)}
	}
	return out
}

func topology(n, groups, replicas int) *Topology {
	ns := nodes(n)
	return &Topology{
		Cluster: 1, Map: Map{Version: 1, Shards: uint32(groups)},
		Nodes: ns, Groups: Place(ns, groups, replicas),
	}
}

// load counts what each node carries and leads.
func load(t *Topology) (carries, leads map[string]int) {
	carries, leads = map[string]int{}, map[string]int{}
	for _, n := range t.Nodes {
		carries[n.Name] = len(t.Seats(n.Name))
		leads[n.Name] = 0
	}
	for _, g := range t.Groups {
		leads[g.Members[0]]++
	}
	return carries, leads
}

func spread(counts map[string]int) int {
	lo, hi := 1<<30, 0
	for _, c := range counts {
		lo, hi = min(lo, c), max(hi, c)
	}
	return hi - lo
}

func TestPlaceThreeNodesFourGroups(t *testing.T) {
	top := topology(3, 4, 3)
	if err := top.Validate(); err != nil {
		t.Fatal(err)
	}
	carries, leads := load(top)
	if carries["n1"] != 4 || carries["n2"] != 4 || carries["n3"] != 4 {
		t.Errorf("each of 3 nodes must carry all 4 groups: %v", carries)
	}
	if leads["n1"]+leads["n2"]+leads["n3"] != 4 || spread(leads) > 1 {
		t.Errorf("leaders are not spread: %v", leads)
	}
}

func TestPlaceFiveNodesSixGroupsOfThree(t *testing.T) {
	top := topology(5, 6, 3)
	if err := top.Validate(); err != nil {
		t.Fatal(err)
	}
	carries, leads := load(top)
	if spread(carries) > 1 || spread(leads) > 1 {
		t.Errorf("18 seats and 6 leads on 5 nodes: carries %v, leads %v", carries, leads)
	}
}

func TestPlaceIsAlwaysEvenAndValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 24).Draw(t, "nodes")
		replicas := 2*rapid.IntRange(0, (min(n, MaxReplicas)-1)/2).Draw(t, "f") + 1
		checkPlacement(t, n, rapid.IntRange(1, 99).Draw(t, "groups"), replicas)
	})
}

// Small clusters, all of them: the choice of leaders has no proof but this.
func TestPlaceIsEvenOnEverySmallCluster(t *testing.T) {
	for n := 1; n <= 10; n++ {
		for replicas := 1; replicas <= min(n, MaxReplicas); replicas += 2 {
			for groups := 1; groups <= 3*n; groups++ {
				checkPlacement(t, n, groups, replicas)
			}
		}
	}
}

func checkPlacement(t interface{ Fatalf(string, ...any) }, n, groups, replicas int) {
	top := topology(n, groups, replicas)
	if err := top.Validate(); err != nil {
		t.Fatalf("%d nodes, %d groups of %d: %v", n, groups, replicas, err)
	}
	carries, leads := load(top)
	if spread(carries) > 1 || spread(leads) > 1 {
		t.Fatalf("%d nodes, %d groups of %d: carries %v, leads %v", n, groups, replicas, carries, leads)
	}
}

func TestEndpointsFollowFromTheTopology(t *testing.T) {
	top := topology(3, 4, 3)
	for _, n := range top.Nodes {
		for _, s := range top.Seats(n.Name) {
			host, port, ok := top.Endpoint(s)
			if !ok || host != n.Host || port != n.Port+1+uint16(s.Group) {
				t.Errorf("%s, %v: %s:%d %v", n.Name, s, host, port, ok)
			}
		}
	}
	if _, _, ok := top.Endpoint(Seat{Group: 4}); ok {
		t.Error("group 4 of 4 has an endpoint")
	}
	if _, _, ok := top.Endpoint(Seat{Group: 0, Replica: 3}); ok {
		t.Error("replica 3 of 3 has an endpoint")
	}
}

func TestKeysSpreadEvenly(t *testing.T) {
	const keys, shards = 40_000, 8
	m := Map{Version: 1, Shards: shards}
	var counts [shards]int
	for i := range keys {
		counts[m.Of(fmt.Appendf(nil, "account/%d", i))]++
	}
	for s, n := range counts {
		if n < keys/shards*9/10 || n > keys/shards*11/10 {
			t.Errorf("shard %d owns %d of %d keys: %v", s, n, keys, counts)
		}
	}
}

func TestOwnersNeverMove(t *testing.T) {
	// Pinned: another hash would orphan every key of a running cluster.
	m := Map{Version: 1, Shards: 4}
	for key, want := range map[string]ID{"": 1, "a": 3, "account/1": 2, "account/2": 3} {
		if got := m.Of([]byte(key)); got != want {
			t.Errorf("%q moved from %v to %v", key, want, got)
		}
	}
}

// Nodes may disagree about where a node lives while it moves, and about nothing that says who serves a key.
func TestDigestTellsLayoutsApart(t *testing.T) {
	layout := func() Topology {
		nodes := []Node{{"a", "10.0.0.1", 7000}, {"b", "10.0.0.2", 7000}, {"c", "10.0.0.3", 7000}}
		return Topology{Cluster: 1, Map: Map{1, 4}, Nodes: nodes, Groups: Place(nodes, 4, 3)}
	}
	same, digests := layout(), map[uint64]string{}
	want := same.Digest()
	for name, change := range map[string]func(*Topology){
		"shards":       func(t *Topology) { t.Map.Shards, t.Groups = 3, t.Groups[:3] },
		"map":          func(t *Topology) { t.Map.Version = 2 },
		"order":        func(t *Topology) { t.Groups[2].Members = []string{"a", "b", "c"} },
		"other member": func(t *Topology) { t.Groups[0].Members[2] = "d" },
		"one less":     func(t *Topology) { t.Groups[0].Members = t.Groups[0].Members[:1] },
		"names run on": func(t *Topology) { t.Groups[0].Members = []string{"ab", "", "c"} },
	} {
		other := layout()
		change(&other)
		got := other.Digest()
		if first, twice := digests[got]; twice || got == want || got == 0 {
			t.Errorf("%s: the digest %x is that of %q, or of the right layout", name, got, first)
		}
		digests[got] = name
	}
	moved := layout()
	moved.Nodes[1].Host, moved.Nodes[1].Port = "10.0.0.9", 8000
	if moved.Digest() != want {
		t.Error("a node that moves makes another layout")
	}
}

func TestValidateReportsEveryMistakeAtOnce(t *testing.T) {
	top := &Topology{
		Map: Map{Shards: 5},
		Nodes: []Node{
			{Name: "a", Host: "h", Port: 7000}, {Name: "a", Host: "h", Port: 7100}, {Name: "", Host: "h", Port: 1},
			{Name: "b", Port: 65535}, {Name: "c", Host: "h"}, {Name: "d", Host: "h", Port: 6999},
		},
		Groups: []Group{
			{Members: []string{"a", "b"}}, {Members: []string{"d", "x", "b"}},
			{Members: nil}, {Members: []string{"c", "c", "a"}},
		},
	}
	err := top.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"cluster id is 0", "version is 0", "5 shards but 4 groups", `two nodes are named "a"`,
		"node number 3 has no name", `node "b" has no host`, `node "c" has no base port`,
		"group 0 has 2 members", `group 1 names "x"`, "group 2 has no members", `group 3 names node "c" twice`,
		`group 1 on node "b" would listen at port 65537`, `nodes "a" and "d" both listen at h port 7001`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Topology){
		"no shards":     func(t *Topology) { t.Map.Shards, t.Groups = 0, nil },
		"no nodes":      func(t *Topology) { t.Nodes = nil },
		"eleven of one": func(t *Topology) { t.Groups[0].Members = make([]string, 11) },
	} {
		top := topology(3, 4, 3)
		spoil(top)
		if top.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
