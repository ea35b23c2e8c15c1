package twopc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// A delete gets through when the client has as many records as it may, and no put does. The reserve is bounded.
func TestDeletesGetThroughAboveTheRecords(t *testing.T) {
	o := newOne(t)
	var batch [][]byte
	for i := range uint64(maxRecords) {
		batch = append(batch, Command(wire.KindSubmit, submit(i+1, writes("k"))))
	}
	o.log(batch...)
	o.send(wire.KindSubmit, submit(maxRecords+1, writes("k")))
	o.wantOverload("too many transactions of this client")
	for i := range uint64(reservedRecords) {
		o.want(o.status(wire.KindSubmit, submit(maxRecords+2+i, deletes("k"))), txn.StatusCommitted, "a delete")
	}
	if o.has("k") {
		t.Error("the key is still there")
	}
	o.send(wire.KindSubmit, submit(1<<20, deletes("k")))
	o.wantOverload("too many transactions of this client")
	raised := enc(&txn.Submit{ID: tid(1<<20 + 1), Session: 1, Mark: maxRecords, Work: deletes("k")})
	o.want(o.status(wire.KindSubmit, raised), txn.StatusCommitted, "the one that raises the mark")
}

// A delete of a locked key waits in a place of its own when all others are taken, and is carried out as soon as the
// lock is gone.
func TestDeletesWaitInReservedPlaces(t *testing.T) {
	o := hold(t, writes("k"))
	seq := uint64(2)
	for ; o.room.len() < maxWaiting; seq++ {
		o.send(wire.KindSubmit, submit(seq, writes("k")))
	}
	o.wantAnswers("")
	o.send(wire.KindSubmit, submit(seq, writes("k")))
	o.wantOverload("too many requests wait")
	o.replies = nil
	seq++
	for range reservedWaiting {
		o.send(wire.KindSubmit, submit(seq, deletes("k")))
		seq++
	}
	o.wantAnswers("")
	o.send(wire.KindSubmit, submit(seq, deletes("k")))
	o.wantOverload("too many requests wait")
	if n := o.room.len(); n != maxWaiting+reservedWaiting {
		t.Errorf("%d wait", n)
	}
	o.want(o.status(wire.KindSubmit, submit(seq+1, deletes("other"))), txn.StatusCommitted, "one that need not wait")
	o.replies = nil
	o.status(wire.KindCommit, commit(1))
	if answers := o.answered(); strings.Count(answers, "committed") != maxWaiting+reservedWaiting+1 || o.has("k") {
		t.Errorf("%d were carried out", strings.Count(answers, "committed"))
	}
}

// open is a client's request for a session.
func (o *one) open(client txn.ClientID, first uint64, clears bool) (session txn.SessionReply, status txn.Status) {
	o.t.Helper()
	r := o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: client, First: first, Clears: clears}))
	if r.Kind != wire.KindSessionReply {
		return session, o.txnReply(r).Status
	}
	if err := txn.SessionReplyBody.Decode(r.Body, &session); err != nil {
		o.t.Fatalf("%v", err)
	}
	return session, 0
}

// crowd fills all sessions but those reserved.
func crowd(t *testing.T) *one {
	o := lead(t)
	var batch [][]byte
	for i := range maxSessions {
		batch = append(batch, Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: txn.ClientID(i + 1), First: 1})))
	}
	o.log(batch...)
	return o
}

// A client that finds no place can still delete, and nothing else. It is given a whole session when there is one.
func TestReservedSessionsAdmitOnlyDeletes(t *testing.T) {
	const late = maxSessions + 1
	o := crowd(t)
	id := func(seq uint64) txn.ID { return txn.ID{Client: late, Seq: seq} }
	if _, status := o.open(late, 1, false); status != txn.StatusFull {
		t.Errorf("one session too many: %v", status)
	}
	s, _ := o.open(late, 2, true)
	if again, _ := o.open(late, 2, true); !s.Reserved || again != s {
		t.Fatalf("%+v, and again %+v", s, again)
	}
	put := func(seq uint64, session wire.Op) txn.Status {
		return o.status(wire.KindSubmit, enc(&txn.Submit{ID: id(seq), Session: session, Work: writes("k")}))
	}
	remove := func(seq uint64, session wire.Op) txn.Status {
		return o.status(wire.KindSubmit, enc(&txn.Submit{ID: id(seq), Session: session, Work: deletes("k")}))
	}
	o.want(put(3, s.Session), txn.StatusFull, "a put")
	prepared := enc(&Prepare{ID: id(4), Members: []Member{{Group: 0, Session: s.Session}}, Work: deletes("k")})
	o.want(o.status(wire.KindPrepare, prepared), txn.StatusFull, "a part of a larger transaction")
	if o.find(id(3)) != nil || o.find(id(4)) != nil || o.has("k") || o.locks.Len() != 0 {
		t.Error("what was turned away left something behind")
	}
	o.want(remove(5, s.Session), txn.StatusCommitted, "a delete")
	if _, status := o.open(late, 6, false); status != txn.StatusFull {
		t.Errorf("a whole session: %v", status)
	}
	o.want(remove(7, s.Session), txn.StatusCommitted, "a delete after a whole session was refused")

	first := o.sessions[1]
	o.log(Command(wire.KindExpire, enc(&Expire{Client: 1, Session: first.op, Used: first.used})))
	whole, status := o.open(late, 8, true)
	if status != 0 || whole.Reserved {
		t.Fatalf("there is room: %+v %v", whole, status)
	}
	o.want(put(9, whole.Session), txn.StatusCommitted, "a put")
	if o.reserved != 0 || len(o.sessions) != maxSessions {
		t.Errorf("%d sessions, %d reserved", len(o.sessions), o.reserved)
	}
}

// Reserved sessions are bounded, expire like others, and travel in images.
func TestReservedSessionsAreBounded(t *testing.T) {
	o := crowd(t)
	for i := range txn.ClientID(reservedSessions) {
		if s, status := o.open(maxSessions+1+i, 1, true); !s.Reserved {
			t.Fatalf("reserved session %d: %+v %v", i, s, status)
		}
	}
	if _, status := o.open(1<<30, 1, true); status != txn.StatusFull {
		t.Errorf("one too many: %v", status)
	}
	if s, status := o.open(5, 2, true); status != 0 || s.Reserved {
		t.Errorf("one that has a whole session opens it anew: %+v %v", s, status)
	}
	copied := follow(t, o)
	if copied.reserved != reservedSessions || copied.Hash() != o.Hash() {
		t.Errorf("an image has %d reserved sessions", copied.reserved)
	}
	s := o.sessions[maxSessions+1]
	o.log(Command(wire.KindExpire, enc(&Expire{Client: s.client, Session: s.op, Used: s.used})))
	if o.reserved != reservedSessions-1 {
		t.Errorf("%d reserved when one has expired", o.reserved)
	}
	if s, status := o.open(1<<30, 2, true); !s.Reserved {
		t.Errorf("there is room again: %v", status)
	}
}

// follow returns a participant that was sent another's image.
func follow(t *testing.T, o *one) *Participant {
	t.Helper()
	p := NewParticipant(o.cfg)
	staging, image := p.Stage(), o.Image()
	var cursor []byte
	for last := false; !last; {
		var data []byte
		var err error
		if data, cursor, last, err = image.Piece(cursor, 1<<16); err != nil {
			t.Fatal(err)
		}
		if err := staging.Add(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := staging.Complete(); err != nil {
		t.Fatal(err)
	}
	p.Adopt(staging)
	return p
}

// What takes a reserve is small, so that a reserve is.
func TestReservesAreForSmallDeletes(t *testing.T) {
	long := strings.Repeat("x", txn.MaxKeyBytes)
	var many []string
	for i := range maxClearedEntries + 1 {
		many = append(many, fmt.Sprint("k", i))
	}
	o := newOne(t)
	for name, c := range map[string]struct {
		work txn.Work
		want bool
	}{
		"one delete":              {deletes("k"), true},
		"of the longest key":      {deletes(long), true},
		"with a read of it":       {join(o.saw(long), deletes(long)), true},
		"of three long keys":      {deletes(long, long[1:], long[2:]), false},
		"of many keys":            {deletes(many...), false},
		"of as many as may be":    {deletes(many[1:]...), true},
		"with a put":              {join(deletes("k"), writes("l")), false},
		"with a scan":             {join(o.scanned("a", "b"), deletes("k")), false},
		"nothing":                 {o.saw("k"), false},
		"a delete with a payload": {txn.Work{Writes: []txn.Write{{Key: []byte("k"), Value: []byte("v"), Delete: true}}}, false},
	} {
		if got := clears(&c.work); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
