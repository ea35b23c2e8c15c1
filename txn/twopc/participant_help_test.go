package twopc

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// Two clients' addresses, and the client of most transactions.
var (
	alice = netip.MustParseAddrPort("10.0.0.1:1000")
	bob   = netip.MustParseAddrPort("10.0.0.2:1000")
)

const me txn.ClientID = 7

// one is a shard driven by hand: what its leader proposes becomes the next entry when told.
type one struct {
	t interface {
		Helper()
		Fatalf(string, ...any)
		Errorf(string, ...any)
	}
	*Participant
	now     wire.Time
	pending [][]byte
	tickets []uint64 // that were handed out
	replies []Reply
	puts    uint64
}

// newOne returns the leader of group 0, with the session of me open by op 1.
func newOne(t *testing.T) *one {
	o := lead(t)
	o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1}))
	if len(o.sessions) != 1 || o.sessions[me].op != 1 {
		t.Fatal("no session")
	}
	o.replies = nil
	return o
}

// lead returns a leader without sessions.
func lead(t *testing.T) *one {
	o := &one{t: t, Participant: NewParticipant(ParticipantConfig{Map: shard.Map{Version: 1, Shards: 1}})}
	o.Lead(0, 3)
	return o
}

func enc(v any) []byte { return wire.AppendValue(nil, v) }

// gather moves what Ready wants into the fields.
func (o *one) gather() {
	r := o.Ready()
	o.keep(&r)
	if r.Confirm.Reads > 0 {
		o.tickets = append(o.tickets, r.Confirm.Number)
	}
}

// keep copies what is proposed and answered: tests look at it later than others may.
func (o *one) keep(r *ParticipantReady) {
	for _, b := range r.Propose {
		o.pending = append(o.pending, bytes.Clone(b))
	}
	for _, a := range r.Replies {
		o.replies = append(o.replies, Reply{a.To, a.Kind, bytes.Clone(a.Body)})
	}
}

// send hands in a request and does not let the log go on.
func (o *one) send(kind wire.Kind, body []byte) { o.sendFrom(alice, kind, body) }

func (o *one) sendFrom(from wire.Addr, kind wire.Kind, body []byte) {
	o.Request(o.now, from, kind, body)
	o.gather()
}

// flush makes one entry of all that is proposed, until nothing is.
func (o *one) flush() {
	for len(o.pending) > 0 {
		batch := o.pending
		o.pending = nil
		o.log(batch...)
	}
}

// log applies one entry.
func (o *one) log(commands ...[]byte) {
	o.Apply(o.Applied()+1, 0, commands)
	o.gather()
}

// do sends a request, lets the log go on, and returns the last reply.
func (o *one) do(kind wire.Kind, body []byte) Reply {
	o.t.Helper()
	o.send(kind, body)
	o.flush()
	if len(o.replies) == 0 {
		o.t.Fatalf("%v: no reply", kind)
	}
	return o.replies[len(o.replies)-1]
}

// status does so and expects word of a transaction.
func (o *one) status(kind wire.Kind, body []byte) txn.Status {
	o.t.Helper()
	return o.txnReply(o.do(kind, body)).Status
}

func (o *one) txnReply(r Reply) (out txn.TxnReply) {
	o.t.Helper()
	if err := txn.TxnReplyBody.Decode(r.Body, &out); r.Kind != wire.KindTxnReply || err != nil {
		o.t.Fatalf("%v: %v, want word of a transaction", r.Kind, err)
	}
	return out
}

func (o *one) refusal(r Reply) (out txn.Refusal) {
	o.t.Helper()
	if err := txn.RefusalBody.Decode(r.Body, &out); r.Kind != wire.KindRefusal || err != nil {
		o.t.Fatalf("%v: %v, want a refusal", r.Kind, err)
	}
	return out
}

func (o *one) want(got, want txn.Status, what string) {
	o.t.Helper()
	if got != want {
		o.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (o *one) wantPrepared(seqs ...uint64) {
	o.t.Helper()
	var got []uint64
	for _, id := range o.Prepared() {
		got = append(got, id.Seq)
	}
	if !slices.Equal(got, seqs) {
		o.t.Errorf("prepared: %v, want %v", got, seqs)
	}
}

// wantPending expects these transactions to stand proposed, in this order.
func (o *one) wantPending(seqs ...uint64) {
	o.t.Helper()
	var got []uint64
	for _, b := range o.pending {
		c, _ := o.parse(b, nil)
		got = append(got, c.id.Seq)
	}
	if !slices.Equal(got, seqs) {
		o.t.Errorf("proposed: %v, want %v", got, seqs)
	}
}

func tid(seq uint64) txn.ID { return txn.ID{Client: me, Seq: seq} }

func submit(seq uint64, w txn.Work) []byte {
	return enc(&txn.Submit{ID: tid(seq), Session: 1, Mark: 1, Work: w})
}

// prepare is of groups 0, the shard under test, and 5.
func prepare(seq uint64, w txn.Work) []byte {
	return enc(&Prepare{ID: tid(seq), Mark: 1, Members: []Member{{Group: 0, Session: 1}, {Group: 5, Session: 9}}, Work: w})
}

func commit(seq uint64) []byte { return enc(&Commit{ID: tid(seq)}) }

func abort(seq uint64) []byte { return enc(&Abort{ID: tid(seq), Because: 5}) }

func resolve(seq uint64) []byte { return enc(&Resolve{ID: tid(seq), Session: 1}) }

// writes puts "v" under keys; deletes deletes them.
func writes(keys ...string) (w txn.Work) {
	for _, k := range keys {
		w.Writes = append(w.Writes, txn.Write{Key: []byte(k), Value: []byte("v")})
	}
	return w
}

func deletes(keys ...string) (w txn.Work) {
	for _, k := range keys {
		w.Writes = append(w.Writes, txn.Write{Key: []byte(k), Delete: true})
	}
	return w
}

// saw reads keys as a client does, from the applied state.
func (o *one) saw(keys ...string) (w txn.Work) {
	for _, k := range keys {
		v := o.value([]byte(k))
		w.Reads = append(w.Reads, txn.Read{Key: []byte(k), Found: v.Found, At: v.At})
	}
	return w
}

// scanned is a scan of the applied state.
func (o *one) scanned(start, end string) txn.Work {
	return txn.Work{Ranges: []txn.Range{{Start: []byte(start), End: []byte(end), At: txn.After(o.Applied())}}}
}

func join(ws ...txn.Work) (out txn.Work) {
	for _, w := range ws {
		out.Reads = append(out.Reads, w.Reads...)
		out.Ranges = append(out.Ranges, w.Ranges...)
		out.Writes = append(out.Writes, w.Writes...)
	}
	return out
}

func (o *one) has(key string) bool { return o.value([]byte(key)).Found }
