package twopc

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// peer is a replica of another group.
var peer = netip.MustParseAddrPort("10.0.1.5:7000")

// newPeer returns a leader of group 0 in epoch 2 that knows groups of three, with the session of me
// open by its first op.
func newPeer(t *testing.T) *one {
	o := &one{t: t, now: 1_000_000, Participant: NewParticipant(ParticipantConfig{
		Map: shard.Map{Version: 1, Shards: 1},
		Replicas: func(g wire.GroupID) int {
			if g > 9 {
				return 0
			}
			return 3
		},
	})}
	o.SetEpoch(2)
	o.Lead(o.now, 3)
	o.log(Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1})))
	return o
}

// opened is the op that opened the session.
const opened = wire.Op(2)<<48 + 1

func submitHere(seq uint64, w txn.Work) []byte {
	return enc(&txn.Submit{ID: tid(seq), Session: opened, Mark: 1, Work: w})
}

func resolveHere(seq uint64) []byte { return enc(&Resolve{ID: tid(seq), Session: opened}) }

// among is a prepare of group 0 and others, as seen in epoch 2, with the mark 1.
func among(seq uint64, w txn.Work, others ...wire.GroupID) []byte {
	p := Prepare{ID: tid(seq), Mark: 1, Members: []Member{{Group: 0, Epoch: 2, Session: opened}}, Work: w}
	for _, g := range others {
		p.Members = append(p.Members, Member{Group: g, Epoch: 4, Session: 9})
	}
	return enc(&p)
}

// pass lets time go by, up to what is due.
func (o *one) pass(d wire.Duration) (asked []Outgoing) {
	o.now = o.now.Add(d)
	o.Tick(o.now)
	r := o.Ready()
	o.keep(&r)
	return r.Ask
}

// found hands in what a group's log says.
func (o *one) found(g wire.GroupID, f Finding) {
	o.Found(o.now, Target{Group: g}, enc(&f))
	o.gather()
}

// inquired asks as another group's replica does, lets the log go on, and returns the answer.
func (o *one) inquired(q Inquiry) (f Finding) {
	o.t.Helper()
	o.Inquired(o.now, peer, enc(&q))
	o.gather()
	o.flush()
	if len(o.replies) == 0 {
		return f
	}
	r := o.replies[len(o.replies)-1]
	o.replies = nil
	if err := FindingBody.Decode(r.Body, &f); r.Kind != wire.KindInquiryReply || r.To != peer || err != nil {
		o.t.Fatalf("%v to %v: %v, want a finding", r.Kind, r.To, err)
	}
	return f
}

func (o *one) inquiries(sent []Outgoing) (groups []wire.GroupID) {
	for _, m := range sent {
		var q Inquiry
		if err := InquiryBody.Decode(m.Body, &q); m.Kind != wire.KindInquire || err != nil || q.Of != m.To.Group || q.Epoch != 4 || q.Session != 9 {
			o.t.Errorf("%v to %v: %+v, %v", m.Kind, m.To, q, err)
		}
		groups = append(groups, m.To.Group)
	}
	return groups
}

func TestWhatTheOthersSayDecides(t *testing.T) {
	const none = txn.Status(0)
	for name, c := range map[string]struct {
		five, six txn.Status
		want      txn.Status // of the transaction here, afterwards
	}{
		"all voted yes":              {txn.StatusYes, txn.StatusYes, txn.StatusCommitted},
		"one has not answered":       {txn.StatusYes, none, txn.StatusYes},
		"one committed":              {none, txn.StatusCommitted, txn.StatusCommitted},
		"one voted no":               {none, txn.StatusNo, txn.StatusAborted},
		"one refused":                {txn.StatusYes, txn.StatusRefused, txn.StatusAborted},
		"one aborted":                {txn.StatusYes, txn.StatusAborted, txn.StatusAborted},
		"one has no record":          {txn.StatusNone, txn.StatusYes, txn.StatusAborted},
		"one lost its memory":        {txn.StatusLost, txn.StatusYes, txn.StatusYes}, // and is frozen
		"one lost it, one committed": {txn.StatusLost, txn.StatusCommitted, txn.StatusCommitted},
		"one lost it, one refused":   {txn.StatusLost, txn.StatusRefused, txn.StatusAborted},
		"both lost their memory":     {txn.StatusLost, txn.StatusLost, txn.StatusYes},
	} {
		t.Run(name, func(t *testing.T) {
			o := newPeer(t)
			o.want(o.status(wire.KindPrepare, among(2, writes("k"), 5, 6)), txn.StatusYes, "prepare")
			own := o.find(tid(2)).time
			if sent := o.pass(defaultDoubtBound - 1); len(sent) > 0 {
				t.Fatalf("asked before the bound: %v", sent)
			}
			if got := o.inquiries(o.pass(1)); !slices.Equal(got, []wire.GroupID{5, 6}) {
				t.Fatalf("asked %v", got)
			}
			for g, status := range map[wire.GroupID]txn.Status{5: c.five, 6: c.six} {
				if status != none {
					o.found(g, Finding{ID: tid(2), Status: status, Time: own + txn.Timestamp(g)})
				}
			}
			o.flush()
			r := o.find(tid(2))
			o.want(r.status, c.want, "afterwards")
			if c.want == txn.StatusCommitted && r.time != own+6 {
				t.Errorf("committed at %d, want the largest vote's %d", r.time, own+6)
			}
			if o.has("k") != (c.want == txn.StatusCommitted) || o.Stats().Alarms > 0 {
				t.Errorf("written %v, alarms %d", o.has("k"), o.Stats().Alarms)
			}
			if lost := c.want == txn.StatusYes && c.five == txn.StatusLost; (o.Stats().Lost > 0) != lost {
				t.Errorf("%d lost", o.Stats().Lost)
			}
			o.checkSum()
		})
	}
}

// freezes expects that the doubt about transaction 2 was frozen here, and returns the groups that are asked to.
func (o *one) freezes() (groups []wire.GroupID) {
	o.t.Helper()
	if len(o.pending) != 1 || o.pending[0][0] != byte(wire.KindResolve) {
		o.t.Fatalf("%d proposed, want the freezing", len(o.pending))
	}
	batch := o.pending
	o.pending = nil
	o.Apply(o.Applied()+1, 0, batch)
	r := o.Ready()
	o.keep(&r)
	if x := o.find(tid(2)); !x.frozen || x.status != txn.StatusYes {
		o.t.Fatalf("not frozen: %+v", x)
	}
	for _, m := range r.Ask {
		var q Inquiry
		if err := InquiryBody.Decode(m.Body, &q); err != nil || !q.Freeze {
			o.t.Errorf("%+v, %v", q, err)
		}
	}
	return o.inquiries(r.Ask)
}

// What a lost group leaves undecided is aborted, when all others that hold it have let go of their coordinator.
func TestWhatALostGroupLeavesIsSettled(t *testing.T) {
	frozen := Finding{ID: tid(2), Status: txn.StatusYes, Frozen: true}
	for name, c := range map[string]struct {
		six  []Finding
		want txn.Status
	}{
		"the other froze it":           {[]Finding{frozen}, txn.StatusAborted},
		"the other had committed":      {[]Finding{{ID: tid(2), Status: txn.StatusCommitted, Time: 7}}, txn.StatusCommitted},
		"the other had voted no":       {[]Finding{{ID: tid(2), Status: txn.StatusNo}}, txn.StatusAborted},
		"the other lost it too":        {[]Finding{{ID: tid(2), Status: txn.StatusLost}}, txn.StatusAborted},
		"an old yes of the other":      {[]Finding{{ID: tid(2), Status: txn.StatusYes}}, txn.StatusYes},
		"an old yes, then a commit":    {[]Finding{{ID: tid(2), Status: txn.StatusYes}, {ID: tid(2), Status: txn.StatusCommitted, Time: 7}}, txn.StatusCommitted},
		"an old yes, then it froze it": {[]Finding{{ID: tid(2), Status: txn.StatusYes}, frozen}, txn.StatusAborted},
	} {
		t.Run(name, func(t *testing.T) {
			o := newPeer(t)
			o.status(wire.KindPrepare, among(2, writes("k"), 5, 6))
			o.pass(defaultDoubtBound)
			o.found(5, Finding{ID: tid(2), Status: txn.StatusLost})
			o.found(6, Finding{ID: tid(2), Status: txn.StatusYes})
			if got := o.freezes(); !slices.Equal(got, []wire.GroupID{5, 6}) || o.Stats().Lost != 1 {
				t.Fatalf("asked %v, %d lost", got, o.Stats().Lost)
			}
			o.found(5, Finding{ID: tid(2), Status: txn.StatusLost})
			for _, f := range c.six {
				o.found(6, f)
			}
			o.flush()
			o.want(o.find(tid(2)).status, c.want, "afterwards")
			s := o.Stats()
			if o.has("k") != (c.want == txn.StatusCommitted) || s.Alarms > 0 || (s.Lost > 0) != (c.want == txn.StatusYes) {
				t.Errorf("written %v, %+v", o.has("k"), s)
			}
			if given := c.want == txn.StatusAborted && name != "the other had voted no"; (s.SettledLost > 0) != given {
				t.Errorf("%d given up", s.SettledLost)
			}
			o.checkSum()
		})
	}
}

// Frozen, a transaction takes no outcome from its coordinator, nor from what was found before.
func TestTheFrozenBelieveNobodyElse(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5, 6))
	f := o.inquired(Inquiry{Epoch: 2, Session: opened, ID: tid(2), Freeze: true})
	if f.Status != txn.StatusYes || !f.Frozen {
		t.Fatalf("%+v", f)
	}
	if again := o.inquired(Inquiry{Epoch: 2, Session: opened, ID: tid(2), Freeze: true}); again != f {
		t.Errorf("asked again: %+v", again)
	}
	o.want(o.status(wire.KindCommit, commit(2)), txn.StatusYes, "a commit of the coordinator")
	o.log(Command(wire.KindSettle, enc(&Settle{ID: tid(2), Commit: true, Because: 5})))
	o.want(o.find(tid(2)).status, txn.StatusYes, "after what all votes had been")
	if p := follow(t, o); !p.find(tid(2)).frozen || p.Hash() != o.Hash() {
		t.Error("an image does not tell that it is frozen")
	}
	o.log(Command(wire.KindSettle, enc(&Settle{ID: tid(2), Because: 0, Frozen: true})))
	o.want(o.find(tid(2)).status, txn.StatusAborted, "when it is decided")
	o.want(o.status(wire.KindCommit, commit(2)), txn.StatusLost, "a commit of the coordinator afterwards")
	if s := o.Stats(); s.Alarms != 0 || o.has("k") {
		t.Errorf("%+v", s)
	}
	o.checkSum()
}

// Clients freeze nothing.
func TestClientsCannotFreeze(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	o.replies = nil
	o.send(wire.KindResolve, enc(&Resolve{ID: tid(2), Session: opened, Freeze: true}))
	if f := o.refusal(o.replies[0]); f.Reason != txn.ReasonMalformed || o.find(tid(2)).frozen || len(o.pending) > 0 {
		t.Errorf("%+v", f)
	}
}

// A group that lost its memory says so to the coordinator too, and never that it has no record.
func TestALostGroupProvesNothing(t *testing.T) {
	o := newPeer(t)
	older := enc(&Prepare{ID: tid(2), Mark: 1, Members: []Member{{Group: 0, Epoch: 1, Session: 9}, {Group: 5, Epoch: 4, Session: 9}}, Work: writes("k")})
	o.want(o.status(wire.KindPrepare, older), txn.StatusLost, "a prepare of the life before")
	o.want(o.status(wire.KindResolve, enc(&Resolve{ID: tid(2), Session: 9})), txn.StatusLost, "a question about it")
	if o.find(tid(2)) != nil {
		t.Error("there is a record of it")
	}
	newer := enc(&Prepare{ID: tid(3), Mark: 1, Members: []Member{{Group: 0, Epoch: 3, Session: 9}}, Work: writes("k")})
	o.want(o.status(wire.KindPrepare, newer), txn.StatusExpired, "a prepare of a life to come")
}

func TestWhoIsHeardIsNotDoubted(t *testing.T) {
	o := newPeer(t)
	body := among(2, writes("k"), 5)
	o.status(wire.KindPrepare, body)
	o.pass(200 * wire.Millisecond)
	o.send(wire.KindPrepare, body) // the coordinator asks again
	if sent := o.pass(100 * wire.Millisecond); len(sent) > 0 {
		t.Errorf("asked about a transaction whose coordinator was just heard: %v", sent)
	}
	if sent := o.pass(150 * wire.Millisecond); len(sent) != 1 {
		t.Errorf("asked %v, want one inquiry", sent)
	}
}

// A new leader begins its own watch over what it finds prepared.
func TestANewLeaderAsksToo(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	o.Follow(4)
	if sent := o.pass(wire.Second); len(sent) > 0 {
		t.Errorf("a follower asks: %v", sent)
	}
	o.Lead(o.now, 6)
	if sent := o.pass(defaultDoubtBound); len(sent) != 1 {
		t.Errorf("asked %v", sent)
	}
	o.want(o.status(wire.KindCommit, commit(2)), txn.StatusCommitted, "the coordinator's commit")
	if sent := o.pass(wire.Second); len(sent) > 0 || o.Stats().Doubts > 0 {
		t.Errorf("asked about what is decided: %v", sent)
	}
	o.found(5, Finding{ID: tid(2), Status: txn.StatusRefused})
	if len(o.pending) > 0 || o.Stats().Alarms > 0 {
		t.Error("a late finding was acted on")
	}
}

func TestUnansweredInquiriesAreSentAgain(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	first := o.pass(defaultDoubtBound)
	o.found(5, Finding{ID: tid(2), Reason: txn.ReasonNotLeader, View: 7})
	if len(first) != 1 || first[0].To != (Target{Group: 5}) {
		t.Fatalf("asked %v", first)
	}
	o.Tick(o.now)
	seen := map[wire.ReplicaID]bool{}
	for range 40 {
		for _, m := range o.pass(50 * wire.Millisecond) {
			seen[m.To.Replica] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("a silent group was asked at %v, want all three replicas", seen)
	}
}

// The log turns the settlement away: it is not lost.
func TestASettlementTurnedAwayIsTriedAgain(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	o.pass(defaultDoubtBound)
	o.found(5, Finding{ID: tid(2), Status: txn.StatusYes})
	if len(o.pending) != 1 {
		t.Fatalf("%d proposed", len(o.pending))
	}
	o.TurnedAway(o.pending[0])
	o.pending = nil
	if sent := o.pass(defaultDoubtBound); len(sent) != 1 {
		t.Fatalf("asked %v", sent)
	}
	o.found(5, Finding{ID: tid(2), Status: txn.StatusYes})
	o.flush()
	o.want(o.find(tid(2)).status, txn.StatusCommitted, "in the end")
}

// One group that answers nobody does not keep the others' transactions waiting.
func TestInquestsTakeTurns(t *testing.T) {
	o := newPeer(t)
	for seq := uint64(2); seq < 2+maxInquests; seq++ {
		o.log(Command(wire.KindPrepare, among(seq, writes(string(rune('A'+seq))), 5)))
	}
	o.log(Command(wire.KindPrepare, among(1000, writes("another"), 6)))
	if sent := o.pass(defaultDoubtBound); len(sent) != maxInquests || o.Stats().Doubts != maxInquests {
		t.Fatalf("%d asked, %d in doubt", len(sent), o.Stats().Doubts)
	}
	six := 0
	for range 20 {
		for _, m := range o.pass(100 * wire.Millisecond) {
			if m.To.Group == 6 {
				six++
			}
		}
	}
	if six == 0 {
		t.Error("group 6 is never asked, because group 5 does not answer")
	}
	if n := o.Stats().Doubts; n > maxInquests {
		t.Errorf("%d inquests at a time", n)
	}
}

func TestInquired(t *testing.T) {
	ask := Inquiry{Of: 0, Epoch: 2, Session: opened, ID: tid(2)}
	change := func(f func(*Inquiry)) Inquiry {
		q := ask
		f(&q)
		return q
	}
	prepared := func(o *one) { o.status(wire.KindPrepare, among(2, writes("k"), 5)) }
	for name, c := range map[string]struct {
		before func(*one)
		ask    Inquiry
		want   Finding
	}{
		"prepared":           {prepared, ask, Finding{Status: txn.StatusYes}},
		"committed":          {func(o *one) { prepared(o); o.status(wire.KindCommit, commit(2)) }, ask, Finding{Status: txn.StatusCommitted}},
		"aborted":            {func(o *one) { prepared(o); o.status(wire.KindAbort, abort(2)) }, ask, Finding{Status: txn.StatusAborted}},
		"no record":          {nil, ask, Finding{Status: txn.StatusRefused}},
		"of another session": {nil, change(func(q *Inquiry) { q.Session = opened + 2 }), Finding{Status: txn.StatusNone}},
		"below the mark": {func(o *one) {
			o.status(wire.KindSubmit, enc(&txn.Submit{ID: tid(5), Session: opened, Mark: 5, Work: writes("m")}))
		}, ask, Finding{Status: txn.StatusNone}},
		"of a life before":    {nil, change(func(q *Inquiry) { q.Epoch = 1 }), Finding{Status: txn.StatusLost}},
		"of a life to come":   {nil, change(func(q *Inquiry) { q.Epoch = 3 }), Finding{Reason: txn.ReasonNotReady, View: 3}},
		"prepared, old epoch": {prepared, change(func(q *Inquiry) { q.Epoch = 1 }), Finding{Status: txn.StatusYes}},
		"not the leader":      {func(o *one) { o.Follow(8) }, ask, Finding{Reason: txn.ReasonNotLeader, View: 8}},
		"elected":             {func(o *one) { o.Elect(8) }, ask, Finding{Reason: txn.ReasonNotReady, View: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newPeer(t)
			if c.before != nil {
				c.before(o)
			}
			o.replies = nil
			got := o.inquired(c.ask)
			if c.want.Status == txn.StatusYes || c.want.Status == txn.StatusCommitted {
				c.want.Time = o.find(tid(2)).time
			}
			c.want.ID = tid(2)
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// A refusal that an inquiry has logged binds: the prepare that comes late votes no more.
func TestAnInquiryRefusesForGood(t *testing.T) {
	o := newPeer(t)
	if f := o.inquired(Inquiry{Epoch: 2, Session: opened, ID: tid(2)}); f.Status != txn.StatusRefused {
		t.Fatalf("%+v", f)
	}
	o.want(o.status(wire.KindPrepare, among(2, writes("k"), 5)), txn.StatusRefused, "a late prepare")
	o.log(Command(wire.KindPrepare, among(2, writes("k"), 5)))
	o.wantPrepared()
	if o.Stats().RefusedLate != 1 {
		t.Errorf("%d late prepares counted", o.Stats().RefusedLate)
	}
}

func TestInquiriesForOthersAreIgnored(t *testing.T) {
	o := newPeer(t)
	for _, q := range []Inquiry{{Of: 1, Epoch: 2, ID: tid(2)}, {Epoch: 2}} {
		if f := o.inquired(q); f != (Finding{}) {
			t.Errorf("%+v: %+v", q, f)
		}
	}
	o.Inquired(o.now, peer, []byte{0xff})
	o.Found(o.now, Target{Group: 5}, []byte{0xff})
	if n := o.Stats().Ignored; n != 4 {
		t.Errorf("%d ignored, want 4", n)
	}
}

// What only leaders write cannot be asked for, and what groups ask each other is no client's business.
func TestClientsCannotSpeakAsReplicas(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	o.replies = nil
	for _, kind := range []wire.Kind{wire.KindSettle, wire.KindForget, wire.KindExpire, wire.KindInquire, wire.KindInquiryReply} {
		o.send(kind, enc(&Settle{ID: tid(2), Commit: true}))
	}
	if len(o.pending)+len(o.replies) > 0 || o.Stats().Ignored != 5 {
		t.Errorf("%d proposed, %d answered, %d ignored", len(o.pending), len(o.replies), o.Stats().Ignored)
	}
}

func TestATransactionNamesGroupsThatThereAre(t *testing.T) {
	o := newPeer(t)
	r := o.refusal(o.do(wire.KindPrepare, among(2, writes("k"), 5, 10)))
	if r.Reason != txn.ReasonMalformed || len(o.Prepared()) > 0 {
		t.Errorf("%+v", r)
	}
}

// Nobody can throw the shard's clock into the far future: a commit time that no vote can have had is believed
// only when the participants' own logs tell it.
func TestACommitFarAheadIsNotBelieved(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	far := o.Clock() + 2*maxAhead
	o.want(o.status(wire.KindCommit, enc(&Commit{ID: tid(2), Time: far})), txn.StatusYes, "a commit far ahead")
	if o.Clock() >= far || o.has("k") || o.Stats().Alarms != 1 {
		t.Fatalf("clock %d, written %v, alarms %d", o.Clock(), o.has("k"), o.Stats().Alarms)
	}
	o.pass(defaultDoubtBound)
	o.found(5, Finding{ID: tid(2), Status: txn.StatusYes, Time: far})
	o.flush()
	if r := o.find(tid(2)); r.status != txn.StatusCommitted || r.time != far {
		t.Errorf("%v at %d", r.status, r.time)
	}
}

func TestSessionsExpire(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindSubmit, submitHere(1, writes("a")))
	o.status(wire.KindPrepare, among(2, writes("open"), 5))
	o.status(wire.KindPrepare, among(3, writes("done"), 5))
	o.status(wire.KindPrepare, among(4, writes("dropped"), 5))
	o.status(wire.KindCommit, commit(3))
	o.status(wire.KindAbort, abort(4))
	o.clock += txn.Timestamp(defaultSessionBound)
	for range 2 {
		o.pass(defaultSessionBound / sweeps)
		o.flush()
	}
	s := o.sessions[me]
	if s == nil || s.open() || o.Stats().Expired != 1 {
		t.Fatalf("session %+v, %d expired", s, o.Stats().Expired)
	}
	o.checkSum()
	o.wantPrepared(2)
	if o.find(tid(1)) != nil || o.find(tid(4)) != nil || o.find(tid(3)) == nil {
		t.Error("what nobody needs is kept, or what others need is gone")
	}
	o.want(o.status(wire.KindSubmit, submitHere(7, writes("b"))), txn.StatusExpired, "in the expired session")
	o.want(o.status(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1})), txn.StatusExpired, "a late copy of the opening")
	o.want(o.status(wire.KindResolve, resolveHere(1)), txn.StatusNone, "what became of a forgotten one")
	o.want(o.status(wire.KindCommit, commit(2)), txn.StatusCommitted, "the commit of what was prepared")
	if !o.has("open") || o.orphans.Len() != 2 {
		t.Errorf("written %v, %d orphans", o.has("open"), o.orphans.Len())
	}
	o.checkSum()
}

// The last that was kept of an expired session takes it along.
func TestOrphansAreForgottenByAgreement(t *testing.T) {
	for name, c := range map[string]struct {
		answers []txn.Status
		forgets bool
	}{
		"all have applied it":     {[]txn.Status{txn.StatusCommitted, txn.StatusCommitted}, true},
		"one forgot it already":   {[]txn.Status{txn.StatusCommitted, txn.StatusNone}, true},
		"one lost its memory":     {[]txn.Status{txn.StatusLost, txn.StatusCommitted}, true},
		"one holds it prepared":   {[]txn.Status{txn.StatusCommitted, txn.StatusYes}, false},
		"one does not answer":     {[]txn.Status{txn.StatusCommitted}, false},
		"one contradicts the log": {[]txn.Status{txn.StatusCommitted, txn.StatusAborted}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newPeer(t)
			o.status(wire.KindPrepare, among(2, writes("k"), 5, 6))
			o.status(wire.KindCommit, commit(2))
			s := o.sessions[me]
			o.log(Command(wire.KindExpire, enc(&Expire{Client: me, Session: opened, Used: s.used})))
			if o.orphans.Len() != 1 {
				t.Fatal("no orphan")
			}
			if got := o.inquiries(o.pass(orphanEvery)); !slices.Equal(got, []wire.GroupID{5, 6}) {
				t.Fatalf("asked %v", got)
			}
			for i, status := range c.answers {
				o.found(wire.GroupID(5+i), Finding{ID: tid(2), Status: status})
			}
			o.flush()
			if gone := len(o.sessions) == 0 && o.orphans.Len() == 0 && o.records == 0; gone != c.forgets {
				t.Errorf("%d sessions, %d orphans, %d records", len(o.sessions), o.orphans.Len(), o.records)
			}
			if (o.Stats().Alarms > 0) != slices.Contains(c.answers, txn.StatusAborted) {
				t.Errorf("%d alarms", o.Stats().Alarms)
			}
			o.checkSum()
			if sent := o.pass(orphanEvery); !c.forgets && len(sent) == 0 {
				t.Error("not asked about again")
			}
		})
	}
}

// A session that was used between two looks does not expire, and one that jumped with the log's clock has
// that long to show itself.
func TestASessionInUseDoesNotExpire(t *testing.T) {
	o := newPeer(t)
	o.clock += 2 * txn.Timestamp(defaultSessionBound)
	o.pass(defaultSessionBound / sweeps)
	o.want(o.status(wire.KindSubmit, submitHere(2, writes("a"))), txn.StatusCommitted, "submit")
	stale := Expire{Client: me, Session: opened, Used: 1}
	o.log(Command(wire.KindExpire, enc(&stale)))
	for range 3 {
		o.pass(defaultSessionBound / sweeps)
		o.flush()
	}
	if s := o.sessions[me]; s == nil || !s.open() || o.Stats().Expired > 0 {
		t.Errorf("%+v", s)
	}
}

// Opening a session anew raises the mark, and is not the word that all have applied what lies below it.
func TestReopeningForgetsNoCommit(t *testing.T) {
	o := newPeer(t)
	o.status(wire.KindPrepare, among(2, writes("k"), 5))
	o.status(wire.KindCommit, commit(2))
	reopened := o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 10}))
	var r txn.SessionReply
	if err := txn.SessionReplyBody.Decode(reopened.Body, &r); err != nil || r.Epoch != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	o.replies = nil
	if f := o.inquired(Inquiry{Epoch: 2, Session: opened, ID: tid(2)}); f.Status != txn.StatusCommitted {
		t.Errorf("asked by another participant: %+v", f)
	}
	// The client's own word is.
	o.status(wire.KindSubmit, enc(&txn.Submit{ID: tid(11), Session: r.Session, Mark: 11, Work: writes("m")}))
	if o.find(tid(2)) != nil || o.orphans.Len() > 0 {
		t.Error("a commit that the client knows applied everywhere is kept")
	}
	o.checkSum()
}
