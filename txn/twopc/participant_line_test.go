package twopc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func TestLinearizableReadsAskForARound(t *testing.T) {
	o := newOne(t)
	o.Request(o.now, alice, wire.KindRead, readAs(1, true, "k"))
	o.Request(o.now, alice, wire.KindRead, readAs(2, true, "k"))
	o.gather()
	o.send(wire.KindRead, readAs(3, true, "k"))
	if len(o.replies) != 0 || len(o.tickets) != 2 || o.tickets[0] == o.tickets[1] {
		t.Fatalf("%d replies, tickets %v, want one for those that came together", len(o.replies), o.tickets)
	}
	o.put("k")
	o.Confirmed(o.now, o.tickets[0])
	o.Confirmed(o.now, o.tickets[0])
	o.gather()
	if got := o.values(); got != "v" || len(o.replies) != 2 {
		t.Errorf("%q, %d replies", got, len(o.replies))
	}
	if due, ok := o.NextDeadline(); !ok || due != o.now.Add(defaultReadBound) {
		t.Errorf("due at %d %v", due, ok)
	}
	o.Tick(o.now.Add(defaultReadBound))
	o.gather()
	if f := o.refusal(o.replies[2]); f.Reason != txn.ReasonNotReady || f.Nonce != 3 {
		t.Errorf("without a round: %+v", f)
	}
	o.Confirmed(o.now, o.tickets[1])
	o.gather()
	if len(o.replies) != 3 || o.Stats().Waiting != 0 {
		t.Error("a ticket was honoured after its refusal")
	}
}

// A request of an older sender, with fewer fields, has nothing of the request before it.
func TestAReadHasNothingOfTheOneBefore(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindRead, txn.ReadRequestBody.Append(nil, &txn.ReadRequest{Nonce: 1, Keys: [][]byte{[]byte("k")}, Time: 1}))
	before := len(o.replies)
	o.send(wire.KindRead, []byte{0x93, 2, 0x91, 0xC4, 1, 'k', 0xC3}) // nonce, keys, linearizable
	if len(o.replies) != before || len(o.tickets) != 1 {
		t.Errorf("%d replies, %d tickets: a linearizable read was answered without a round", len(o.replies)-before, len(o.tickets))
	}
	before = len(o.replies)
	o.send(wire.KindRead, []byte{0x91, 3}) // nonce
	if len(o.replies) > before {
		var values txn.ReadReply
		if r := o.replies[before]; r.Kind == wire.KindReadReply && txn.ReadReplyBody.Decode(r.Body, &values) == nil && len(values.Values) > 0 {
			t.Errorf("a read of no keys was answered with %d values", len(values.Values))
		}
	}
}

// A round that began after the second ticket was handed out began after both reads had come.
func TestATicketStandsForThoseBefore(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindRead, readAs(1, true, "k"))
	o.send(wire.KindRead, readAs(2, true, "k"))
	o.Confirmed(o.now, o.tickets[1])
	o.gather()
	if len(o.replies) != 2 || o.room.len() != 0 {
		t.Errorf("%d replies, %d wait", len(o.replies), o.room.len())
	}
}

func TestAReadDoesNotJoinARoundUnderWay(t *testing.T) {
	if joinsLate(t) {
		t.Error("a read was answered by a round that may have begun before it came")
	}
}

// joinsLate has a read come when the ticket of another has been handed out, and reports whether it is answered with that.
func joinsLate(t *testing.T) bool {
	o := newOne(t)
	o.send(wire.KindRead, readAs(1, true, "k"))
	o.send(wire.KindRead, readAs(2, true, "k"))
	o.Confirmed(o.now, o.tickets[0])
	o.gather()
	return len(o.replies) != 1
}

// One that came since the last Ready has no ticket, and is no part of any that others hold.
func TestAReadWithoutATicketIsNotConfirmed(t *testing.T) {
	o := newOne(t)
	o.Request(o.now, alice, wire.KindRead, readAs(1, true, "k"))
	o.Confirmed(o.now, 1<<60)
	o.gather()
	if len(o.replies) != 0 || len(o.tickets) != 1 {
		t.Errorf("%d replies, tickets %v", len(o.replies), o.tickets)
	}
}

// Whoever meets a prepared write when the round is done waits on, for no longer than if it had met it at once.
func TestAConfirmedReadWaitsForThePreparedWrite(t *testing.T) {
	o := hold(t, writes("k"))
	request := readAs(1, true, "a", "k")
	o.Request(o.now, alice, wire.KindRead, request)
	clear(request)
	o.send(wire.KindRead, readAs(2, true, "b"))
	o.Confirmed(o.now.Add(wire.Millisecond), o.tickets[0])
	o.gather()
	if len(o.replies) != 1 || o.room.len() != 1 {
		t.Fatalf("%d replies, %d wait", len(o.replies), o.room.len())
	}
	if due, ok := o.NextDeadline(); !ok || due > o.now.Add(defaultReadBound) {
		t.Errorf("due at %d %v", due, ok)
	}
	for nonce := range uint64(keptQuestions) { // in the memory of those that have left the line
		o.Request(o.now, alice, wire.KindRead, readAs(3+nonce, true, "x", "y"))
	}
	o.gather()
	o.replies = nil
	o.send(wire.KindCommit, commit(1))
	o.flush()
	if got := o.values(); got != "- v" {
		t.Errorf("%q", got)
	}
}

// A client asks again when it has heard nothing for some time. Whoever waits in line for that long takes one place.
func TestCopiesInLineTakeNoMorePlaces(t *testing.T) {
	o := newOne(t)
	for nonce := range uint64(3) {
		o.send(wire.KindRead, readAs(nonce, true, "k"))
	}
	o.now = o.now.Add(defaultRetry / 2)
	o.send(wire.KindRead, readAs(4, true, "k"))
	for range 100 {
		o.send(wire.KindRead, readAs(1, true, "k"))
	}
	o.sendFrom(bob, wire.KindRead, readAs(1, true, "k"))
	if o.room.len() != 5 {
		t.Errorf("%d wait, want 5", o.room.len())
	}
}

func TestTheLineIsBounded(t *testing.T) {
	o := newOne(t)
	for nonce := range uint64(maxWaiting) {
		o.Request(o.now, alice, wire.KindRead, readAs(nonce, true, "k"))
	}
	o.send(wire.KindRead, readAs(maxWaiting, true, "k"))
	if f := o.refusal(o.replies[0]); f.Reason != txn.ReasonOverloaded || len(o.replies) != 1 || o.Stats().Waiting != maxWaiting {
		t.Errorf("%+v, %d replies, %d wait", f, len(o.replies), o.Stats().Waiting)
	}
	o.Confirmed(o.now, o.tickets[0])
	o.gather()
	if len(o.replies) != 1+maxWaiting || o.room.len()+len(o.room.line.idle) != 0 {
		t.Errorf("%d replies, %d wait, the memory of %d cohorts is kept", len(o.replies), o.room.len(), len(o.room.line.idle))
	}
}

func TestTheLineKeepsLittle(t *testing.T) {
	o := newOne(t)
	for nonce := range uint64(2 * keptCohorts) {
		o.send(wire.KindRead, readAs(nonce, true, fmt.Sprint("key", nonce)))
	}
	o.Confirmed(o.now, o.tickets[len(o.tickets)-1])
	if n := len(o.room.line.idle); n != keptCohorts {
		t.Errorf("the memory of %d cohorts is kept", n)
	}
	for _, g := range o.room.line.idle {
		if len(g.questions)+len(g.keys)+len(g.text) != 0 || g.questions[:1][0].keys != nil || g.keys[:1][0] != nil {
			t.Fatalf("%+v", g)
		}
	}
}

func TestTicketsOfAnotherReignAreWorthNothing(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindRead, readAs(1, true, "k"))
	old := o.tickets[0]
	o.Request(o.now, alice, wire.KindRead, readAs(3, true, "k"))
	o.Follow(4)
	o.gather()
	if len(o.replies) != 2 || o.refusal(o.replies[1]).Reason != txn.ReasonNotLeader || o.Stats().Waiting != 0 {
		t.Errorf("%d of those in line were refused", len(o.replies))
	}
	if _, waits := o.NextDeadline(); waits {
		t.Error("somebody still waits")
	}
	o.Lead(o.now, 6)
	o.send(wire.KindRead, readAs(2, true, "k"))
	o.replies = nil
	o.Confirmed(o.now, old)
	o.gather()
	if len(o.replies) != 0 || o.tickets[1] == old {
		t.Error("a round of the old reign answered a read of the new one")
	}
}
