package twopc

import (
	"bytes"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func TestARecordThatAnImageMayHoldIsNotUsedAgain(t *testing.T) {
	m := newMachine(realm{})
	m.generation = 1
	r := &record{id: txn.ID{Client: 1, Seq: 2}}
	m.scrap(&session{}, r)
	if len(m.spare) != 0 || r.id.Seq != 2 {
		t.Error("it was")
	}
	m.scrap(&session{generation: 1}, r)
	if len(m.spare) != 1 || m.newRecord() != r || r.id.Seq != 0 {
		t.Error("the other was not, or holds what it held")
	}
}

func TestAFlightUnderWayIsNotRetired(t *testing.T) {
	for name, prepare := range map[string]func(*desk, *flight){
		"on the desk": func(d *desk, f *flight) { d.embark(f) },
		"waiting":     func(_ *desk, f *flight) { f.waiter = &f.wait },
	} {
		d := newDesk()
		f := d.board(wire.KindSubmit, nil)
		prepare(&d, f)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was", name)
				}
			}()
			d.retire(f)
		}()
	}
}

func TestTextsOfASheetStayAsTheyWere(t *testing.T) {
	var s sheet
	var texts [][]byte
	for i := range 3000 {
		text := s.text(func(to []byte) []byte { return append(to, bytes.Repeat([]byte{byte(i)}, i*7%700)...) })
		texts = append(texts, text)
		if cap(text) != len(text) {
			t.Fatalf("text %d has room to grow into the next", i)
		}
	}
	for i, text := range texts {
		if !bytes.Equal(text, bytes.Repeat([]byte{byte(i)}, i*7%700)) {
			t.Fatalf("text %d was overwritten", i)
		}
	}
	s.turn()
	fill := func(to []byte) []byte { return append(to, "now"...) }
	if a, b := s.text(fill), s.page[:3]; &a[0] != &b[0] {
		t.Error("after the turn other memory was taken")
	}
}

func TestAnswersStayUntilTheNextReady(t *testing.T) {
	if !answersStay(t) {
		t.Error("an answer that Ready had returned was overwritten before the next call")
	}
}

// answersStay has a read answered, and looks at the answer when others are waiting to be sent.
func answersStay(t *testing.T) bool {
	o := newOne(t)
	ask := func(nonce uint64) {
		o.Request(o.now, alice, wire.KindRead, enc(&txn.ReadRequest{Nonce: nonce, Keys: [][]byte{[]byte("k")}}))
	}
	ask(1)
	first := o.Ready().Replies[0].Body
	ask(2)
	ask(3)
	var reply txn.ReadReply
	return txn.ReadReplyBody.Decode(first, &reply) == nil && reply.Nonce == 1
}

func TestBytesOfProposalsStay(t *testing.T) {
	if !proposalsStay(t) {
		t.Error("what was proposed was overwritten before it was applied")
	}
}

// proposalsStay proposes commands of one size in turn, has the log apply each when the next is there already, and compares what it
// applies with what was asked for.
func proposalsStay(t *testing.T) bool {
	o := newOne(t)
	ask := func(seq uint64) (proposed, want []byte) {
		body := submit(seq, writes("k"))
		o.Request(o.now, alice, wire.KindSubmit, body)
		return o.Ready().Propose[0], Command(wire.KindSubmit, body)
	}
	last, want := ask(2)
	for seq := uint64(3); seq < 20; seq++ {
		next, wantNext := ask(seq)
		if !bytes.Equal(last, want) {
			return false
		}
		o.Apply(o.Applied()+1, 0, [][]byte{bytes.Clone(last)})
		last, want = next, wantNext
	}
	return bytes.Equal(last, want)
}

// A peer may make two commands of one hash. Then a flight can land by an entry that was not made of its own bytes, while the log's
// queue still refers to these.
func TestBytesAreNotUsedAgainWhenAFlightMadeWayForAnother(t *testing.T) {
	if !displacedStays(t) {
		t.Error("a proposal was overwritten while it was in the queue")
	}
}

func displacedStays(t *testing.T) bool {
	o := newOne(t)
	body := submit(2, writes("k"))
	ask := func() []byte {
		o.Request(o.now, alice, wire.KindSubmit, body)
		return o.Ready().Propose[0]
	}
	first := ask()
	f := o.flightOf(first)
	other := &flight{command: command{hash: f.hash}}
	o.embark(other)
	o.land(other, false) // the log did not take it
	second := ask()
	o.Apply(o.Applied()+1, 0, [][]byte{bytes.Clone(first)})
	o.Request(o.now, alice, wire.KindSubmit, submit(3, writes("k")))
	return bytes.Equal(second, Command(wire.KindSubmit, body))
}

// The next reign begins with an empty queue.
func TestBytesAreUsedAgainInTheNextReign(t *testing.T) {
	o := newOne(t)
	o.displaced = true
	o.Follow(4)
	if o.displaced {
		t.Error("they are not")
	}
}

func TestListsOfASubmitAreUsedAgain(t *testing.T) {
	var s submission
	body := func(reads, writes int) []byte {
		work := txn.Work{Reads: make([]txn.Read, reads), Writes: make([]txn.Write, writes)}
		for i := range work.Writes {
			work.Writes[i].Key = []byte("k")
		}
		return txn.SubmitBody.Append(nil, &txn.Submit{Work: work})
	}
	decode := func(b []byte) {
		s.clear()
		if err := txn.SubmitBody.DecodeShared(b, &s.Submit); err != nil {
			t.Fatal(err)
		}
	}
	decode(body(10, 5))
	reads, writes := &s.Work.Reads[0], s.Work.Writes
	decode(body(1, 0))
	if &s.Work.Reads[0] != reads || writes[4].Key != nil {
		t.Error("they are not, or hold what they held")
	}
	decode(body(10, 5))
	if &s.Work.Reads[0] != reads || &s.Work.Writes[0] != &writes[0] {
		t.Error("one that was too large for what came between is lost")
	}
	decode(body(keptEntries+1, 1))
	decode(body(1, 1))
	if cap(s.Work.Reads) > keptEntries {
		t.Errorf("room for %d reads is kept", cap(s.Work.Reads))
	}
}

func TestLargeCommandsAreNotKept(t *testing.T) {
	d := newDesk()
	f := d.board(wire.KindSubmit, make([]byte, keptBytes))
	d.retire(f)
	if d.idle[0] != f || f.bytes != nil {
		t.Errorf("room for %d bytes is kept", cap(f.bytes))
	}
}
