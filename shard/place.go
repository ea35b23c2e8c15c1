package shard

import "fmt"

// Place lays out groups of the given number of replicas on nodes. The counts of replicas that any two
// nodes carry differ by at most one, and so do the counts of groups whose view 0 they lead. Place panics
// unless 1 <= replicas <= len(nodes).
//
// Seats are dealt out like cards, in a circle: nobody holds two more than another, and the seats of one
// group are neighbours, hence distinct. The member that leads fewest so far becomes replica 0; the others
// follow in their circle, so that the leaders of later views differ from group to group as well.
func Place(nodes []Node, groups, replicas int) []Group {
	if replicas < 1 || replicas > len(nodes) {
		panic(fmt.Sprintf("shard: %d replicas cannot be placed on %d nodes", replicas, len(nodes)))
	}
	leads := make([]int, len(nodes))
	out := make([]Group, groups)
	for g := range out {
		seat := func(r int) int { return (g*replicas + r) % len(nodes) }
		first := 0
		for r := range replicas {
			if leads[seat(r)] < leads[seat(first)] {
				first = r
			}
		}
		leads[seat(first)]++
		for r := range replicas {
			out[g].Members = append(out[g].Members, nodes[seat((first+r)%replicas)].Name)
		}
	}
	return out
}
