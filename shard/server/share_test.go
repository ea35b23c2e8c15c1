package server

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard"
)

// However many replicas a node carries, their logs together stay below a bound, as long as each keeps the
// least that is useful.
func TestNodesShareTheirLogs(t *testing.T) {
	for _, groups := range []int{1, 3, 12, 24, 100} {
		c := Config{Name: "n0", Limits: paxos.DefaultLimits()}
		for i := range 3 {
			c.Topology.Nodes = append(c.Topology.Nodes, shard.Node{Name: fmt.Sprintf("n%d", i)})
		}
		c.Topology.Groups = shard.Place(c.Topology.Nodes, groups, 3)
		c.shareLogs()
		keep := c.Limits.KeepBytes
		if keep > paxos.DefaultLimits().KeepBytes || keep < minLogBytes || keep*groups > max(nodeLogBytes, groups*minLogBytes) {
			t.Errorf("%d groups keep %d bytes each", groups, keep)
		}
	}
	few := Config{Name: "n0", Limits: paxos.Limits{KeepBytes: 1 << 16}}
	if few.shareLogs(); few.Limits.KeepBytes != 1<<16 {
		t.Errorf("a lower limit of the operator's becomes %d", few.Limits.KeepBytes)
	}
}
