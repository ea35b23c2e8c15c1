package twopc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// answered takes the replies that have come for transactions, as "seq status" in order.
func (o *one) answered() string {
	o.t.Helper()
	var out []string
	for _, r := range o.replies {
		if r.Kind == wire.KindRefusal {
			f := o.refusal(r)
			out = append(out, f.ID.String()[17:]+" "+f.Reason.String())
			continue
		}
		x := o.txnReply(r)
		out = append(out, x.ID.String()[17:]+" "+x.Status.String())
	}
	o.replies = nil
	return strings.Join(out, ", ")
}

func (o *one) wantAnswers(want string) {
	o.t.Helper()
	if got := o.answered(); got != want {
		o.t.Errorf("answered %q, want %q", got, want)
	}
}

// hold prepares transaction 1 with some work.
func hold(t *testing.T, w txn.Work) *one {
	o := newOne(t)
	o.want(o.status(wire.KindPrepare, prepare(1, w)), txn.StatusYes, "hold")
	o.replies = nil
	return o
}

func TestWritersWaitInOrderOfArrival(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	o.send(wire.KindPrepare, prepare(3, writes("k")))
	o.send(wire.KindSubmit, submit(4, writes("k")))
	o.wantPending()
	o.wantAnswers("")

	o.send(wire.KindCommit, commit(1))
	o.wantPending(1)
	batch := o.pending
	o.pending = nil
	o.log(batch...)
	o.wantPending(2) // 3 and 4 would only be voted down behind it
	o.send(wire.KindPrepare, prepare(5, writes("k")))
	o.wantPending(2) // who comes now does not overtake them
	o.flush()
	o.wantPrepared(2)
	o.wantAnswers("1 committed, 2 yes")

	o.send(wire.KindAbort, abort(2))
	o.flush()
	o.wantPrepared(3)
	o.send(wire.KindCommit, commit(3))
	o.flush()
	o.wantAnswers("2 aborted, 3 yes, 3 committed, 4 committed, 5 yes")
	if o.room.len() != 0 || len(o.flights) != 0 || o.claims.Len() != 0 {
		t.Errorf("left behind: %+v", o.Stats())
	}
}

func TestAWaiterKeepsItsPlaceFromKeyToKey(t *testing.T) {
	o := hold(t, writes("a"))
	o.want(o.status(wire.KindPrepare, prepare(2, writes("b"))), txn.StatusYes, "hold b")
	o.send(wire.KindPrepare, prepare(3, writes("a", "b"))) // waits for a
	o.send(wire.KindPrepare, prepare(4, writes("b")))      // waits for b
	o.status(wire.KindAbort, abort(1))                     // now 3 waits for b as well
	o.replies = nil
	o.status(wire.KindAbort, abort(2))
	o.wantAnswers("2 aborted, 3 yes")
	o.status(wire.KindAbort, abort(3))
	o.wantAnswers("3 aborted, 4 yes")
}

func TestOneThatWaitsIsAnsweredByTheLog(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	o.log(Command(wire.KindPrepare, prepare(2, writes("k")))) // as another leader proposed it
	o.wantAnswers("2 no")
	o.status(wire.KindAbort, abort(1))
	o.wantAnswers("1 aborted")
	if o.Applied() != 4 || o.room.len() != 0 {
		t.Errorf("proposed again: op %d, %d wait", o.Applied(), o.room.len())
	}
}

func TestSubmitsDoNotHinderEachOther(t *testing.T) {
	o := hold(t, writes("k"))
	for seq := uint64(2); seq < 5; seq++ {
		o.send(wire.KindSubmit, submit(seq, writes("k")))
	}
	o.wantPending()
	o.status(wire.KindCommit, commit(1))
	o.wantAnswers("1 committed, 2 committed, 3 committed, 4 committed")
	if o.Applied() != 4 {
		t.Errorf("three blind writes took %d entries, want one", o.Applied()-3)
	}
}

func TestAPrepareInFlightIsWaitedFor(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindPrepare, join2(o.saw("k"), writes("k"), 1))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	o.wantPending(1)
	o.put("k") // the first one loses
	o.flush()
	o.wantAnswers("1 no, 2 yes")
}

func join2(a, b txn.Work, seq uint64) []byte { return prepare(seq, join(a, b)) }

func TestEveryLockIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct{ held, next txn.Work }{
		"write after write":       {writes("k"), writes("k")},
		"write after read":        {txn.Work{Reads: []txn.Read{{Key: []byte("k"), At: txn.After(1)}}}, writes("k")},
		"write inside a scan":     {txn.Work{Ranges: []txn.Range{{Start: []byte("a"), End: []byte("z"), At: txn.After(1)}}}, writes("k")},
		"write in an open scan":   {txn.Work{Ranges: []txn.Range{{Start: []byte("a"), At: txn.After(1)}}}, writes("k")},
		"read after write":        {writes("k"), txn.Work{Reads: []txn.Read{{Key: []byte("k"), At: txn.After(9)}}}},
		"scan over a write":       {writes("k"), txn.Work{Ranges: []txn.Range{{Start: []byte("a"), At: txn.After(9)}}}},
		"the second key of three": {writes("x", "k", "y"), writes("a", "k", "b")},
	} {
		o := hold(t, c.held)
		o.send(wire.KindPrepare, prepare(2, c.next))
		if len(o.pending) != 0 || o.room.len() != 1 {
			t.Errorf("%s: proposed against a lock", name)
		}
		o.status(wire.KindAbort, abort(1))
		o.wantPrepared(2)
		o.wantAnswers("1 aborted, 2 yes")
	}
}

func TestWaitingIsNoVote(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	due, ok := o.NextDeadline()
	if !ok || due != o.now.Add(defaultWaitBound) {
		t.Fatalf("due at %d %v", due, ok)
	}
	o.Tick(due - 1)
	o.gather()
	o.wantPending()
	o.Tick(due)
	o.gather()
	o.wantPending(2) // at the bound it is voted on as things stand
	o.flush()
	o.wantAnswers("2 no")
	o.wantPrepared(1)
}

// A submit waits for as long as it takes to settle the transaction of a client that has died: it holds nothing itself.
func TestASubmitWaitsUntilADoubtIsSettled(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindSubmit, submit(2, writes("k")))
	o.Tick(o.now.Add(defaultDoubtBound + defaultReadBound/4))
	o.gather()
	o.wantPending()
	o.status(wire.KindCommit, commit(1))
	o.wantAnswers("1 committed, 2 committed")

	o.status(wire.KindPrepare, prepare(3, writes("k")))
	o.replies = nil
	o.send(wire.KindSubmit, submit(4, writes("k")))
	o.Tick(o.now.Add(defaultReadBound))
	o.gather()
	o.wantPending(4) // it does not wait for ever
	o.flush()
	o.wantAnswers("4 no")
}

// Where much waits already it waits no longer than a prepare, lest others are turned away because of one key.
func TestSubmitsWaitShortlyWhereMuchIsInFlight(t *testing.T) {
	o := hold(t, writes("k"))
	large := writes("k")
	large.Writes[0].Value = make([]byte, txn.MaxValueBytes)
	seq := uint64(2)
	for ; o.flying <= maxFlightBytes/2; seq++ {
		o.send(wire.KindSubmit, submit(seq, large))
	}
	o.Tick(o.now.Add(defaultWaitBound))
	o.gather()
	o.wantPending(seq - 1)
}

func TestStaleWorkDoesNotWait(t *testing.T) {
	o := newOne(t)
	stale := join(o.saw("s"), writes("k"))
	o.put("s")
	o.status(wire.KindPrepare, prepare(1, writes("k")))
	o.send(wire.KindPrepare, prepare(2, stale))
	o.wantPending(2)
}

func TestOutcomesNeverWait(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	o.send(wire.KindAbort, abort(2))
	o.wantPending(2)
	o.flush()
	o.wantAnswers("2 refused")
	o.status(wire.KindCommit, commit(1))
	o.wantPrepared()
	o.wantAnswers("1 committed, 2 refused") // the one that waited finds the refusal
}

func TestCopiesInFlightShareOneEntry(t *testing.T) {
	o := newOne(t)
	body := submit(1, writes("k"))
	o.sendFrom(alice, wire.KindSubmit, body)
	o.sendFrom(alice, wire.KindSubmit, body)
	o.sendFrom(bob, wire.KindSubmit, body)
	o.wantPending(1)
	o.flush()
	if len(o.replies) != 2 || o.replies[0].To != alice || o.replies[1].To != bob || !bytes.Equal(o.replies[0].Body, o.replies[1].Body) {
		t.Errorf("%+v", o.replies)
	}
	o.replies = nil
	o.sendFrom(bob, wire.KindSubmit, body)
	o.wantPending() // answered from what is applied
	o.wantAnswers("1 committed")
}

func TestACopyOfWhatWaitsAttaches(t *testing.T) {
	o := hold(t, writes("k"))
	o.sendFrom(alice, wire.KindPrepare, prepare(2, writes("k")))
	o.sendFrom(bob, wire.KindPrepare, prepare(2, writes("k")))
	o.status(wire.KindAbort, abort(1))
	o.wantAnswers("1 aborted, 2 yes, 2 yes")
	if o.room.len() != 0 {
		t.Error("a copy waits still")
	}
}

func TestTheRequestsBytesAreNotKept(t *testing.T) {
	o := newOne(t)
	body := submit(1, writes("k"))
	o.send(wire.KindSubmit, body)
	clear(body) // the datagram's buffer is used again
	o.flush()
	o.wantAnswers("1 committed")
}

func TestAFullLogIsNoVote(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindPrepare, prepare(1, writes("k")))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	b := o.pending[0]
	o.pending = nil
	o.TurnedAway(b)
	o.gather()
	o.wantPending(2) // its claim went away
	o.wantAnswers("1 overloaded")
	o.flush()
	o.wantPrepared(2)
}

func TestFollowersSendClientsOn(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	o.send(wire.KindRead, read("k"))
	o.send(wire.KindSubmit, submit(3, writes("free")))
	o.Follow(4)
	o.gather()
	for i, want := range []wire.Kind{wire.KindPrepare, wire.KindRead} {
		if f := o.refusal(o.replies[i]); f.Kind != want || f.Reason != txn.ReasonNotLeader || f.View != 4 {
			t.Errorf("%+v", f)
		}
	}
	if len(o.replies) != 2 {
		t.Errorf("%d replies: of what was proposed nothing is known", len(o.replies))
	}
	o.replies = nil
	o.send(wire.KindPrepare, prepare(4, writes("k")))
	o.wantAnswers("4 not the leader")
	o.Elect(5)
	o.send(wire.KindPrepare, prepare(4, writes("k")))
	o.wantAnswers("4 leader not ready")
	o.flush() // what was proposed is chosen after all
	o.wantAnswers("")
	if !o.has("free") || o.Stats().InFlight != 0 || o.Stats().Waiting != 0 {
		t.Errorf("%+v", o.Stats())
	}
	o.Lead(o.now, 5)
	o.want(o.status(wire.KindSubmit, submit(3, writes("free"))), txn.StatusCommitted, "asked again")
	o.wantPrepared(1)
}

// Whoever is refused by a group that has lost its memory is told so, in every role, and no longer when a replica
// that remembers is back.
func TestAClosedGroupSaysSo(t *testing.T) {
	o := newOne(t)
	for _, take := range []func(){func() { o.Follow(4) }, func() { o.Elect(5) }} {
		take()
		for _, closed := range []bool{true, false} {
			o.Close(closed)
			o.replies = nil
			o.send(wire.KindPrepare, prepare(4, writes("k")))
			o.send(wire.KindRead, readAs(2, true, "k"))
			if len(o.replies) != 2 {
				t.Fatalf("%d replies", len(o.replies))
			}
			for _, r := range o.replies {
				if f := o.refusal(r); strings.Contains(f.Detail, "lost its memory") != closed {
					t.Errorf("closed %v: %+v", closed, f)
				}
			}
		}
	}
}

func TestNothingIsProposedOnceTheReignIsOver(t *testing.T) {
	o := newOne(t)
	o.Request(o.now, alice, wire.KindSubmit, submit(1, writes("k")))
	o.Request(o.now, alice, wire.KindRead, readAs(1, true, "k"))
	o.Follow(4)
	if r := o.Ready(); len(r.Propose)+r.Confirm.Reads != 0 {
		t.Errorf("%+v", r)
	}
}

func read(keys ...string) []byte { return readAs(1, false, keys...) }

func readAs(nonce uint64, linearizable bool, keys ...string) []byte {
	r := txn.ReadRequest{Nonce: nonce, Linearizable: linearizable}
	for _, k := range keys {
		r.Keys = append(r.Keys, []byte(k))
	}
	return enc(&r)
}

// values are those of the last reply: a value, or "-" for an absent key.
func (o *one) values() string {
	o.t.Helper()
	if len(o.replies) == 0 {
		return "no reply"
	}
	var r txn.ReadReply
	last := o.replies[len(o.replies)-1]
	if err := txn.ReadReplyBody.Decode(last.Body, &r); last.Kind != wire.KindReadReply || err != nil {
		o.t.Fatalf("%v %v", last.Kind, err)
	}
	var out []string
	for _, v := range r.Values {
		if v.Found {
			out = append(out, string(v.Value))
		} else if out = append(out, "-"); v.At != txn.After(o.Applied()) {
			o.t.Errorf("absent at %v, applied is %d", v.At, o.Applied())
		}
	}
	return strings.Join(out, " ")
}

func TestReads(t *testing.T) {
	o := newOne(t)
	o.put("a")
	o.log(Command(wire.KindSubmit, submit(2, deletes("d"))))
	o.send(wire.KindRead, read("a", "b", "d"))
	if got := o.values(); got != "v - -" {
		t.Errorf("%q", got)
	}
}

func TestAReadWaitsForThePreparedWrite(t *testing.T) {
	for outcome, c := range map[wire.Kind]struct {
		body []byte
		want string
	}{
		wire.KindCommit: {commit(1), "- v"}, wire.KindAbort: {abort(1), "- -"},
	} {
		o := hold(t, writes("k"))
		o.send(wire.KindRead, read("a", "k"))
		o.send(wire.KindRead, read("a", "k")) // a copy
		if len(o.replies) != 0 || o.room.len() != 1 {
			t.Fatalf("%d replies, %d wait", len(o.replies), o.room.len())
		}
		o.send(outcome, c.body)
		o.flush()
		if got := o.values(); got != c.want {
			t.Errorf("after %v: %q, want %q", outcome, got, c.want)
		}
	}
}

// The bytes of a request last only until the next one arrives.
func TestAReadThatWaitsKeepsItsKeys(t *testing.T) {
	o := hold(t, writes("k"))
	request := read("a", "k")
	o.send(wire.KindRead, request)
	for i := range request {
		request[i] = 'x'
	}
	o.send(wire.KindCommit, commit(1))
	o.flush()
	if got := o.values(); got != "- v" {
		t.Errorf("%q", got)
	}
}

func TestAReadDoesNotWaitForReadersOrFlights(t *testing.T) {
	o := newOne(t)
	o.status(wire.KindPrepare, prepare(1, o.saw("k")))
	o.send(wire.KindPrepare, prepare(2, writes("l")))
	o.send(wire.KindRead, read("k", "l"))
	if got := o.values(); got != "- -" {
		t.Errorf("%q", got)
	}
}

func TestAReadThatWaitsTooLong(t *testing.T) {
	o := hold(t, writes("k"))
	o.send(wire.KindRead, readAs(9, false, "k"))
	o.Tick(o.now.Add(defaultReadBound))
	o.gather()
	if f := o.refusal(o.replies[0]); f.Reason != txn.ReasonWaited || f.Nonce != 9 || f.Kind != wire.KindRead {
		t.Errorf("%+v", f)
	}
}

func TestWaitersAreBounded(t *testing.T) {
	o := hold(t, writes("k"))
	for i := range uint64(maxWaiting) {
		o.send(wire.KindRead, readAs(i, false, "k"))
	}
	o.send(wire.KindRead, readAs(maxWaiting, false, "k"))
	o.send(wire.KindRead, readAs(maxWaiting, true, "z"))
	o.send(wire.KindPrepare, prepare(2, writes("k")))
	if len(o.replies) != 3 || o.room.len() != maxWaiting {
		t.Fatalf("%d refused, %d wait", len(o.replies), o.room.len())
	}
	for _, r := range o.replies {
		if f := o.refusal(r); f.Reason != txn.ReasonOverloaded {
			t.Errorf("%+v", f)
		}
	}
	o.replies = nil
	o.send(wire.KindCommit, commit(1)) // room is made by what is never turned away
	o.flush()
	if len(o.replies) != maxWaiting+1 || o.room.len() != 0 {
		t.Errorf("%d answered, %d wait", len(o.replies), o.room.len())
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*one)
		want      bool
	}{
		"nothing":               {func(*one) {}, true},
		"another key":           {func(o *one) { o.put("x") }, true},
		"a key read":            {func(o *one) { o.put("a") }, false},
		"an absent key read":    {func(o *one) { o.put("b") }, false},
		"a prepared write":      {func(o *one) { o.log(Command(wire.KindPrepare, prepare(1, writes("b")))) }, false},
		"a prepared read":       {func(o *one) { o.log(Command(wire.KindPrepare, prepare(1, o.saw("a")))) }, true},
		"a phantom in the scan": {func(o *one) { o.put("n") }, false},
	} {
		o := newOne(t)
		o.put("a")
		w := join(o.saw("a", "b"), o.scanned("m", "p"))
		o.send(wire.KindValidate, enc(&txn.ValidateRequest{Nonce: 4, Work: w}))
		if len(o.tickets) != 1 || len(o.replies) != 0 {
			t.Fatalf("%s: %d tickets, %d replies", name, len(o.tickets), len(o.replies))
		}
		c.meanwhile(o)
		o.Confirmed(o.now, o.tickets[0])
		o.gather()
		var r txn.ValidateReply
		if err := txn.ValidateReplyBody.Decode(o.replies[0].Body, &r); err != nil || r.Nonce != 4 || r.Valid != c.want {
			t.Errorf("%s: %+v %v, want %v", name, r, err, c.want)
		}
	}
}

func TestRefusedBeforeAnythingIsAppended(t *testing.T) {
	long, big := strings.Repeat("k", txn.MaxKeyBytes+1), make([]byte, txn.MaxValueBytes)
	many := func(n int, value []byte) (w txn.Work) {
		for i := range n {
			w.Writes = append(w.Writes, txn.Write{Key: fmt.Append(nil, "k", i), Value: value})
		}
		return w
	}
	two := func(o *one) { o.keys.Shards = 2 } // then "b" is shard 1's and "a" is ours or the other way round
	foreign := "a"
	if (shard.Map{Shards: 2}).Of([]byte("a")) == 0 {
		foreign = "b"
	}
	if (shard.Map{Shards: 2}).Of([]byte(foreign)) != 1 {
		t.Fatal("both keys are of one shard")
	}
	for name, c := range map[string]struct {
		kind   wire.Kind
		body   []byte
		set    func(*one)
		reason txn.Reason
	}{
		"foreign write":     {wire.KindSubmit, submit(1, writes(foreign)), two, txn.ReasonWrongShard},
		"foreign prepare":   {wire.KindPrepare, prepare(1, writes(foreign)), two, txn.ReasonWrongShard},
		"foreign read":      {wire.KindRead, read(foreign), two, txn.ReasonWrongShard},
		"long key":          {wire.KindSubmit, submit(1, writes(long)), nil, txn.ReasonTooLarge},
		"long key read":     {wire.KindRead, read(long), nil, txn.ReasonTooLarge},
		"many keys read":    {wire.KindRead, read(make([]string, txn.MaxReadKeys+1)...), nil, txn.ReasonTooLarge},
		"large value":       {wire.KindSubmit, submit(1, many(1, append(big, 0))), nil, txn.ReasonTooLarge},
		"large transaction": {wire.KindSubmit, submit(1, many(9, big)), nil, txn.ReasonTooLarge},
		"large command":     {wire.KindSubmit, submit(1, many(10, big)), nil, txn.ReasonTooLarge},
		"many entries":      {wire.KindPrepare, prepare(1, many(txn.MaxEntries+1, nil)), nil, txn.ReasonTooLarge},
		"empty key":         {wire.KindSubmit, submit(1, writes("")), nil, txn.ReasonMalformed},
		"empty key read":    {wire.KindRead, read(""), nil, txn.ReasonMalformed},
		"no body":           {wire.KindSubmit, nil, nil, txn.ReasonMalformed},
		"noise":             {wire.KindPrepare, []byte("noise"), nil, txn.ReasonMalformed},
		"noise read":        {wire.KindRead, []byte("noise"), nil, txn.ReasonMalformed},
		"noise validate":    {wire.KindValidate, []byte("noise"), nil, txn.ReasonMalformed},
		"writes validated":  {wire.KindValidate, enc(&txn.ValidateRequest{Work: writes("a")}), nil, txn.ReasonMalformed},
		"nothing to do":     {wire.KindSubmit, submit(1, txn.Work{}), nil, txn.ReasonMalformed},
		"nobody's":          {wire.KindResolve, enc(&Resolve{ID: txn.ID{Seq: 1}}), nil, txn.ReasonMalformed},
		"mark above itself": {wire.KindSubmit, enc(&txn.Submit{ID: tid(1), Mark: 2, Work: writes("a")}), nil, txn.ReasonMalformed},
		"not a participant": {wire.KindPrepare, enc(&Prepare{ID: tid(1), Members: []Member{{Group: 5}}, Work: writes("a")}), nil, txn.ReasonMalformed},
		"participants twice": {wire.KindPrepare, enc(&Prepare{ID: tid(1), Members: []Member{{Group: 0}, {Group: 0}},
			Work: writes("a")}), nil, txn.ReasonMalformed},
	} {
		o := newOne(t)
		if c.set != nil {
			c.set(o)
		}
		o.send(c.kind, c.body)
		f := o.refusal(o.replies[0])
		if f.Reason != c.reason || f.Kind != c.kind || f.Detail == "" || len(o.pending)+len(o.tickets) != 0 {
			t.Errorf("%s: %+v, %d proposed", name, f, len(o.pending))
		}
		if c.reason == txn.ReasonWrongShard && f.Shard != 1 {
			t.Errorf("%s: sent to shard %d", name, f.Shard)
		}
		if c.kind != wire.KindRead && c.kind != wire.KindValidate {
			before := o.store.Hash() + o.sum
			o.log(Command(c.kind, c.body)) // and from the log it changes nothing
			if o.unreadable != 1 || o.store.Hash()+o.sum != before {
				t.Errorf("%s: %d unreadable, or changed", name, o.unreadable)
			}
		}
	}
}

// One answer holds what one transaction may write, and no more.
func TestAnAnswerFitsItsFrame(t *testing.T) {
	o := newOne(t)
	var keys []string
	for i := range uint64(txn.MaxTransactionBytes/txn.MaxValueBytes + 1) {
		keys = append(keys, fmt.Sprint("k", i))
		w := txn.Work{Writes: []txn.Write{{Key: []byte(keys[i]), Value: make([]byte, txn.MaxValueBytes)}}}
		o.want(o.status(wire.KindSubmit, submit(i+1, w)), txn.StatusCommitted, keys[i])
	}
	o.send(wire.KindRead, read(keys[1:]...))
	if r := o.replies[len(o.replies)-1]; r.Kind != wire.KindReadReply || len(r.Body) > wire.MaxStreamBody {
		t.Errorf("%v of %d bytes", r.Kind, len(r.Body))
	}
	o.send(wire.KindRead, read(keys...))
	if f := o.refusal(o.replies[len(o.replies)-1]); f.Reason != txn.ReasonTooLarge {
		t.Errorf("%+v", f)
	}
}

func TestAClientThatSettlesNothingIsTurnedAway(t *testing.T) {
	o := newOne(t)
	var batch [][]byte
	for i := range uint64(maxRecords) {
		batch = append(batch, Command(wire.KindSubmit, submit(i+1, writes("k"))))
	}
	o.log(batch...)
	o.send(wire.KindSubmit, submit(maxRecords+1, writes("k")))
	o.wantAnswers("4097 overloaded")
	o.want(o.status(wire.KindResolve, resolve(maxRecords+1)), txn.StatusRefused, "a refusal, for which there is room")
	raised := enc(&txn.Submit{ID: tid(maxRecords + 2), Session: 1, Mark: 3, Work: writes("k")})
	o.want(o.status(wire.KindSubmit, raised), txn.StatusCommitted, "the one that raises the mark")
}

func TestUnknownRequestsAreCounted(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindTopology, nil)
	if o.Stats().Ignored != 1 || len(o.replies) != 0 {
		t.Errorf("%+v", o.Stats())
	}
}
