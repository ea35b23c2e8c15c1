//go:build !race

// The race detector allocates where the product does not.

package client_test

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// echo is a connection at whose other end there is a cluster of one shard that grants everything at once. It allocates
// nothing, so that what is measured on it is the client's own.
type echo struct {
	t        testing.TB
	topology shard.Topology
	bell     chan struct{}
	timer    *time.Timer

	mu      sync.Mutex
	asked   int // requests
	sends   int // and in how many goes they came
	out     *transport.Outbox
	arrived [][]byte // the answers
	lent    [][]byte // those that were handed out last
	free    [][]byte
	read    txn.ReadRequest
	submit  txn.Submit
	values  txn.ReadReply
	reply   txn.TxnReply
	body    []byte
	op      wire.Op
	frame   wire.Frame
}

// openEcho returns a client that an echo answers.
func openEcho(t testing.TB) (*client.Client, *echo) {
	e := &echo{t: t, bell: make(chan struct{}, 1), timer: time.NewTimer(time.Hour), out: transport.NewOutbox(0)}
	nodes := []shard.Node{{Name: "n", Host: "10.0.0.1", Port: 7000}}
	e.topology = shard.Topology{Cluster: 77, Map: shard.Map{Version: 1, Shards: 1}, Nodes: nodes, Groups: shard.Place(nodes, 1, 1)}
	db, err := client.Open(t.Context(), client.Config{Servers: []string{"10.0.0.1:7000"}, Conn: e})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db, e
}

func (e *echo) Local() wire.Addr       { return netip.MustParseAddrPort("10.0.1.1:1") }
func (e *echo) Stats() transport.Stats { return transport.Stats{} }
func (e *echo) Close() error           { return nil }

func (e *echo) Wake() {
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

func (e *echo) Recv(into []transport.Datagram, wait time.Duration) (int, error) {
	if n := e.take(into); n > 0 || wait <= 0 {
		return n, nil
	}
	e.timer.Reset(wait)
	select {
	case <-e.bell:
	case <-e.timer.C:
	}
	return e.take(into), nil
}

func (e *echo) take(into []transport.Datagram) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.free = append(e.free, e.lent...)
	n = min(len(into), len(e.arrived))
	e.lent = append(e.lent[:0], e.arrived[:n]...)
	for i, b := range e.lent {
		into[i] = transport.Datagram{Data: b}
	}
	e.arrived = append(e.arrived[:0], e.arrived[n:]...)
	return n
}

func (e *echo) Send(batch []transport.Datagram) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sends++
	for _, d := range batch {
		for b := d.Data; len(b) > 0; {
			f, _, rest, err := wire.Parse(b)
			must(e.t, err)
			e.asked++
			e.answer(&f)
			b = rest
		}
	}
	must(e.t, e.out.Flush(sink{e}))
	e.Wake()
	return nil
}

// sink is where the answers go.
type sink struct{ *echo }

func (e sink) Send(batch []transport.Datagram) error {
	for _, d := range batch {
		var b []byte
		if last := len(e.free) - 1; last >= 0 {
			b, e.free = e.free[last], e.free[:last]
		}
		e.arrived = append(e.arrived, append(b[:0], d.Data...))
	}
	return nil
}

func (e *echo) answer(f *wire.Frame) {
	kind := wire.KindTxnReply
	switch f.Kind {
	case wire.KindTopology:
		kind = wire.KindTopologyReply
		e.body = txn.TopologyReplyBody.Append(e.body[:0], &txn.TopologyReply{Topology: e.topology})
	case wire.KindOpenSession:
		var open txn.OpenSession
		kind = wire.KindSessionReply
		must(e.t, txn.OpenSessionBody.Decode(f.Body, &open))
		e.body = txn.SessionReplyBody.Append(e.body[:0], &txn.SessionReply{Client: open.Client, First: open.First, Session: 1})
	case wire.KindRead:
		kind = wire.KindReadReply
		keep := e.read.Keys
		e.read = txn.ReadRequest{Keys: keep}
		must(e.t, txn.ReadRequestBody.DecodeShared(f.Body, &e.read))
		e.values.Nonce, e.values.Values = e.read.Nonce, e.values.Values[:0]
		for range e.read.Keys {
			e.values.Values = append(e.values.Values, txn.Value{Found: true, At: txn.Position{Op: e.op}, Value: oneHundred})
		}
		e.body = txn.ReadReplyBody.Append(e.body[:0], &e.values)
	case wire.KindSubmit:
		work := e.submit.Work
		e.submit = txn.Submit{Work: work}
		must(e.t, txn.SubmitBody.DecodeShared(f.Body, &e.submit))
		e.op++
		e.reply = txn.TxnReply{ID: e.submit.ID, Status: txn.StatusCommitted, Time: txn.Timestamp(e.op)}
		e.body = txn.TxnReplyBody.Append(e.body[:0], &e.reply)
	case wire.KindEndSession:
		var end txn.EndSession
		must(e.t, txn.EndSessionBody.Decode(f.Body, &end))
		e.body = txn.TxnReplyBody.Append(e.body[:0], &txn.TxnReply{ID: txn.ID{Client: end.Client, Seq: end.First}, Status: txn.StatusExpired})
	default:
		e.t.Errorf("the client asks for %v", f.Kind)
		return
	}
	e.frame = wire.Frame{Header: wire.Header{Kind: kind, Cluster: 77}, Body: e.body}
	must(e.t, e.out.Put(e.Local(), &e.frame, wire.Key{}))
}

var oneHundred = make([]byte, 100)

// deeds are what a client is mostly asked for.
func deeds(db *client.Client) map[string]func(context.Context) error {
	keys := []string{"0123456789abcdef", "fedcba9876543210"}
	rmw2 := func(ctx context.Context, tx *client.Txn) error {
		_, err := tx.GetAll(ctx, keys...)
		for _, key := range keys {
			err = cmp.Or(err, tx.Put(ctx, key, oneHundred))
		}
		return err
	}
	view := func(ctx context.Context, tx *client.Txn) error {
		_, err := tx.GetAll(ctx, keys...)
		return err
	}
	return map[string]func(context.Context) error{
		"get": func(ctx context.Context) error {
			_, err := db.Get(ctx, keys[0])
			return err
		},
		"put":  func(ctx context.Context) error { return db.Put(ctx, keys[0], oneHundred) },
		"rmw2": func(ctx context.Context) error { return db.Update(ctx, rmw2) },
		"view": func(ctx context.Context) error { return db.View(ctx, view) },
	}
}

// deedAllocations are owed to the caller: the values, the list of several, and the transaction.
var deedAllocations = map[string]float64{"get": 1, "put": 0, "rmw2": 4, "view": 4}

func TestDeedAllocations(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, _ := openEcho(t)
	for name, deed := range deeds(db) {
		for range 100 {
			must(t, deed(ctx))
		}
		if n := testing.AllocsPerRun(1000, func() { must(t, deed(ctx)) }); n > deedAllocations[name] {
			t.Errorf("%s takes %v allocations, of which %v are owed to the caller", name, n, deedAllocations[name])
		}
	}
}

func BenchmarkDeeds(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for _, name := range []string{"get", "put", "rmw2", "view"} {
			b.Run(fmt.Sprint(name, "/", callers), func(b *testing.B) {
				db, e := openEcho(b)
				deed := deeds(db)[name]
				ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
				defer cancel()
				must(b, deed(ctx))
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						for range b.N / callers {
							if err := deed(ctx); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				e.mu.Lock()
				defer e.mu.Unlock()
				b.ReportMetric(float64(e.asked)/float64(e.sends), "requests/send")
			})
		}
	}
}
