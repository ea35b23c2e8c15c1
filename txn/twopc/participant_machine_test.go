package twopc

import (
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func TestSessions(t *testing.T) {
	o := newOne(t)
	open := func(first uint64) Reply {
		return o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: first}))
	}
	session := func(r Reply) (out txn.SessionReply) {
		if err := txn.SessionReplyBody.Decode(r.Body, &out); err != nil {
			t.Fatal(r.Kind, err)
		}
		return out
	}
	o.log() // an empty entry, so that ops differ
	if got := session(open(1)); got != (txn.SessionReply{Client: me, First: 1, Session: 1}) {
		t.Errorf("opened again with the same number: %+v, want the op that opened it", got)
	}
	o.log(Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1})))
	if o.sessions[me].op != 1 {
		t.Error("a late copy of the opening entry moved the session")
	}
	o.want(o.status(wire.KindSubmit, submit(1, writes("a"))), txn.StatusCommitted, "in the session")
	other := enc(&txn.Submit{ID: tid(2), Session: 2, Work: writes("b")})
	o.want(o.status(wire.KindSubmit, other), txn.StatusExpired, "naming another opening")
	stranger := enc(&txn.Submit{ID: txn.ID{Client: 8, Seq: 1}, Session: 1, Work: writes("b")})
	o.want(o.status(wire.KindSubmit, stranger), txn.StatusExpired, "of a client without session")

	reopened := session(open(10))
	if reopened.Session != o.Applied() || o.sessions[me].mark != 10 {
		t.Errorf("reopened: %+v, mark %d", reopened, o.sessions[me].mark)
	}
	o.want(o.status(wire.KindSubmit, submit(11, writes("b"))), txn.StatusExpired, "of the session before")
	o.want(o.txnReply(open(1)).Status, txn.StatusExpired, "a late copy of the first opening")
	o.want(o.status(wire.KindResolve, resolve(1)), txn.StatusNone, "of what the new mark has passed")
	late := enc(&txn.Submit{ID: tid(1), Session: reopened.Session, Work: writes("a")})
	o.want(o.status(wire.KindSubmit, late), txn.StatusNone, "below the mark in the new session")
	if o.has("b") || len(o.sessions) != 1 {
		t.Error("something was applied that was not admitted")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	o := lead(t)
	var batch [][]byte
	for i := range maxSessions {
		batch = append(batch, Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: txn.ClientID(i + 1), First: 1})))
	}
	o.log(batch...)
	extra := enc(&txn.OpenSession{Client: maxSessions + 1, First: 1})
	o.want(o.status(wire.KindOpenSession, extra), txn.StatusFull, "one session too many")
	again := o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: 5, First: 2}))
	if again.Kind != wire.KindSessionReply {
		t.Errorf("a known client could not reopen its session: %v", again.Kind)
	}
	if len(o.sessions) != maxSessions {
		t.Errorf("%d sessions", len(o.sessions))
	}
}

func TestSubmitHasOneEffect(t *testing.T) {
	o := newOne(t)
	body := submit(1, writes("k"))
	first := o.txnReply(o.do(wire.KindSubmit, body))
	o.want(first.Status, txn.StatusCommitted, "first")
	before := o.value([]byte("k"))
	// A retry that reaches the log, past the leader's own look.
	o.log(Command(wire.KindSubmit, body), Command(wire.KindSubmit, body))
	if again := o.txnReply(o.do(wire.KindSubmit, body)); again.Status != first.Status || again.Time != first.Time {
		t.Errorf("retry: %+v, want %+v", again, first)
	}
	if after := o.value([]byte("k")); after.At != before.At {
		t.Errorf("written again at %v", after.At)
	}
}

func TestAnIDWithAnotherContentChangesNothing(t *testing.T) {
	o := newOne(t)
	o.status(wire.KindSubmit, submit(1, writes("k")))
	o.status(wire.KindPrepare, prepare(2, writes("p")))
	for name, c := range map[string]struct {
		kind wire.Kind
		body []byte
	}{
		"other work":             {wire.KindSubmit, submit(1, writes("x"))},
		"prepared for submitted": {wire.KindPrepare, prepare(1, writes("k"))},
		"submitted for prepared": {wire.KindSubmit, submit(2, writes("p"))},
		"other participants": {wire.KindPrepare, enc(&Prepare{
			ID: tid(2), Mark: 1, Members: []Member{{Group: 0, Session: 1}, {Group: 6, Session: 9}}, Work: writes("p"),
		})},
	} {
		o.want(o.status(c.kind, c.body), txn.StatusMismatch, name)
		o.log(Command(c.kind, c.body))
	}
	o.wantPrepared(2)
	if o.has("x") || o.records != 2 {
		t.Errorf("changed: x %v, %d records", o.has("x"), o.records)
	}
}

// The write skew of known bug 18: each of two transactions reads what the other writes, and neither key
// is there to carry a version.
func TestNoWriteSkew(t *testing.T) {
	for name, see := range map[string]func(o *one, key string) txn.Work{
		"absent": func(o *one, key string) txn.Work { return o.saw(key) },
		"range":  func(o *one, key string) txn.Work { return o.scanned(key, key+"~") },
		"deleted": func(o *one, key string) txn.Work {
			o.status(wire.KindSubmit, submit(uint64(key[0]), writes(key)))
			o.status(wire.KindSubmit, submit(uint64(key[0])+10, deletes(key)))
			return o.saw(key)
		},
	} {
		for _, oneShot := range []bool{true, false} {
			o := newOne(t)
			seenA, seenB := see(o, "a"), see(o, "b")
			first := join(seenA, writes("b"))
			second := join(seenB, writes("a"))
			if oneShot {
				o.want(o.status(wire.KindSubmit, submit(200, first)), txn.StatusCommitted, name+", first")
				o.want(o.status(wire.KindSubmit, submit(201, second)), txn.StatusNo, name+", second")
				continue
			}
			// Both in one batch: neither leader's queue comes between them.
			o.log(Command(wire.KindPrepare, prepare(200, first)), Command(wire.KindPrepare, prepare(201, second)))
			o.wantPrepared(200)
			o.want(o.status(wire.KindPrepare, prepare(201, second)), txn.StatusNo, name+", vote")
			o.status(wire.KindCommit, commit(200))
			o.want(o.status(wire.KindPrepare, prepare(202, second)), txn.StatusNo, name+", after the commit")
		}
	}
}

// What is read at the end of an op does not cover the commands of the next.
func TestReadsDoNotCoverLaterCommandsOfABatch(t *testing.T) {
	o := newOne(t)
	stale := join(o.saw("k"), writes("l"))
	o.log(Command(wire.KindSubmit, submit(1, writes("k"))), Command(wire.KindSubmit, submit(2, stale)))
	o.want(o.find(tid(1)).status, txn.StatusCommitted, "first of the batch")
	o.want(o.find(tid(2)).status, txn.StatusNo, "second of the batch")
}

func TestTwoPhases(t *testing.T) {
	o := newOne(t)
	vote := o.txnReply(o.do(wire.KindPrepare, prepare(1, writes("k"))))
	o.want(vote.Status, txn.StatusYes, "vote")
	if o.has("k") {
		t.Error("a prepared write is visible")
	}
	done := o.txnReply(o.do(wire.KindCommit, enc(&Commit{ID: tid(1), Time: vote.Time + 1000})))
	if done.Status != txn.StatusCommitted || done.Time != vote.Time+1000 {
		t.Errorf("%+v", done)
	}
	v, _ := o.store.Latest([]byte("k"))
	if v.Time != vote.Time+1000 || v.At.Op != o.Applied() || o.Clock() < v.Time {
		t.Errorf("written as %+v, clock %d", v, o.Clock())
	}
	o.wantPrepared()
	next := o.txnReply(o.do(wire.KindPrepare, prepare(2, writes("k"))))
	if next.Status != txn.StatusYes || next.Time <= done.Time {
		t.Errorf("a later vote is timed %d, not after %d", next.Time, done.Time)
	}
	o.want(o.status(wire.KindAbort, abort(2)), txn.StatusAborted, "abort")
	o.wantPrepared()
	if v, _ := o.store.Latest([]byte("k")); v.Time != done.Time {
		t.Error("an aborted write was applied")
	}
}

func TestReadOnlyParticipantsRaiseTheirClock(t *testing.T) {
	o := newOne(t)
	o.status(wire.KindPrepare, prepare(1, o.saw("k")))
	o.status(wire.KindCommit, enc(&Commit{ID: tid(1), Time: 5000}))
	if o.Clock() < 5000 {
		t.Errorf("clock %d", o.Clock())
	}
}

func TestTheLogsClockNeverFalls(t *testing.T) {
	o := newOne(t)
	last := o.Clock()
	for _, proposed := range []txn.Timestamp{100, 50, 0, 1000, -5, 1 << 62} {
		o.Apply(o.Applied()+1, proposed, [][]byte{Command(wire.KindResolve, resolve(1)), Command(wire.KindResolve, resolve(1))})
		if o.Clock() < last+2 || o.Clock() < proposed {
			t.Errorf("proposed %d after %d: clock %d", proposed, last, o.Clock())
		}
		last = o.Clock()
	}
	o.Apply(o.Applied()+1, 1<<63-1, [][]byte{nil, nil, nil})
	if o.Clock() != 1<<63-1 {
		t.Errorf("the clock passed its end: %d", o.Clock())
	}
}

// Known bug 21: a Commit where no Prepare was applies nothing and does not say that it did.
func TestCommitWithoutRecord(t *testing.T) {
	o := newOne(t)
	store, records := o.store.Hash(), o.records
	got := o.refusal(o.do(wire.KindCommit, commit(3)))
	if got.Reason != txn.ReasonMalformed || got.ID != tid(3) || o.alarms != 1 {
		t.Errorf("%+v, %d alarms", got, o.alarms)
	}
	if o.store.Hash() != store || o.records != records {
		t.Error("it changed something")
	}
	o.want(o.status(wire.KindPrepare, prepare(3, writes("k"))), txn.StatusYes, "the late prepare")
	o.status(wire.KindAbort, abort(3))

	o.status(wire.KindSubmit, enc(&txn.Submit{ID: tid(9), Session: 1, Mark: 9, Work: writes("m")}))
	o.want(o.status(wire.KindCommit, commit(3)), txn.StatusNone, "below the mark")
	stranger := enc(&Commit{ID: txn.ID{Client: 99, Seq: 1}})
	o.want(o.status(wire.KindCommit, stranger), txn.StatusNone, "without a session")
	if o.alarms != 1 {
		t.Errorf("%d alarms", o.alarms)
	}
}

func TestOutcomesByRecord(t *testing.T) {
	// Each state of a record, and what Commit, Abort and Resolve find and leave.
	states := map[string]func(*one){
		"none":    func(*one) {},
		"yes":     func(o *one) { o.status(wire.KindPrepare, prepare(1, writes("k"))) },
		"no":      func(o *one) { w := o.saw("z"); o.put("z"); o.status(wire.KindPrepare, prepare(1, w)) },
		"refused": func(o *one) { o.status(wire.KindResolve, resolve(1)) },
		"committed": func(o *one) {
			o.status(wire.KindPrepare, prepare(1, writes("k")))
			o.status(wire.KindCommit, commit(1))
		},
		"aborted":   func(o *one) { o.status(wire.KindPrepare, prepare(1, writes("k"))); o.status(wire.KindAbort, abort(1)) },
		"submitted": func(o *one) { o.status(wire.KindSubmit, submit(1, writes("k"))) },
	}
	const n = txn.Status(0) // an objection
	for _, c := range []struct {
		state                  string
		commit, abort, resolve txn.Status
	}{
		{"none", n, txn.StatusRefused, txn.StatusRefused},
		{"yes", txn.StatusCommitted, txn.StatusAborted, txn.StatusYes},
		{"no", txn.StatusNo, txn.StatusAborted, txn.StatusNo},
		{"refused", txn.StatusRefused, txn.StatusAborted, txn.StatusRefused},
		{"committed", txn.StatusCommitted, txn.StatusCommitted, txn.StatusCommitted},
		{"aborted", txn.StatusAborted, txn.StatusAborted, txn.StatusAborted},
		{"submitted", txn.StatusCommitted, txn.StatusCommitted, txn.StatusCommitted},
	} {
		for kind, x := range map[wire.Kind]struct {
			body []byte
			want txn.Status
		}{
			wire.KindCommit: {commit(1), c.commit}, wire.KindAbort: {abort(1), c.abort}, wire.KindResolve: {resolve(1), c.resolve},
		} {
			o := newOne(t)
			states[c.state](o)
			written := o.has("k")
			for range 2 { // asked for again, by request and by entry, the answer stays
				got := o.do(kind, x.body)
				if x.want == n {
					o.refusal(got)
					continue
				}
				if s := o.txnReply(got).Status; s != x.want && !(kind == wire.KindAbort && s == txn.StatusAborted) {
					t.Errorf("%v of %s: %v, want %v", kind, c.state, s, x.want)
				}
				o.log(Command(kind, x.body))
			}
			if now := o.has("k"); now != written && (c.state != "yes" || kind != wire.KindCommit) {
				t.Errorf("%v of %s changed the store", kind, c.state)
			}
			o.checkSum()
		}
	}
}

// put writes a key by a transaction of its own.
func (o *one) put(key string) {
	o.puts++
	o.log(Command(wire.KindSubmit, submit(1_000_000+o.puts, writes(key))))
}

// checkSum recounts what the machine keeps up with each change.
func (o *one) checkSum() {
	o.t.Helper()
	var sum uint64
	records, prepared, orphans := 0, []txn.ID{}, []txn.ID{}
	for _, s := range o.sessions {
		sum += s.digest()
		records += len(s.records)
		for i, r := range s.records {
			sum += r.digest()
			if r.status == txn.StatusYes {
				prepared = append(prepared, r.id)
			}
			if (r.prepare != nil) != (r.status == txn.StatusYes) || i > 0 && s.records[i-1].id.Seq >= r.id.Seq {
				o.t.Fatalf("record %+v", r)
			}
			if r.id.Seq < s.floor() && !r.needed() {
				o.t.Fatalf("%v lies below the mark %d and is kept as %v", r.id, s.mark, r.status)
			}
			if r.id.Seq < s.floor() && r.status == txn.StatusCommitted {
				orphans = append(orphans, r.id)
			}
		}
	}
	slices.SortFunc(prepared, txn.ID.Compare)
	slices.SortFunc(orphans, txn.ID.Compare)
	if !slices.Equal(orphans, append([]txn.ID{}, o.orphans.Items()...)) {
		o.t.Fatalf("orphans %v, kept %v", orphans, o.orphans.Items())
	}
	if sum != o.sum || records != o.records || !slices.Equal(prepared, append([]txn.ID{}, o.Prepared()...)) {
		o.t.Fatalf("kept sum %x, %d records, prepared %v; counted %x, %d, %v", o.sum, o.records, o.Prepared(), sum, records, prepared)
	}
}

func TestARefusedTransactionIsNeverPrepared(t *testing.T) {
	for name, refuse := range map[string]func(*one){
		"resolve": func(o *one) { o.want(o.status(wire.KindResolve, resolve(1)), txn.StatusRefused, "resolve") },
		"abort":   func(o *one) { o.want(o.status(wire.KindAbort, abort(1)), txn.StatusRefused, "abort") },
	} {
		o := newOne(t)
		refuse(o)
		o.want(o.status(wire.KindPrepare, prepare(1, writes("k"))), txn.StatusRefused, name+", then prepare")
		o.log(Command(wire.KindPrepare, prepare(1, writes("k"))))
		o.want(o.status(wire.KindSubmit, submit(1, writes("k"))), txn.StatusRefused, name+", then submit")
		o.wantPrepared()
		if o.has("k") {
			t.Errorf("%s: applied all the same", name)
		}
	}
}

// Known bug 25, on the voter's side: a prepare that arrives twice is one vote and one lock.
func TestADuplicatePrepareIsOneVote(t *testing.T) {
	o := newOne(t)
	body := prepare(1, writes("k"))
	o.log(Command(wire.KindPrepare, body), Command(wire.KindPrepare, body))
	o.log(Command(wire.KindPrepare, body))
	o.wantPrepared(1)
	if o.records != 1 {
		t.Errorf("%d records", o.records)
	}
	o.want(o.status(wire.KindCommit, commit(1)), txn.StatusCommitted, "commit")
	o.log(Command(wire.KindPrepare, body))
	o.want(o.status(wire.KindPrepare, body), txn.StatusCommitted, "prepare after the commit")
	o.wantPrepared()
}

func TestAYesIsNeverWithdrawn(t *testing.T) {
	o := newOne(t)
	body := prepare(1, writes("k"))
	o.status(wire.KindPrepare, body)
	for name, act := range map[string]func(){
		"resolved":                   func() { o.want(o.status(wire.KindResolve, resolve(1)), txn.StatusYes, "resolve") },
		"prepared again":             func() { o.want(o.status(wire.KindPrepare, body), txn.StatusYes, "prepare") },
		"aborted because of itself":  func() { o.status(wire.KindAbort, enc(&Abort{ID: tid(1), Because: 0})) },
		"aborted because of another": func() { o.status(wire.KindAbort, enc(&Abort{ID: tid(1), Because: 4})) },
		"another content":            func() { o.status(wire.KindPrepare, prepare(1, writes("x"))) },
		"a conflicting submit":       func() { o.log(Command(wire.KindSubmit, submit(2, writes("k")))) },
		"time passes":                func() { o.now += wire.Time(3600 * wire.Second); o.Tick(o.now) },
		"the leader goes":            func() { o.Follow(4); o.Lead(o.now, 6) },
		"the mark passes": func() {
			o.log(Command(wire.KindSubmit, enc(&txn.Submit{ID: tid(50), Session: 1, Mark: 50, Work: writes("m")})))
		},
		"the session reopens": func() { o.log(Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 60}))) },
	} {
		act()
		o.wantPrepared(1)
		if r := o.find(tid(1)); r == nil || r.status != txn.StatusYes || o.has("k") {
			t.Errorf("%s: the vote is gone: %+v", name, r)
		}
	}
	o.checkSum()
	o.want(o.status(wire.KindCommit, commit(1)), txn.StatusCommitted, "commit, at last")
	if !o.has("k") {
		t.Error("the write is lost")
	}
	o.want(o.status(wire.KindResolve, resolve(1)), txn.StatusCommitted, "asked by another participant, below the mark")
	o.log(Command(wire.KindForget, enc(&Forget{tid(1)})))
	if o.find(tid(1)) != nil || o.orphans.Len() != 0 {
		t.Error("a record that nobody needs is kept")
	}
}

func TestMarksForget(t *testing.T) {
	o := newOne(t)
	for seq := uint64(1); seq <= 5; seq++ {
		o.status(wire.KindSubmit, submit(seq, writes("k")))
	}
	o.want(o.status(wire.KindPrepare, prepare(6, writes("p"))), txn.StatusYes, "prepare")
	o.status(wire.KindSubmit, enc(&txn.Submit{ID: tid(8), Session: 1, Mark: 8, Work: writes("k")}))
	if o.records != 2 {
		t.Errorf("%d records, want the prepared one and the new one", o.records)
	}
	o.want(o.status(wire.KindResolve, resolve(3)), txn.StatusNone, "below the mark")
	o.want(o.status(wire.KindResolve, resolve(6)), txn.StatusYes, "below the mark, but prepared")
	o.want(o.status(wire.KindSubmit, submit(3, writes("k"))), txn.StatusNone, "a late copy")
	o.want(o.status(wire.KindAbort, abort(2)), txn.StatusNone, "abort below the mark")
	o.checkSum()
}
