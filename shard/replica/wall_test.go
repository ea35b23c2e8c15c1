package replica_test

import (
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// A wall clock that is set is counted and told of each time, in either direction; one that is a little slow is not.
func TestAClockThatIsSetIsTold(t *testing.T) {
	var told []wire.Duration
	r := replica.New(replica.Config{
		Cluster: 7, Peers: []wire.Addr{at(0, 0), at(0, 1), at(0, 2)}, DatagramBytes: 1400,
		ClockSet: func(by wire.Duration) { told = append(told, by) },
	}, &listener{}, &replica.MemoryDisk{}, replica.NoFastPath{})
	const second = int64(wire.Second)
	wall, now := 1000*second, wire.Time(0)
	for _, set := range []int64{0, 0, 7 * second, 0, second / 100, -3600 * second, -second / 3, 0} {
		now = now.Add(10 * wire.Millisecond)
		wall += set + int64(10*wire.Millisecond)
		if err := r.Step(replica.Instant{Now: now, Wall: wall}, nil, &post{}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []wire.Duration{7 * wire.Second, -3600 * wire.Second}; !slices.Equal(told, want) || r.Counters().ClockSets != 2 {
		t.Errorf("told of %v, counted %d", told, r.Counters().ClockSets)
	}
}
