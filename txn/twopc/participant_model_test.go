package twopc

import (
	"bytes"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"pgregory.net/rapid"
)

// serial is a shard written down as plainly as can be: a list of all writes ever made, and what each
// transaction was told. It knows nothing of trees, locks, counts or digests.
type serial struct {
	writes []wrote
	told   map[uint64]*told
	mark   uint64
}

type wrote struct {
	at      txn.Position
	key     string
	deleted bool
}

type told struct {
	command []byte // nil for a refusal
	work    txn.Work
	status  txn.Status
	// orphan: it committed when the client had long declared it settled; others may ask for it.
	orphan bool
}

func (s *serial) last(key string) (w wrote, ok bool) {
	for _, x := range s.writes {
		if x.key == key {
			w, ok = x, true
		}
	}
	return w, ok
}

// current: everything that was read would be read the same way now.
func (s *serial) current(w *txn.Work) bool {
	for _, r := range w.Reads {
		last, ok := s.last(string(r.Key))
		there := ok && !last.deleted
		if r.Found != there || r.Found && last.at != r.At || !r.Found && ok && last.at.Compare(r.At) > 0 {
			return false
		}
	}
	for _, r := range w.Ranges {
		for _, x := range s.writes {
			if r.Covers([]byte(x.key)) && x.at.Compare(r.At) > 0 {
				return false
			}
		}
	}
	return true
}

// free: no transaction that voted yes touches the same.
func (s *serial) free(w *txn.Work) bool {
	for _, t := range s.told {
		if t.status == txn.StatusYes && (meets(w, &t.work) || meets(&t.work, w)) {
			return false
		}
	}
	return true
}

// meets reports whether a writes what b reads, scans or writes.
func meets(a, b *txn.Work) bool {
	for _, w := range a.Writes {
		for _, r := range b.Reads {
			if bytes.Equal(w.Key, r.Key) {
				return true
			}
		}
		for _, r := range b.Ranges {
			if r.Covers(w.Key) {
				return true
			}
		}
		for _, x := range b.Writes {
			if bytes.Equal(w.Key, x.Key) {
				return true
			}
		}
	}
	return false
}

func (s *serial) put(at txn.Position, w *txn.Work) {
	for _, x := range w.Writes {
		s.writes = append(s.writes, wrote{at, string(x.Key), x.Delete})
	}
}

func (s *serial) raise(mark uint64) {
	s.mark = max(s.mark, mark)
	for seq, t := range s.told {
		if seq < s.mark && t.status != txn.StatusYes && !t.orphan {
			delete(s.told, seq)
		}
	}
}

// begin is a submit (yes is StatusCommitted) or a prepare (StatusYes).
func (s *serial) begin(b []byte, seq, mark uint64, w txn.Work, yes txn.Status, at txn.Position) txn.Status {
	if t := s.told[seq]; t != nil {
		if t.status != txn.StatusRefused && !bytes.Equal(t.command, b) {
			return txn.StatusMismatch
		}
		return t.status
	}
	if s.raise(mark); seq < s.mark {
		return txn.StatusNone
	}
	t := &told{command: b, work: w, status: txn.StatusNo}
	if s.current(&w) && s.free(&w) {
		t.status = yes
		if yes == txn.StatusCommitted {
			s.put(at, &w)
		}
	}
	s.told[seq] = t
	return t.status
}

// end is a commit, abort or resolve, of a client or of a leader. It returns 0 for what contradicts the record.
func (s *serial) end(kind wire.Kind, seq uint64, at txn.Position) txn.Status {
	t := s.told[seq]
	switch {
	case kind == wire.KindForget:
		if t != nil && t.orphan {
			delete(s.told, seq)
		}
		return txn.StatusNone
	case t == nil && (seq < s.mark || kind == wire.KindSettle):
		return txn.StatusNone
	case t == nil && kind == wire.KindCommit:
		return 0
	case t == nil:
		s.told[seq] = &told{status: txn.StatusRefused}
		return txn.StatusRefused
	case kind == wire.KindResolve:
		return t.status
	case t.status == txn.StatusYes && kind == wire.KindCommit:
		s.put(at, &t.work)
		t.status, t.orphan = txn.StatusCommitted, seq < s.mark
	case t.status != txn.StatusYes && kind == wire.KindSettle:
		return t.status
	case t.status == txn.StatusYes:
		t.status = txn.StatusAborted
	case kind == wire.KindAbort && t.status != txn.StatusCommitted:
		return txn.StatusAborted
	}
	status := t.status
	s.raise(s.mark)
	return status
}

// someWork draws what a client may have seen at some op up to now, through the shard's own history.
func someWork(t *rapid.T, m *machine) (w txn.Work) {
	key := rapid.Custom(func(t *rapid.T) []byte { return []byte{byte(rapid.IntRange('a', 'e').Draw(t, "key"))} })
	seen := wire.Op(rapid.IntRange(int(max(m.applied, 4)-4), int(m.applied)).Draw(t, "seen"))
	for _, k := range rapid.SliceOfN(key, 0, 2).Draw(t, "reads") {
		r := txn.Read{Key: k, At: txn.After(seen)}
		if v, ok := m.store.At(k, txn.After(seen)); ok && !v.Deleted {
			r.Found, r.At = true, v.At
		}
		w.Reads = append(w.Reads, r)
	}
	if rapid.IntRange(0, 3).Draw(t, "scan") == 0 {
		r := txn.Range{Start: key.Draw(t, "start"), At: txn.After(seen)}
		if rapid.Bool().Draw(t, "bounded") {
			r.End = key.Draw(t, "end")
		}
		w.Ranges = append(w.Ranges, r)
	}
	for _, k := range rapid.SliceOfN(key, 1, 2).Draw(t, "writes") {
		w.Writes = append(w.Writes, txn.Write{Key: k, Value: []byte("v"), Delete: rapid.Bool().Draw(t, "delete")})
	}
	return w
}

// someCommand draws a command, at times one that was there before.
func someCommand(t *rapid.T, m *machine, before [][]byte) []byte {
	if len(before) > 0 && rapid.IntRange(0, 5).Draw(t, "again") == 0 {
		return rapid.SampledFrom(before).Draw(t, "which")
	}
	low := max(m.sessions[me].mark, 1)
	seq := uint64(rapid.IntRange(int(max(low, 3)-2), int(low)+6).Draw(t, "seq"))
	mark := uint64(rapid.IntRange(0, int(min(seq, low+1))).Draw(t, "mark"))
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0, 1:
		return Command(wire.KindSubmit, enc(&txn.Submit{ID: tid(seq), Session: 1, Mark: mark, Work: someWork(t, m)}))
	case 2, 3:
		return Command(wire.KindPrepare, enc(&Prepare{ID: tid(seq), Mark: mark, Members: []Member{{Group: 0, Session: 1}, {Group: 5, Session: 2}}, Work: someWork(t, m)}))
	case 4:
		return Command(wire.KindCommit, commit(seq))
	case 5:
		return Command(wire.KindAbort, abort(seq))
	case 6:
		return Command(wire.KindSettle, enc(&Settle{ID: tid(seq), Because: 5}))
	case 7:
		return Command(wire.KindForget, enc(&Forget{tid(seq)}))
	}
	return Command(wire.KindResolve, resolve(seq))
}

// TestAgainstTheSerialModel applies random commands, stale, repeated and contradictory ones among them,
// and compares every answer and every key with the plain model.
func TestAgainstTheSerialModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(realm{keys: shard.Map{Version: 1, Shards: 1}})
		o := &one{t: t, Participant: &Participant{machine: m, desk: newDesk()}}
		o.log(Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1})))
		model := serial{told: map[uint64]*told{}, mark: 1}
		var before [][]byte
		for range rapid.IntRange(1, 40).Draw(t, "ops") {
			o.applied++
			for i := range rapid.IntRange(1, 3).Draw(t, "batch") {
				b := someCommand(t, &o.machine, before)
				before = append(before, b)
				at := txn.Position{Op: o.applied, Index: uint32(i)}
				c, bad := o.parse(b, nil)
				if bad != nil {
					t.Fatal(bad.detail)
				}
				got, want := o.apply(&c, at, o.tick(0)).status, model.step(b, &c, at)
				if objection := want == 0; !objection && got != want {
					t.Fatalf("%v of %v at %v: %v, want %v", c.kind, c.id, at, got, want)
				}
			}
			o.compare(t, &model)
		}
	})
}

func (s *serial) step(b []byte, c *command, at txn.Position) txn.Status {
	switch c.kind {
	case wire.KindSubmit:
		return s.begin(b, c.id.Seq, c.submit.Mark, c.submit.Work, txn.StatusCommitted, at)
	case wire.KindPrepare:
		return s.begin(b, c.id.Seq, c.prepare.Mark, c.prepare.Work, txn.StatusYes, at)
	}
	return s.end(c.kind, c.id.Seq, at)
}

func (o *one) compare(t *rapid.T, model *serial) {
	o.checkSum()
	for k := 'a'; k <= 'e'; k++ {
		v, ok := o.store.Latest([]byte(string(k)))
		w, known := model.last(string(k))
		if ok != known || v.At != w.at || v.Deleted != w.deleted {
			t.Fatalf("%c: %+v %v, want %+v %v", k, v, ok, w, known)
		}
	}
	if o.records != len(model.told) {
		t.Fatalf("%d records, want %d", o.records, len(model.told))
	}
}

// TestReplicasAgree lets one replica lead, with requests, copies, reads, time and changes of view all
// about it, while another only applies its log. After every op they have the same hash. Along the way no
// yes is withdrawn except by an outcome in the log, and at the end nobody is left waiting.
func TestReplicasAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := ParticipantConfig{Map: shard.Map{Version: 1, Shards: 1}}
		leader := &one{t: t, Participant: NewParticipant(cfg)}
		follower := &one{t: t, Participant: NewParticipant(cfg)}
		leader.Lead(0, 0)
		leader.send(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1}))
		var before [][]byte
		apply := func() {
			n := rapid.IntRange(0, len(leader.pending)).Draw(t, "batch")
			batch := leader.pending[:n:n]
			leader.pending = leader.pending[n:]
			if rapid.IntRange(0, 9).Draw(t, "noise") == 0 {
				batch = append(batch, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
			}
			proposed := txn.Timestamp(rapid.IntRange(0, 100).Draw(t, "time"))
			yes := leader.Prepared()
			leader.Apply(leader.Applied()+1, proposed, batch)
			follower.Apply(follower.Applied()+1, proposed, batch)
			leader.gather()
			if leader.Hash() != follower.Hash() {
				t.Fatalf("replicas differ after op %d", leader.Applied())
			}
			stillThere(t, leader, yes, batch)
		}
		leader.log(leader.pending...)
		follower.log(leader.pending...)
		leader.pending = nil
		for step := range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2:
				apply()
			case 3:
				leader.send(wire.KindRead, readAs(uint64(step), rapid.Bool().Draw(t, "linearizable"), "a", "c"))
			case 4:
				leader.now = leader.now.Add(wire.Duration(rapid.IntRange(0, 6).Draw(t, "ms")) * wire.Millisecond)
				leader.Tick(leader.now)
				leader.gather()
			case 5:
				if rapid.IntRange(0, 4).Draw(t, "view change") == 0 {
					leader.Follow(leader.view + 1)
					leader.Lead(leader.now, leader.view+2)
					leader.gather()
				}
			default:
				b := someCommand(t, &leader.machine, before)
				before = append(before, b)
				leader.send(wire.Kind(b[0]), b[1:])
			}
		}
		leader.Tick(leader.now.Add(wire.Second))
		leader.gather()
		for len(leader.pending) > 0 {
			apply()
		}
		leader.checkSum()
		if s := leader.Stats(); s.Waiting+s.InFlight != 0 || leader.claims.Len() != 0 || leader.room.byKey.Len()+len(leader.room.asked)+leader.room.line.len+leader.room.line.bytes != 0 {
			t.Fatalf("left behind: %+v", s)
		}
	})
}

// stillThere: of the transactions that had voted yes, each is still prepared, or its outcome stood in the batch.
func stillThere(t *rapid.T, o *one, yes []txn.ID, batch [][]byte) {
	for _, id := range yes {
		if o.locks.Work(id) != nil {
			continue
		}
		ended := false
		for _, b := range batch {
			c, bad := o.parse(b, nil)
			ended = ended || bad == nil && c.id == id && (c.commit != nil || c.abort != nil)
		}
		if !ended {
			t.Fatalf("%v is no longer prepared, and nothing in the log says why", id)
		}
	}
}

// TestAnyBytesInTheLog: what no leader should have proposed is counted, changes nothing but the clock, and
// finds the same on every replica.
func TestAnyBytesInTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := ParticipantConfig{Group: 1, Map: shard.Map{Version: 1, Shards: 3}}
		a, b := NewParticipant(cfg), NewParticipant(cfg)
		for op := range rapid.IntRange(1, 10).Draw(t, "ops") {
			var batch [][]byte
			for range rapid.IntRange(0, 3).Draw(t, "batch") {
				batch = append(batch, mangled(t))
			}
			a.Apply(wire.Op(op+1), 5, batch)
			b.Apply(wire.Op(op+1), 5, batch)
			if a.Hash() != b.Hash() {
				t.Fatal("replicas differ")
			}
		}
	})
}

// mangled draws a good command and spoils a byte of it, or cuts it off.
func mangled(t *rapid.T) []byte {
	b := rapid.SampledFrom([][]byte{
		Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1})),
		Command(wire.KindSubmit, submit(1, writes("a", "b"))),
		Command(wire.KindPrepare, prepare(1, writes("a"))),
		Command(wire.KindCommit, commit(1)), Command(wire.KindAbort, abort(1)), Command(wire.KindResolve, resolve(1)),
	}).Draw(t, "command")
	b = bytes.Clone(b[:rapid.IntRange(0, len(b)).Draw(t, "length")])
	if len(b) > 0 {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "where")] = rapid.Byte().Draw(t, "byte")
	}
	return b
}

func FuzzApply(f *testing.F) {
	for i, b := range [][]byte{submit(1, writes("a")), prepare(1, writes("a")), commit(1), abort(1), resolve(1)} {
		f.Add(Command(wire.KindSubmit+wire.Kind(i), b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := ParticipantConfig{Map: shard.Map{Shards: 1}}
		p, q := NewParticipant(cfg), NewParticipant(cfg)
		open := Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1}))
		p.Apply(1, 1, [][]byte{open, b, b})
		q.Apply(1, 1, [][]byte{open, b, b})
		if p.Hash() != q.Hash() {
			t.Fatal("two replicas differ")
		}
		if p.records > 1 {
			t.Fatalf("one command left %d records", p.records)
		}
	})
}
