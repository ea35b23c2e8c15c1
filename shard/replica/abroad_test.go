package replica_test

import (
	"net/netip"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// listener is an engine that writes down what reaches it, and says what it is told to.
type listener struct {
	heard []wire.Frame
	say   []replica.Abroad
}

func (e *listener) Step(_ replica.Instant, _ wire.Addr, f wire.Frame) { e.heard = append(e.heard, f) }
func (e *listener) Acked(replica.Instant, wire.Frame)                 {}
func (e *listener) Tick(replica.Instant)                              {}
func (e *listener) Drained(replica.Instant, wire.Time)                {}
func (e *listener) AcceptLoss(replica.Instant) error                  { return nil }
func (e *listener) State() replica.State                              { return replica.State{} }
func (*listener) Standing() (wire.View, wire.Incarnation)             { return 0, 0 }
func (*listener) SetClaim(func(wire.Op) bool)                         {}
func (*listener) Armament() (paxos.Arm, bool)                         { return paxos.Arm{}, false }
func (*listener) Acks(to []wire.Op) (wire.Op, []wire.Op)              { return 0, to }
func (e *listener) Ready(replica.Instant) replica.Ready {
	r := replica.Ready{Abroad: e.say}
	e.say = nil
	return r
}

// post keeps what is sent.
type post struct{ sent []transport.Datagram }

func (p *post) Send(batch []transport.Datagram) error {
	for _, d := range batch {
		p.sent = append(p.sent, transport.Datagram{Addr: d.Addr, Data: append([]byte(nil), d.Data...)})
	}
	return nil
}

func at(group, index int) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(group), byte(index)}), 7000)
}

// The word of another group decides transactions: it is taken from the replica that it names, under the
// replicas' key, and from nobody else.
func TestWordFromAbroad(t *testing.T) {
	keys := wire.Keys{Replica: wire.NewKey([16]byte{1}), Client: wire.NewKey([16]byte{2})}
	groups := [][]wire.Addr{{at(0, 0), at(0, 1), at(0, 2)}, {at(1, 0), at(1, 1), at(1, 2)}}
	for name, c := range map[string]struct {
		from   wire.Addr
		group  wire.GroupID
		sender wire.ReplicaID
		key    wire.Key
		taken  bool
	}{
		"the replica that it names":     {at(1, 2), 1, 2, keys.Replica, true},
		"another replica of its group":  {at(1, 1), 1, 2, keys.Replica, false},
		"a client's key":                {at(1, 2), 1, 2, keys.Client, false},
		"an unknown address":            {at(9, 9), 1, 2, keys.Replica, false},
		"a group that there is not":     {at(1, 2), 7, 2, keys.Replica, false},
		"a replica that there is not":   {at(1, 2), 1, 3, keys.Replica, false},
		"a client":                      {at(1, 2), 1, wire.ClientSender, keys.Replica, false},
		"its own group":                 {at(0, 1), 0, 1, keys.Replica, false},
		"another group's replica as it": {at(1, 1), 0, 1, keys.Replica, false},
	} {
		for _, kind := range []wire.Kind{wire.KindInquire, wire.KindInquiryReply} {
			e := &listener{}
			r := replica.New(replica.Config{Cluster: 7, Group: 0, Self: 0, Peers: groups[0], Groups: groups, Keys: keys, DatagramBytes: 1400},
				e, &replica.MemoryDisk{}, replica.NoFastPath{})
			f := wire.Frame{Header: wire.Header{Kind: kind, Cluster: 7, Group: c.group, Sender: c.sender}, Body: []byte("word")}
			data, err := f.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			c.key.Seal(data)
			if err := r.Step(replica.Instant{Now: 1}, []transport.Datagram{{Addr: c.from, Data: data}}, &post{}); err != nil {
				t.Fatal(err)
			}
			if (len(e.heard) == 1) != c.taken {
				t.Errorf("%v of %s: taken %v, want %v", kind, name, len(e.heard) == 1, c.taken)
			}
			if n := r.Counters(); !c.taken && n.WrongSource+n.BadFrames[transport.RejectMAC] != 1 {
				t.Errorf("%v of %s: not counted: %+v", kind, name, n)
			}
		}
	}
}

// What is said to another group is sealed as a replica's word, and tells which replica of which group speaks.
func TestWordToAbroad(t *testing.T) {
	keys := wire.Keys{Replica: wire.NewKey([16]byte{1}), Client: wire.NewKey([16]byte{2})}
	groups := [][]wire.Addr{{at(0, 0), at(0, 1), at(0, 2)}, {at(1, 0), at(1, 1), at(1, 2)}}
	e := &listener{say: []replica.Abroad{{1, 2, wire.KindInquire, []byte("question")}, {5, 0, wire.KindInquire, nil}}}
	r := replica.New(replica.Config{Cluster: 7, Group: 0, Self: 1, Peers: groups[0], Groups: groups, Keys: keys, DatagramBytes: 1400},
		e, &replica.MemoryDisk{}, replica.NoFastPath{})
	out := &post{}
	if err := r.Step(replica.Instant{Now: 1}, nil, out); err != nil {
		t.Fatal(err)
	}
	if len(out.sent) != 1 || out.sent[0].Addr != at(1, 2) || r.Counters().NoAddress != 1 {
		t.Fatalf("sent %v, counted %+v", out.sent, r.Counters())
	}
	f, raw, _, err := wire.Parse(out.sent[0].Data)
	if err != nil || !keys.Replica.Verify(raw) || f.Group != 0 || f.Sender != 1 || f.Kind != wire.KindInquire || string(f.Body) != "question" {
		t.Errorf("%+v, %v", f.Header, err)
	}
}
