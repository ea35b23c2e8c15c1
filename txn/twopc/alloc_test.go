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
		q.store.CollectSome(q.clock-100, 8)
	}
}

// A command takes no memory, whatever it is made of within what is usual: retwis reads up to ten keys and writes up to five.
func TestHotPathAllocations(t *testing.T) {
	p := newHotPath(t)
	for _, c := range []struct{ reads, writes int }{{0, 1}, {2, 2}, {10, 5}, {1, 0}} {
		p.submit.Work = txn.Work{}
		for i := range c.reads {
			p.submit.Work.Reads = append(p.submit.Work.Reads, txn.Read{Key: fmt.Appendf(nil, "key of a read %02d", i)})
		}
		for i := range c.writes {
			p.submit.Work.Writes = append(p.submit.Work.Writes, txn.Write{Key: fmt.Appendf(nil, "key of write %03d", i), Value: make([]byte, 100)})
		}
		for range 1000 { // all that is kept for the next one is there
			p.put(t)
		}
		if n := testing.AllocsPerRun(1000, func() { p.put(t) }); n != 0 {
			t.Errorf("%v allocations on the way of a command of %d reads and %d writes", n, c.reads, c.writes)
		}
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

// readInLine has as many reads as come in one turn confirmed, and answered.
func (p *hotPath) readInLine(t testing.TB, request *txn.ReadRequest, reads int) {
	for range reads {
		request.Nonce++
		p.body = txn.ReadRequestBody.Append(p.body[:0], request)
		p.leader.Request(0, alice, wire.KindRead, p.body)
	}
	r := p.leader.Ready()
	p.leader.Confirmed(0, r.Confirm.Number)
	if r = p.leader.Ready(); len(r.Replies) != reads || r.Replies[0].Kind != wire.KindReadReply {
		t.Fatalf("answered with %v", r.Replies)
	}
}

// Nor does a read that waits for the leader's round, in the memory of those before.
func TestLinearizableReadsAllocateNothing(t *testing.T) {
	p := newHotPath(t)
	request := txn.ReadRequest{Linearizable: true, Keys: [][]byte{p.submit.Work.Writes[0].Key, []byte("absent")}}
	read := func() {
		p.readInLine(t, &request, 64)
		p.readInLine(t, &request, 1)
	}
	for range 100 {
		read()
	}
	if n := testing.AllocsPerRun(1000, read); n != 0 {
		t.Errorf("%v allocations for 65 reads", n)
	}
}

func BenchmarkLinearizableReads(b *testing.B) {
	p := newHotPath(b)
	request := txn.ReadRequest{Linearizable: true, Keys: [][]byte{p.submit.Work.Writes[0].Key}}
	const reads = 10
	b.ReportAllocs()
	for b.Loop() {
		p.readInLine(b, &request, reads)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/reads, "ns/read")
}

func BenchmarkHotPath(b *testing.B) {
	p := newHotPath(b)
	b.ReportAllocs()
	for b.Loop() {
		p.put(b)
	}
}

func BenchmarkHotPathOfTwoReadsAndTwoWrites(b *testing.B) {
	p := newHotPath(b)
	work := &p.submit.Work
	work.Writes = append(work.Writes, txn.Write{Key: []byte("0123456789abcdeg"), Value: make([]byte, 100)})
	work.Reads = []txn.Read{{Key: []byte("0123456789abcdeh")}, {Key: []byte("0123456789abcdei")}}
	b.ReportAllocs()
	for b.Loop() {
		p.put(b)
	}
}

// coordinatorAllocations: none, for what a transaction takes is that of another, which has ended.
const coordinatorAllocations = 0

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
