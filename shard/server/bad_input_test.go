package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
	"github.com/anodekv/anode/txn"
)

// What users get wrong about keys and clusters: the client says what may be the cause, the server counts it.
func TestClientsOfAnotherKindFindNoCluster(t *testing.T) {
	closed := startCluster(t, layOut(1, 1, 1), bothKeys)
	open := startCluster(t, layOut(1, 1, 1), wire.Keys{})
	for name, c := range map[string]struct {
		cluster *cluster
		cfg     client.Config
		want    string
		counted transport.Reject
	}{
		"wrong key":     {closed, client.Config{Key: bytes.Repeat([]byte{9}, wire.KeySize)}, "that the key is theirs", transport.RejectMAC},
		"replica key":   {closed, client.Config{Key: replicaKey[:]}, "that the key is theirs", transport.RejectMAC},
		"no key":        {closed, client.Config{}, "that the key is theirs", transport.RejectMAC},
		"needless key":  {open, client.Config{Key: clientKey[:]}, "under another key", transport.RejectNone},
		"wrong cluster": {closed, client.Config{Key: clientKey[:], Cluster: 77}, "not 77", transport.RejectNone},
	} {
		before := c.cluster.nodes["n0"].Door().BadFrames[c.counted]
		c.cfg.Servers = c.cluster.servers()
		db, err := client.Open(within(t, 300*time.Millisecond), c.cfg)
		if err == nil {
			db.Close()
			t.Errorf("%s: a client was opened", name)
			continue
		}
		if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a word of %q", name, err, c.want)
		}
		if after := c.cluster.nodes["n0"].Door().BadFrames[c.counted]; c.counted != transport.RejectNone && after == before {
			t.Errorf("%s: nothing was counted", name)
		}
	}
}

// socket speaks raw frames.
type socket struct {
	tb   testing.TB
	conn transport.Conn
	keys wire.Keys
}

func newSocket(tb testing.TB, keys wire.Keys) *socket {
	conn, err := transport.ListenUDP(netip.MustParseAddrPort("0.0.0.0:0"), transport.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &socket{tb, conn, keys}
}

func (s *socket) send(to wire.Addr, f wire.Frame, key wire.Key) {
	s.tb.Helper()
	out := transport.NewOutbox(0)
	if err := errors.Join(out.Put(to, &f, key), out.Flush(s.conn)); err != nil {
		s.tb.Fatal(err)
	}
}

// refusal waits for the next refusal.
func (s *socket) refusal() (r txn.Refusal) {
	s.tb.Helper()
	in := make([]transport.Datagram, 1)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		n, err := s.conn.Recv(in, time.Second)
		if err != nil {
			s.tb.Fatal(err)
		}
		found := false
		for _, d := range in[:n] {
			transport.Each(d.Data, s.keys, func(f wire.Frame) {
				found = f.Kind == wire.KindRefusal && txn.RefusalBody.Decode(f.Body, &r) == nil
			})
		}
		if found {
			return r
		}
	}
	s.tb.Fatal("no refusal has come")
	return r
}

// endpoint is where a replica listens.
func endpoint(tb testing.TB, t shard.Topology, seat shard.Seat) wire.Addr {
	host, port, ok := t.Endpoint(seat)
	if !ok {
		tb.Fatalf("no seat %+v", seat)
	}
	return netip.MustParseAddrPort(net.JoinHostPort(host, strconv.Itoa(int(port))))
}

// A key at the wrong door is refused, and the refusal says whose it is.
func TestKeysOfOtherShardsAreRefused(t *testing.T) {
	top := layOut(3, 4, 3)
	c := startCluster(t, top, bothKeys)
	s := newSocket(t, wire.Keys{Client: bothKeys.Client})
	at, owner := shard.ID(2), shard.ID(3)
	key := []byte(keyIn(top, owner, "stray"))
	work := txn.Work{Writes: []txn.Write{{Key: key, Value: []byte("v")}}}
	for _, f := range []wire.Frame{
		{Header: wire.Header{Kind: wire.KindRead}, Body: txn.ReadRequestBody.Append(nil, &txn.ReadRequest{Nonce: 5, Keys: [][]byte{key}})},
		{Header: wire.Header{Kind: wire.KindSubmit}, Body: txn.SubmitBody.Append(nil, &txn.Submit{ID: txn.ID{Client: 1, Seq: 1}, Session: 1, Work: work})},
	} {
		f.Cluster, f.Group, f.Sender = wire.ClusterID(top.Cluster), wire.GroupID(at), wire.ClientSender
		leader := slices.Index(top.Groups[at].Members, c.leader(at))
		s.send(endpoint(t, top, shard.Seat{Group: at, Replica: uint16(leader)}), f, bothKeys.Client)
		r := s.refusal()
		if r.Kind != f.Kind || r.Reason != txn.ReasonWrongShard || shard.ID(r.Shard) != owner {
			t.Errorf("%v: refused with %+v, want it to be said that %v owns the key", f.Kind, r, owner)
		}
		if !strings.Contains(r.Detail, owner.String()) || !strings.Contains(r.Detail, string(key)) {
			t.Errorf("%v: %q does not name the key and its owner", f.Kind, r.Detail)
		}
	}
	if _, err := c.open().Get(within(t, patience), string(key)); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a refused put has left something: %v", err)
	}
}

// A frame is believed when it is sealed with the key of its kind, of this cluster and group, and, between
// replicas, when it comes from where the replica lives. Everything else is counted and changes nothing.
func TestForgedFramesChangeNothing(t *testing.T) {
	top := layOut(3, 2, 3)
	c := startCluster(t, top, bothKeys)
	c.leader(0)
	at := shard.Seat{Group: 0, Replica: 1}
	node := top.Groups[0].Members[at.Replica]
	s := newSocket(t, bothKeys)
	header := wire.Header{Cluster: wire.ClusterID(top.Cluster), View: 1000, Op: 1000, Chosen: 1000, Incarnation: 9}
	for name, forge := range map[string]struct {
		header func(*wire.Header)
		key    wire.Key
		count  func(*replica.Counters) uint64
	}{
		"an Accept under the client's key": {func(h *wire.Header) { h.Kind = wire.KindAccept }, bothKeys.Client, badMAC},
		"a vote under the client's key":    {func(h *wire.Header) { h.Kind = wire.KindViewChange }, bothKeys.Client, badMAC},
		"a vote under no key":              {func(h *wire.Header) { h.Kind = wire.KindViewChange }, wire.Key{}, badMAC},
		"a request under no key":           {func(h *wire.Header) { h.Kind = wire.KindSubmit }, wire.Key{}, badMAC},
		"an Accept from elsewhere": {func(h *wire.Header) { h.Kind = wire.KindAccept }, bothKeys.Replica,
			func(c *replica.Counters) uint64 { return c.WrongSource }},
		"a request to another cluster": {func(h *wire.Header) { h.Kind, h.Cluster = wire.KindSubmit, 99 }, bothKeys.Client,
			func(c *replica.Counters) uint64 { return c.WrongCluster }},
		"a request to another group": {func(h *wire.Header) { h.Kind, h.Group = wire.KindSubmit, 1 }, bothKeys.Client,
			func(c *replica.Counters) uint64 { return c.WrongGroup }},
		"an answer": {func(h *wire.Header) { h.Kind = wire.KindTxnReply }, bothKeys.Client,
			func(c *replica.Counters) uint64 { return c.NotForServers }},
	} {
		before := c.status(node, at.Group)
		f := wire.Frame{Header: header}
		forge.header(&f.Header)
		s.send(endpoint(t, top, at), f, forge.key)
		var after server.SeatStatus
		c.eventually(name+" is counted", func() bool {
			after = c.status(node, at.Group)
			return forge.count(&after.Counters) == forge.count(&before.Counters)+1
		})
		if after.Promised != before.Promised || after.Last != before.Last || after.Chosen != before.Chosen || !after.Normal() {
			t.Errorf("%s has changed %+v to %+v", name, before.State, after.State)
		}
	}
}

func badMAC(c *replica.Counters) uint64 { return c.BadFrames[transport.RejectMAC] }

func TestWhatIsNoQuestionIsCountedAtTheDoor(t *testing.T) {
	top := layOut(1, 1, 1)
	c := startCluster(t, top, bothKeys)
	door := netip.MustParseAddrPort(c.servers()[0])
	s := newSocket(t, bothKeys)
	s.send(door, wire.Frame{Header: wire.Header{Kind: wire.KindRead}}, bothKeys.Client)
	if err := s.conn.Send([]transport.Datagram{{Addr: door, Data: []byte("GET / HTTP/1.1, and then some more that makes it as long as a frame")}}); err != nil {
		t.Fatal(err)
	}
	c.eventually("both are counted", func() bool {
		d := c.nodes["n0"].Door()
		return d.WrongDoor == 1 && d.BadFrames[transport.RejectMagic] == 1
	})
	c.open()
	if c.nodes["n0"].Door().Answered == 0 {
		t.Error("the client's question was not counted")
	}
}

func TestNodeWithoutKeysIsLoud(t *testing.T) {
	for _, keys := range []wire.Keys{{}, bothKeys} {
		c := newCluster(t, layOut(1, 1, 1), keys)
		cfg := c.config("n0")
		var log bytes.Buffer
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		n, err := server.Start(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		n.Stop()
		if warned := strings.Contains(log.String(), "level=WARN msg=\"no keys are configured"); warned != keys.Open() {
			t.Errorf("open %v, warned %v:\n%s", keys.Open(), warned, &log)
		}
	}
}
