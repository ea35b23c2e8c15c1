//go:build !race

// The race detector allocates where the product does not.

package twopc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// hotPath is the way of a put through a leader's participant and a follower's: Request, Ready, Apply, Ready.
type hotPath struct {
	leader, follower *Participant
	submit           txn.Submit
	body             []byte
	op               wire.Op
}

func newHotPath(t testing.TB) *hotPath {
	part := func() *Participant {
		return NewParticipant(ParticipantConfig{Map: shard.Map{Version: 1, Shards: 1}})
	}
	p := &hotPath{leader: part(), follower: part(), submit: txn.Submit{ID: txn.ID{Client: 7}, Session: 1}}
	p.submit.Work.Writes = []txn.Write{{Key: []byte("0123456789abcdef"), Value: make([]byte, 100)}}
	p.leader.Lead(0, 3)
	p.pass(t, wire.KindOpenSession, txn.OpenSessionBody.Append(nil, &txn.OpenSession{Client: 7, First: 1}))
	for range 1000 {
		p.put(t)
	}
	return p
}

func (p *hotPath) put(t testing.TB) {
	s := &p.submit
	s.ID.Seq++
	s.Mark = s.ID.Seq
	p.body = txn.SubmitBody.Append(p.body[:0], s)
	p.pass(t, wire.KindSubmit, p.body)
}

func (p *hotPath) pass(t testing.TB, kind wire.Kind, body []byte) {
	p.leader.Request(0, alice, kind, body)
	r := p.leader.Ready()
	p.op++
	p.leader.Apply(p.op, txn.Timestamp(p.op), r.Propose)
	p.follower.Apply(p.op, txn.Timestamp(p.op), r.Propose)
	if r = p.leader.Ready(); len(r.Replies) != 1 || r.Replies[0].Kind == wire.KindRefusal {
		t.Fatalf("answered with %v", r.Replies)
	}
	for _, q := range []*Participant{p.leader, p.follower} {
		q.store.CollectSome(q.clock-100, 2)
	}
}

// hotPathAllocations: the command's bytes at the leader. The answers of a hundred commands share one more.
const hotPathAllocations = 1

func TestHotPathAllocations(t *testing.T) {
	p := newHotPath(t)
	if n := testing.AllocsPerRun(1000, func() { p.put(t) }); n > hotPathAllocations {
		t.Errorf("%v allocations on the way of a put, of which at most %d have a reason", n, hotPathAllocations)
	}
	if p.leader.Hash() != p.follower.Hash() {
		t.Error("leader and follower do not agree")
	}
}

// What a transaction reads is answered at once, without memory but for the answer's share of a sheet.
func TestReadsAtOnceAllocateNothing(t *testing.T) {
	p := newHotPath(t)
	key := p.submit.Work.Writes[0].Key
	request := txn.ReadRequest{Keys: [][]byte{key, []byte("absent")}}
	read := func() {
		request.Nonce++
		p.body = txn.ReadRequestBody.Append(p.body[:0], &request)
		p.leader.Request(0, alice, wire.KindRead, p.body)
		if r := p.leader.Ready(); len(r.Replies) != 1 || r.Replies[0].Kind != wire.KindReadReply {
			t.Fatalf("answered with %v", r.Replies)
		}
	}
	if n := testing.AllocsPerRun(1000, read); n != 0 {
		t.Errorf("%v allocations for a read", n)
	}
}

func BenchmarkHotPath(b *testing.B) {
	p := newHotPath(b)
	b.ReportAllocs()
	for b.Loop() {
		p.put(b)
	}
}

// coordinatorAllocations: the transaction, its call, the body, and the lists of what is to be sent and of what is done.
const coordinatorAllocations = 5

func TestCoordinatorAllocations(t *testing.T) {
	c := single(t, func(*CoordinatorConfig) {})
	work, seq := putWork("k"), uint64(2)
	reply := make([]byte, 0, 64)
	put := func() {
		seq++
		c.Commit(0, seq, work)
		if r := c.Ready(); len(r.Send) != 1 {
			t.Fatalf("%+v", r)
		}
		reply = txn.TxnReplyBody.Append(reply[:0], &txn.TxnReply{ID: txn.ID{Client: 0xc, Seq: seq}, Status: txn.StatusCommitted})
		c.Step(0, Target{}, wire.KindTxnReply, reply)
		if r := c.Ready(); len(r.Done) != 1 {
			t.Fatalf("%+v", r)
		}
	}
	// One more is this test's own, the answer.
	if n := testing.AllocsPerRun(1000, put); n > coordinatorAllocations+1 {
		t.Errorf("%v allocations on the way of a put through a coordinator, of which at most %d have a reason", n, coordinatorAllocations+1)
	}
}

// A shard that serves sends its image beside: pieces leave no garbage behind that grows with what they hold.
func TestPiecesLeaveNoGarbage(t *testing.T) {
	p := newShard()
	for i := range 10_000 {
		p.store.Put(fmt.Appendf(nil, "key-%08d", i), make([]byte, 100), txn.Position{Op: 1, Index: uint32(i)}, 1)
	}
	image := p.Image()
	const budget = 40_000
	piece := func() {
		if data, _, _, err := image.Piece(nil, budget); err != nil || len(data) != budget {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
	}
	piece()
	if n := testing.AllocsPerRun(20, piece); n > 10 {
		t.Errorf("a piece of some 300 keys takes %v allocations", n)
	}
}
