package client_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = [wire.KeySize]byte{1, 2, 3}

// fake is a cluster inside the test: real participants behind a network in memory, without logs between
// them. A group is one participant that three replicas take turns to stand for.
//
//	clients ── memory network ──┬─ group 0: replica 0 1 2 ── participant
//	                            ├─ group 1: ...
//	                            └─ group 2: ...
type fake struct {
	t        testing.TB
	net      *transport.Network
	topology shard.Topology
	groups   []*fakeGroup
	wg       sync.WaitGroup
}

type fakeGroup struct {
	id    wire.GroupID
	mu    sync.Mutex
	p     *twopc.Participant
	view  wire.View
	conns []transport.Conn
	// filter, if set, sees each request and says whether it arrives.
	filter func(wire.Kind) bool
	// mute, if set, says whether an answer is lost.
	mute func(wire.Kind) bool
	// confirmed counts the rounds by which the leader made sure that it still leads.
	confirmed int
}

const fakeReplicas = 3

// newFake starts a cluster that runs until the test ends.
func newFake(t testing.TB, groups int) *fake {
	f := &fake{t: t, net: transport.NewNetwork()}
	var nodes []shard.Node
	for i := range fakeReplicas {
		nodes = append(nodes, shard.Node{Name: fmt.Sprint("n", i), Host: fmt.Sprintf("10.0.0.%d", i+1), Port: 7000})
	}
	f.topology = shard.Topology{
		Cluster: 77, Map: shard.Map{Version: 1, Shards: uint32(groups)},
		Nodes: nodes, Groups: shard.Place(nodes, groups, fakeReplicas),
	}
	for g := range groups {
		f.startGroup(wire.GroupID(g))
	}
	t.Cleanup(f.stop)
	return f
}

func (f *fake) startGroup(id wire.GroupID) {
	g := &fakeGroup{id: id, p: twopc.NewParticipant(twopc.ParticipantConfig{Group: id, Map: f.topology.Map})}
	g.p.Lead(0, 0)
	f.groups = append(f.groups, g)
	for r := range fakeReplicas {
		host, port, _ := f.topology.Endpoint(shard.Seat{Group: shard.ID(id), Replica: uint16(r)})
		conn, err := f.net.Listen(netip.AddrPortFrom(netip.MustParseAddr(host), port))
		if err != nil {
			f.t.Fatal(err)
		}
		g.conns = append(g.conns, conn)
		f.wg.Go(func() { f.serve(g, wire.ReplicaID(r), conn) })
	}
}

func (f *fake) stop() {
	for _, g := range f.groups {
		for _, conn := range g.conns {
			conn.Close()
		}
	}
	f.wg.Wait()
}

func clock() wire.Time { return wire.Time(time.Now().UnixNano()) }

// serve is one replica.
func (f *fake) serve(g *fakeGroup, self wire.ReplicaID, conn transport.Conn) {
	keys := wire.Keys{Client: wire.NewKey(testKey)}
	out := transport.NewOutbox(0)
	in := make([]transport.Datagram, 64)
	for {
		n, err := conn.Recv(in, 2*time.Millisecond)
		if err != nil {
			return
		}
		g.mu.Lock()
		for _, d := range in[:n] {
			transport.Each(d.Data, keys, func(fr wire.Frame) {
				if g.filter == nil || g.filter(fr.Kind) {
					f.arrive(g, self, d.Addr, fr, out)
				}
			})
		}
		if g.leader() == self {
			g.p.Tick(clock())
			f.apply(g, out)
		}
		g.mu.Unlock()
		_ = out.Flush(conn)
	}
}

func (g *fakeGroup) leader() wire.ReplicaID { return wire.ReplicaID(g.view % fakeReplicas) }

func (f *fake) arrive(g *fakeGroup, self wire.ReplicaID, from wire.Addr, fr wire.Frame, out *transport.Outbox) {
	switch {
	case fr.Kind == wire.KindTopology:
		f.reply(g, self, out, twopc.Reply{To: from, Kind: wire.KindTopologyReply, Body: txn.TopologyReplyBody.Append(nil, &txn.TopologyReply{Topology: f.topology})})
	case g.leader() == self:
		g.p.Request(clock(), from, fr.Kind, fr.Body)
	default:
		p := twopc.NewParticipant(twopc.ParticipantConfig{Group: g.id, Map: f.topology.Map})
		p.Follow(g.view)
		p.Request(clock(), from, fr.Kind, fr.Body)
		for _, r := range p.Ready().Replies {
			f.reply(g, self, out, r)
		}
	}
}

// apply makes entries of what the participant proposes, as a log would.
func (f *fake) apply(g *fakeGroup, out *transport.Outbox) {
	for {
		r := g.p.Ready()
		for _, a := range r.Replies {
			f.reply(g, g.leader(), out, a)
		}
		g.confirmed += r.Confirm.Reads
		g.p.Confirmed(clock(), r.Confirm.Number)
		if len(r.Propose) > 0 {
			g.p.Apply(g.p.Applied()+1, txn.Timestamp(clock()), r.Propose)
		} else if r.Confirm.Reads == 0 {
			return
		}
	}
}

func (f *fake) reply(g *fakeGroup, self wire.ReplicaID, out *transport.Outbox, r twopc.Reply) {
	if g.mute != nil && g.mute(r.Kind) {
		return
	}
	frame := wire.Frame{Header: wire.Header{Kind: r.Kind, Cluster: wire.ClusterID(f.topology.Cluster), Group: g.id, Sender: self}, Body: r.Body}
	if err := out.Put(r.To, &frame, wire.NewKey(testKey)); err != nil {
		f.t.Error(err)
	}
}

// on changes one group between two turns.
func (f *fake) on(g int, fn func(*fakeGroup)) {
	f.groups[g].mu.Lock()
	defer f.groups[g].mu.Unlock()
	fn(f.groups[g])
}

// elect moves a group's leadership to the next replica.
func (f *fake) elect(g int) {
	f.on(g, func(g *fakeGroup) {
		g.view++
		g.p.Follow(g.view)
		g.p.Ready()
		g.p.Lead(clock(), g.view)
	})
}

// prepared counts the transactions that are open anywhere.
func (f *fake) prepared() (n int) {
	for i := range f.groups {
		f.on(i, func(g *fakeGroup) { n += len(g.p.Prepared()) })
	}
	return n
}

func (f *fake) config() client.Config {
	conn, err := f.net.Listen(netip.MustParseAddrPort("10.0.1.1:0"))
	if err != nil {
		f.t.Fatal(err)
	}
	// In this cluster the replicas tell the topology; a real one has a door for it.
	host, port, _ := f.topology.Endpoint(shard.Seat{Group: 0, Replica: 1})
	return client.Config{Servers: []string{net.JoinHostPort(host, fmt.Sprint(port))}, Key: testKey[:], Conn: conn}
}

// open returns a client of the cluster that the test closes at its end.
func (f *fake) open() *client.Client {
	c, err := client.Open(f.t.Context(), f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			f.t.Error(err)
		}
	})
	return c
}

// keyAt returns a key of that group.
func (f *fake) keyAt(g int, name string) string {
	for i := 0; ; i++ {
		key := fmt.Sprint(name, i)
		if f.topology.Map.Of([]byte(key)) == shard.ID(g) {
			return key
		}
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
