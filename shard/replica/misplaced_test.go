package replica_test

import (
	"testing"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// A frame under the replicas' key from where its sender does not live is not believed, is counted each time, and told of
// once in a while.
func TestFramesFromElsewhereAreTold(t *testing.T) {
	keys := wire.Keys{Replica: wire.NewKey([16]byte{1}), Client: wire.NewKey([16]byte{2})}
	var told []wire.Addr
	e := &listener{}
	r := replica.New(replica.Config{
		Cluster: 7, Peers: []wire.Addr{at(0, 0), at(0, 1), at(0, 2)}, Keys: keys, DatagramBytes: 1400,
		Misplaced: func(who wire.ReplicaID, from wire.Addr) {
			if who != 1 {
				t.Errorf("replica %d", who)
			}
			told = append(told, from)
		},
	}, e, &replica.MemoryDisk{}, replica.NoFastPath{})
	f := wire.Frame{Header: wire.Header{Kind: wire.KindHeartbeat, Cluster: 7, Sender: 1}}
	for i, c := range []struct {
		from wire.Addr
		now  wire.Time
		told int
	}{
		{at(0, 1), 0, 0}, {at(0, 9), 0, 1}, {at(0, 9), wire.Time(59 * wire.Second), 1}, {at(0, 8), wire.Time(61 * wire.Second), 2},
	} {
		p := &post{}
		out := transport.NewOutbox(1400)
		if err := out.Put(c.from, &f, keys.Replica); err != nil {
			t.Fatal(err)
		}
		if err := out.Flush(p); err != nil {
			t.Fatal(err)
		}
		if err := r.Step(replica.Instant{Now: c.now}, p.sent, p); err != nil {
			t.Fatal(err)
		}
		if len(told) != c.told {
			t.Errorf("step %d: told of %v", i, told)
		}
	}
	if n := r.Counters().WrongSource; n != 3 || len(e.heard) != 1 || told[1] != at(0, 8) {
		t.Errorf("%d counted, %d heard, told of %v", n, len(e.heard), told)
	}
}
