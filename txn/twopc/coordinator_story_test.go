package twopc

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// The stories in testdata/coordinator play the shards by hand. A key is written group/name.
//
//	read 1 keys=(0/a,1/b)          commit 2 read=(0/a@7) put=(1/b) del=(2/c)
//	cancel 2                       outcome 3 seq=5 client=99
//	session g=1 op=10              values g=1 nonce=3 at=(7,8)
//	valid g=1 nonce=4              invalid g=1 nonce=4 key=1/b
//	full g=1
//	status g=1 seq=2 is=yes time=50 key=1/b
//	refuse g=1 kind=Prepare seq=2 nonce=0 is=notleader view=4
//	pass 5ms                       overdue (time passes up to the next deadline)
//
// Every answer takes from=N, the replica that sends it; the default is 0.
func TestCoordinatorStories(t *testing.T) {
	datadriven.Walk(t, "testdata/coordinator", func(t *testing.T, path string) {
		s := newStory()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.run(t, d)
		})
	})
}

type story struct {
	c     *Coordinator
	now   wire.Time
	stats CoordinatorStats
	keys  map[string]string
}

func newStory() *story {
	s := &story{now: 1_000_000_000, keys: map[string]string{}}
	s.c = NewCoordinator(testConfig(1))
	return s
}

func testConfig(seed uint64) CoordinatorConfig {
	return CoordinatorConfig{
		Client: 0xc, Map: shard.Map{Version: 1, Shards: 4},
		Replicas: func(wire.GroupID) int { return 3 },
		Rand:     rand.New(rand.NewPCG(seed, 0)),
	}
}

// key finds a key of that group whose name begins as asked.
func (s *story) key(t *testing.T, written string) []byte {
	group, name, ok := strings.Cut(written, "/")
	if !ok {
		t.Fatalf("key %q is not written group/name", written)
	}
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s%d", name, i)
		if s.c.cfg.Map.Of([]byte(key)) == shard.ID(number(t, group)) {
			s.keys[key] = written
			return []byte(key)
		}
	}
}

func number(t *testing.T, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "read":
		s.c.Read(s.now, s.token(t, d), s.keyList(t, d), d.HasArg("linearizable"))
	case "commit":
		s.c.Commit(s.now, s.token(t, d), s.work(t, d))
	case "cancel":
		s.c.Cancel(s.now, s.token(t, d))
	case "outcome":
		s.c.Outcome(s.now, s.token(t, d), s.id(t, d))
	case "pass":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(wire.Duration(by))
		s.c.Tick(s.now)
	case "overdue":
		due, ok := s.c.NextDeadline()
		if !ok {
			return "nothing is awaited\n"
		}
		s.now = due
		s.c.Tick(s.now)
	default:
		s.answer(t, d)
	}
	return s.report()
}

func (s *story) token(t *testing.T, d *datadriven.TestData) uint64 {
	return number(t, d.CmdArgs[0].Key)
}

func arg(t *testing.T, d *datadriven.TestData, name string) uint64 {
	var n uint64
	d.MaybeScanArgs(t, name, &n)
	return n
}

// id is that of a transaction of the client, or of another one if that is named.
func (s *story) id(t *testing.T, d *datadriven.TestData) txn.ID {
	if other := arg(t, d, "client"); other != 0 {
		return txn.ID{Client: txn.ClientID(other), Seq: arg(t, d, "seq")}
	}
	return txn.ID{Client: s.c.cfg.Client, Seq: arg(t, d, "seq")}
}

func (s *story) keyList(t *testing.T, d *datadriven.TestData) (keys [][]byte) {
	a, _ := d.Arg("keys")
	for _, written := range a.Vals {
		keys = append(keys, s.key(t, written))
	}
	return keys
}

// work reads read=(key@op,...), where no op means that the key was absent, put=(key,...) and del=(key,...).
func (s *story) work(t *testing.T, d *datadriven.TestData) (w txn.Work) {
	for _, a := range d.CmdArgs {
		for _, written := range a.Vals {
			switch key, op, found := strings.Cut(written, "@"); a.Key {
			case "read":
				r := txn.Read{Key: s.key(t, key), Found: found}
				if found {
					r.At.Op = wire.Op(number(t, op))
				}
				w.Reads = append(w.Reads, r)
			case "put":
				w.Writes = append(w.Writes, txn.Write{Key: s.key(t, key), Value: []byte("v")})
			case "del":
				w.Writes = append(w.Writes, txn.Write{Key: s.key(t, key), Delete: true})
			}
		}
	}
	return w
}

// answer plays a replica.
func (s *story) answer(t *testing.T, d *datadriven.TestData) {
	from := Target{wire.GroupID(arg(t, d, "g")), wire.ReplicaID(arg(t, d, "from"))}
	id := s.id(t, d)
	nonce := uint64(s.c.cfg.Client) + arg(t, d, "nonce")
	step := func(kind wire.Kind, v any) { s.c.Step(s.now, from, kind, wire.AppendValue(nil, v)) }
	switch d.Cmd {
	case "session":
		first := arg(t, d, "first")
		step(wire.KindSessionReply, &txn.SessionReply{Client: id.Client, First: first, Session: wire.Op(arg(t, d, "op")), Reserved: d.HasArg("reserved")})
	case "full":
		step(wire.KindTxnReply, &txn.TxnReply{ID: txn.ID{Client: id.Client, Seq: arg(t, d, "first")}, Status: txn.StatusFull})
	case "values":
		reply := txn.ReadReply{Nonce: nonce}
		at, _ := d.Arg("at")
		for _, op := range at.Vals {
			reply.Values = append(reply.Values, txn.Value{Found: true, At: txn.Position{Op: wire.Op(number(t, op))}, Value: []byte("v" + op)})
		}
		step(wire.KindReadReply, &reply)
	case "valid", "invalid":
		step(wire.KindValidateReply, &txn.ValidateReply{Nonce: nonce, Valid: d.Cmd == "valid", Key: s.optionalKey(t, d)})
	case "status":
		reply := txn.TxnReply{ID: id, Status: statusNamed(t, d), Time: txn.Timestamp(arg(t, d, "time")), Key: s.optionalKey(t, d)}
		step(wire.KindTxnReply, &reply)
	case "refuse":
		step(wire.KindRefusal, &txn.Refusal{Kind: kindNamed(t, d), Nonce: nonce, ID: id, Reason: reasonNamed(t, d), View: wire.View(arg(t, d, "view"))})
	default:
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
}

func (s *story) optionalKey(t *testing.T, d *datadriven.TestData) []byte {
	if a, ok := d.Arg("key"); ok {
		return s.key(t, a.Vals[0])
	}
	return nil
}

func statusNamed(t *testing.T, d *datadriven.TestData) txn.Status {
	var name string
	d.ScanArgs(t, "is", &name)
	for s := txn.StatusNone; s <= txn.StatusLost; s++ {
		if s.String() == name {
			return s
		}
	}
	t.Fatalf("%s: no status %q", d.Pos, name)
	return 0
}

func kindNamed(t *testing.T, d *datadriven.TestData) wire.Kind {
	var name string
	d.ScanArgs(t, "kind", &name)
	for k := wire.KindTopology; k < wire.KindTopologyReply; k++ {
		if k.String() == name {
			return k
		}
	}
	t.Fatalf("%s: no kind %q", d.Pos, name)
	return 0
}

func reasonNamed(t *testing.T, d *datadriven.TestData) txn.Reason {
	names := map[string]txn.Reason{
		"notleader": txn.ReasonNotLeader, "notready": txn.ReasonNotReady, "overloaded": txn.ReasonOverloaded,
		"waited": txn.ReasonWaited, "wrongshard": txn.ReasonWrongShard, "toolarge": txn.ReasonTooLarge,
		"malformed": txn.ReasonMalformed,
	}
	var name string
	d.ScanArgs(t, "is", &name)
	if names[name] == 0 {
		t.Fatalf("%s: no reason %q", d.Pos, name)
	}
	return names[name]
}

// report prints what the coordinator did since the last report.
func (s *story) report() string {
	var b strings.Builder
	r := s.c.Ready()
	for _, done := range r.Done {
		s.printDone(&b, &done)
	}
	for _, m := range r.Send {
		s.printSent(&b, &m)
	}
	now := s.c.Stats()
	for why := range now.Ignored {
		for range now.Ignored[why] - s.stats.Ignored[why] {
			fmt.Fprintf(&b, "ignored: %v\n", Ignored(why))
		}
	}
	s.stats = now
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *story) printDone(b *strings.Builder, done *Completion) {
	fmt.Fprintf(b, "done %d: %v", done.Token, done.Result)
	if done.ID.Seq != 0 {
		fmt.Fprintf(b, " seq=%d", done.ID.Seq)
	}
	for _, v := range done.Values {
		fmt.Fprintf(b, " %s@%v", v.Value, v.At)
	}
	if len(done.Key) > 0 {
		fmt.Fprintf(b, " key=%s", s.keys[string(done.Key)])
	}
	if done.Time != 0 {
		fmt.Fprintf(b, " time=%d", done.Time)
	}
	if done.Cause != (Cause{}) {
		fmt.Fprintf(b, " (%v)", done.Cause)
	}
	b.WriteByte('\n')
}

func (s *story) printSent(b *strings.Builder, m *Outgoing) {
	fmt.Fprintf(b, "-> %v: %v", m.To, m.Kind)
	body, err := wire.DecodeBody(m.Kind, m.Body)
	if err != nil {
		fmt.Fprintf(b, " %v\n", err)
		return
	}
	switch v := body.(type) {
	case *txn.ReadRequest:
		fmt.Fprintf(b, " nonce=%d", v.Nonce-uint64(s.c.cfg.Client))
		for _, k := range v.Keys {
			fmt.Fprintf(b, " %s", s.keys[string(k)])
		}
		if v.Linearizable {
			b.WriteString(" linearizable")
		}
	case *txn.ValidateRequest:
		fmt.Fprintf(b, " nonce=%d%s", v.Nonce-uint64(s.c.cfg.Client), s.describe(&v.Work))
	case *txn.OpenSession:
		fmt.Fprintf(b, " first=%d", v.First)
		if v.Clears {
			b.WriteString(" clears")
		}
	case *txn.Submit:
		fmt.Fprintf(b, " seq=%d session=%d mark=%d%s", v.ID.Seq, v.Session, v.Mark, s.describe(&v.Work))
	case *Prepare:
		fmt.Fprintf(b, " seq=%d mark=%d members=", v.ID.Seq, v.Mark)
		for _, m := range v.Members {
			fmt.Fprintf(b, "[%d session %d]", m.Group, m.Session)
		}
		b.WriteString(s.describe(&v.Work))
	case *Commit:
		fmt.Fprintf(b, " seq=%d time=%d", v.ID.Seq, v.Time)
	case *Abort:
		fmt.Fprintf(b, " seq=%d because=%d", v.ID.Seq, v.Because)
	case *Resolve:
		fmt.Fprintf(b, " seq=%d session=%d", v.ID.Seq, v.Session)
	}
	b.WriteByte('\n')
}

func (s *story) describe(w *txn.Work) string {
	var b strings.Builder
	for _, r := range w.Reads {
		fmt.Fprintf(&b, " read %s", s.keys[string(r.Key)])
	}
	for _, x := range w.Writes {
		verb := "put"
		if x.Delete {
			verb = "del"
		}
		fmt.Fprintf(&b, " %s %s", verb, s.keys[string(x.Key)])
	}
	return b.String()
}
