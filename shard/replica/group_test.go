package replica_test

import (
	"math/rand"
	"net/netip"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

const (
	theCluster wire.ClusterID = 7
	theGroup   wire.GroupID   = 0
	members                   = 3
	turn                      = 2 * wire.Millisecond
)

var (
	bothKeys = wire.Keys{
		Replica: wire.NewKey([wire.KeySize]byte{1}),
		Client:  wire.NewKey([wire.KeySize]byte{2}),
	}
	clientAddr = netip.MustParseAddrPort("10.0.0.100:5000")
)

func addrOf(r int) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + r)}), 7001)
}

// group is three replicas in one goroutine, on a network that loses nothing and a clock that is turned by
// hand.
//
//	10.0.0.1:7001   10.0.0.2:7001   10.0.0.3:7001      10.0.0.100:5000
//	replica 0       replica 1       replica 2          the client, or whoever speaks in a test
type group struct {
	tb      testing.TB
	keys    wire.Keys
	now     wire.Time
	members [members]*member
	answers []transport.Datagram // to addresses that are no member's
	tap     func(to *member, d transport.Datagram)
}

type member struct {
	g       *group
	addr    wire.Addr
	replica *replica.Replica
	engine  *replica.MultiPaxos
	disk    replica.Disk
	inbox   []transport.Datagram
}

func newGroup(tb testing.TB, keys wire.Keys) *group {
	g := &group{tb: tb, keys: keys, now: 1}
	for r := range g.members {
		g.members[r] = g.boot(wire.ReplicaID(r), &replica.MemoryDisk{}, replica.NoFastPath{})
	}
	return g
}

// boot starts a replica on what its disk holds.
func (g *group) boot(self wire.ReplicaID, disk replica.Disk, fast replica.FastPath) *member {
	g.tb.Helper()
	peers := make([]wire.Addr, members)
	for r := range peers {
		peers[r] = addrOf(r)
	}
	m := &member{g: g, addr: peers[self], disk: disk}
	newEngine := func() (replica.Engine, error) {
		var err error
		m.engine, err = g.newEngine(self, disk)
		return m.engine, err
	}
	engine, err := newEngine()
	if err != nil {
		g.tb.Fatal(err)
	}
	m.replica = replica.New(replica.Config{
		Cluster: theCluster, Group: theGroup, Self: self, Peers: peers, Keys: g.keys, DatagramBytes: 1400, Rebirth: newEngine,
	}, engine, disk, fast)
	return m
}

func (g *group) newEngine(self wire.ReplicaID, disk replica.Disk) (*replica.MultiPaxos, error) {
	promise, err := replica.Boot(disk, theCluster, theGroup, self)
	if err != nil {
		return nil, err
	}
	core, err := paxos.New(paxos.Config{
		Cluster: theCluster, Group: theGroup, Self: self, Replicas: members,
		Timing: paxos.DefaultTiming(), Limits: paxos.DefaultLimits(), Rand: rand.New(rand.NewSource(int64(self))),
	}, promise, g.now)
	if err != nil {
		return nil, err
	}
	return replica.NewMultiPaxos(core, twopc.NewParticipant(twopc.ParticipantConfig{Map: shard.Map{Version: 1, Shards: 1}})), nil
}

// Send delivers datagrams. It makes a member the transport of its own replica.
func (m *member) Send(batch []transport.Datagram) error {
	for _, d := range batch {
		g, copied := m.g, transport.Datagram{Addr: m.addr, Data: slices.Clone(d.Data)}
		i := slices.IndexFunc(g.members[:], func(to *member) bool { return to.addr == d.Addr })
		if i < 0 {
			g.answers = append(g.answers, copied)
			continue
		}
		g.members[i].inbox = append(g.members[i].inbox, copied)
		if g.tap != nil {
			g.tap(g.members[i], copied)
		}
	}
	return nil
}

func (g *group) instant() replica.Instant {
	return replica.Instant{Now: g.now, Wall: 1_700_000_000_000_000_000 + int64(g.now)}
}

// step gives one member a turn with some datagrams.
func (g *group) step(m *member, in ...transport.Datagram) {
	g.tb.Helper()
	if err := m.replica.Step(g.instant(), in, m); err != nil {
		g.tb.Fatal(err)
	}
}

// run lets time pass.
func (g *group) run(d wire.Duration) {
	g.tb.Helper()
	for end := g.now.Add(d); g.now < end; g.now = g.now.Add(turn) {
		for _, m := range g.members {
			in := m.inbox
			m.inbox = nil
			g.step(m, in...)
		}
	}
}

// leader waits for a replica that serves.
func (g *group) leader() *member {
	g.tb.Helper()
	for range 1000 {
		for _, m := range g.members {
			if m.engine.State().Role.Serving {
				return m
			}
		}
		g.run(turn)
	}
	g.tb.Fatal("no leader within two seconds")
	return nil
}

// ask sends a request to the leader and waits for the answer.
func (g *group) ask(kind wire.Kind, body []byte) wire.Frame {
	g.tb.Helper()
	g.answers = nil
	g.step(g.leader(), g.datagram(clientAddr, g.client(kind, body), g.keys.Client))
	for range 1000 {
		for _, d := range g.answers {
			var answer wire.Frame
			transport.Each(d.Data, g.keys, func(f wire.Frame) { answer = f })
			return answer
		}
		g.run(turn)
	}
	g.tb.Fatalf("no answer to a %v", kind)
	return wire.Frame{}
}

func (g *group) client(kind wire.Kind, body []byte) wire.Frame {
	return wire.Frame{Header: wire.Header{Kind: kind, Cluster: theCluster, Group: theGroup, Sender: wire.ClientSender}, Body: body}
}

// datagram is one sealed frame from an address.
func (g *group) datagram(from wire.Addr, f wire.Frame, key wire.Key) transport.Datagram {
	b, err := f.Append(nil)
	if err != nil {
		g.tb.Fatal(err)
	}
	key.Seal(b)
	return transport.Datagram{Addr: from, Data: b}
}

// put opens a session and writes one key, and waits until all members have applied it.
func (g *group) put(client txn.ClientID, key, value string) {
	g.tb.Helper()
	var s txn.SessionReply
	answer := g.ask(wire.KindOpenSession, txn.OpenSessionBody.Append(nil, &txn.OpenSession{Client: client, First: 1}))
	if err := txn.SessionReplyBody.Decode(answer.Body, &s); err != nil {
		g.tb.Fatalf("%v: %v", answer.Kind, err)
	}
	var r txn.TxnReply
	answer = g.ask(wire.KindSubmit, g.submit(client, s.Session, key, value))
	if err := txn.TxnReplyBody.Decode(answer.Body, &r); err != nil || r.Status != txn.StatusCommitted {
		g.tb.Fatalf("%v: %+v, %v", answer.Kind, r, err)
	}
	g.run(50 * wire.Millisecond)
}

func (g *group) submit(client txn.ClientID, session wire.Op, key, value string) []byte {
	return txn.SubmitBody.Append(nil, &txn.Submit{ID: txn.ID{Client: client, Seq: 1}, Session: session, Work: txn.Work{
		Writes: []txn.Write{{Key: []byte(key), Value: []byte(value)}},
	}})
}

// picture is all that must not change when nothing has been believed.
type picture struct {
	hash  uint64
	state paxos.State
}

func (m *member) picture() picture { return picture{m.engine.Hash(), m.engine.State().State} }

// rejected counts the frames and datagrams that a replica did not give to its engine.
func (m *member) rejected() (n uint64) {
	c := m.replica.Counters()
	for _, bad := range c.BadFrames {
		n += bad
	}
	return n + c.NotForServers + c.WrongCluster + c.WrongGroup + c.WrongSource
}
