package twopc

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func endSession(session wire.Op, mark uint64) []byte {
	return enc(&txn.EndSession{Client: me, First: 1, Session: session, Mark: mark})
}

// What names a session that was ended is refused, a copy of what was done in it included, and is never done anew: not
// even when a late copy of what opened the session opens another.
func TestNothingIsDoneAnewInAnEndedSession(t *testing.T) {
	o := newOne(t)
	o.want(o.status(wire.KindSubmit, submit(2, writes("k"))), txn.StatusCommitted, "a write")
	o.want(o.status(wire.KindEndSession, endSession(1, 3)), txn.StatusExpired, "the end")
	if len(o.sessions) != 0 || o.records != 0 {
		t.Fatalf("%d sessions and %d records are left", len(o.sessions), o.records)
	}
	late := func(when string) {
		t.Helper()
		o.want(o.status(wire.KindSubmit, submit(2, writes("k"))), txn.StatusExpired, when+": a late copy of the write")
		o.want(o.status(wire.KindSubmit, submit(3, writes("l"))), txn.StatusExpired, when+": a write that the session never saw")
		o.want(o.status(wire.KindPrepare, prepare(4, writes("m"))), txn.StatusExpired, when+": a prepare")
		o.want(o.status(wire.KindEndSession, endSession(1, 3)), txn.StatusExpired, when+": a copy of the end")
		if o.has("l") || o.has("m") || o.records != 0 || o.locks.Len() != 0 || o.Stats().Alarms != 0 {
			t.Errorf("%s: something was done", when)
		}
	}
	late("ended")
	o = newOne(t)
	o.do(wire.KindSubmit, submit(2, writes("k")))
	o.do(wire.KindEndSession, endSession(1, 3))
	o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1}))
	if s := o.sessions[me]; s == nil || s.op == 1 {
		t.Fatalf("%+v: want a session opened by another op", s)
	}
	late("opened by a late copy")
	if len(o.sessions) != 1 {
		t.Error("the end of one session ended another")
	}
}

// What is prepared outlives its session, and so does a commit that others may ask about, unless the client's last
// word is that all have applied it.
func TestAnEndLeavesWhatOthersNeed(t *testing.T) {
	for _, c := range []struct {
		mark    uint64
		records int
	}{{1, 1}, {3, 0}} {
		o := newOne(t)
		o.want(o.status(wire.KindPrepare, prepare(2, writes("k"))), txn.StatusYes, "a prepare")
		if c.mark == 1 {
			o.want(o.status(wire.KindEndSession, endSession(1, 1)), txn.StatusExpired, "the end")
			if len(o.Prepared()) != 1 {
				t.Fatal("a vote was withdrawn")
			}
		}
		o.want(o.status(wire.KindCommit, commit(2)), txn.StatusCommitted, "the commit")
		if c.mark != 1 {
			o.want(o.status(wire.KindEndSession, endSession(1, c.mark)), txn.StatusExpired, "the end")
		}
		if !o.has("k") || o.records != c.records || len(o.sessions) != c.records {
			t.Errorf("mark %d: %d records and %d sessions, want %d", c.mark, o.records, len(o.sessions), c.records)
		}
	}
}

// A client ends the sessions in which nothing is under way, asks until it is told, and follows a leader.
func TestCoordinatorEndsItsSessions(t *testing.T) {
	c := single(t, func(*CoordinatorConfig) {})
	c.Ready()
	c.End(0)
	r := c.Ready()
	var e txn.EndSession
	if len(r.Send) != 1 || r.Send[0].Kind != wire.KindEndSession || txn.EndSessionBody.Decode(r.Send[0].Body, &e) != nil {
		t.Fatalf("%+v", r.Send)
	}
	if want := (txn.EndSession{Client: 0xc, First: 1, Session: 1, Mark: 3}); e != want || c.Ending() != 1 {
		t.Errorf("%+v, want %+v", e, want)
	}
	id := txn.ID{Client: 0xc, Seq: 1}
	c.Step(0, Target{}, wire.KindRefusal, enc(&txn.Refusal{Kind: wire.KindEndSession, ID: id, Reason: txn.ReasonNotLeader, View: 1}))
	if r = c.Ready(); len(r.Send) != 1 || r.Send[0].To.Replica != 1 {
		t.Errorf("it does not follow the leader: %+v", r.Send)
	}
	due, _ := c.NextDeadline()
	c.Tick(due)
	if r = c.Ready(); len(r.Send) != 1 || r.Send[0].Kind != wire.KindEndSession {
		t.Errorf("a lost end is not repeated: %+v", r.Send)
	}
	c.Step(due, Target{Replica: 1}, wire.KindTxnReply, enc(&txn.TxnReply{ID: id, Status: txn.StatusExpired}))
	if _, more := c.NextDeadline(); more || c.Ending() != 0 {
		t.Error("it does not rest when it is told")
	}
	c.End(due)
	if r = c.Ready(); len(r.Send) != 0 {
		t.Errorf("ended twice: %+v", r.Send)
	}
	c.Commit(due, 5, putWork("k"))
	if r = c.Ready(); len(r.Send) != 1 || r.Send[0].Kind != wire.KindOpenSession {
		t.Errorf("one who goes on opens a session: %+v", r.Send)
	}
}

func TestSessionsThatMayNotBeEnded(t *testing.T) {
	stuck := single(t, func(*CoordinatorConfig) {})
	stuck.Commit(0, 1, putWork("k"))
	asked := single(t, func(*CoordinatorConfig) {})
	asked.links[0].doubled = true
	for name, c := range map[string]*Coordinator{"a transaction is under way": stuck, "it may be opened again": asked} {
		c.Ready()
		c.End(0)
		if r := c.Ready(); len(r.Send) != 0 || c.Ending() != 0 {
			t.Errorf("%s: %+v", name, r.Send)
		}
	}
}

// A copy that was refused opens nothing any more; one that is merely unanswered may.
func TestCopiesOfAnOpening(t *testing.T) {
	for _, doubled := range []bool{false, true} {
		c := NewCoordinator(testConfig(1))
		c.Commit(0, 1, putWork("k"))
		to := c.Ready().Send[0].To
		if doubled {
			due, _ := c.NextDeadline()
			c.Tick(due)
		} else {
			c.Step(0, to, wire.KindRefusal, enc(&txn.Refusal{Kind: wire.KindOpenSession, ID: txn.ID{Client: 0xc, Seq: 1}, Reason: txn.ReasonNotLeader, View: 1}))
		}
		to = c.Ready().Send[0].To
		c.Step(0, to, wire.KindSessionReply, enc(&txn.SessionReply{Client: 0xc, First: 1, Session: 1}))
		if got := c.links[to.Group].doubled; got != doubled {
			t.Errorf("doubled is %v, want %v", got, doubled)
		}
	}
}
