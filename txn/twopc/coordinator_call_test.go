package twopc

import (
	"testing"

	"github.com/anodekv/anode/txn"
)

// What a caller is told is what stood in its way at the leader, not that others who were asked on the way do not lead.
func TestTheLastRealObstacleIsTold(t *testing.T) {
	waited := Cause{Group: 2, Reason: txn.ReasonWaited, Detail: "the shard's clock has not reached the time asked for"}
	full := Cause{Group: 2, Reason: txn.ReasonOverloaded, Detail: "too many reads wait"}
	elsewhere := Cause{Group: 2, Reason: txn.ReasonNotLeader}
	closed := Cause{Group: 2, Reason: txn.ReasonNotLeader, Detail: "the group has lost its memory"}
	k := &call{cause: Cause{Group: 2, Silent: true}}
	for i, c := range []struct{ heard, told Cause }{
		{elsewhere, elsewhere}, {waited, waited}, {elsewhere, waited}, {full, full}, {elsewhere, full}, {closed, closed},
	} {
		if k.learn(c.heard); k.cause != c.told {
			t.Errorf("step %d: %v after %v, want %v", i, k.cause, c.heard, c.told)
		}
	}
}
