package replica_test

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/txn"
)

// writer is a client that overwrites keys as fast as it is told to, and settles what it has written.
type writer struct {
	g       *group
	session txn.SessionReply
	seq     uint64
}

func newWriter(g *group) *writer {
	w := &writer{g: g, seq: 1}
	answer := g.ask(wire.KindOpenSession, txn.OpenSessionBody.Append(nil, &txn.OpenSession{Client: 9, First: 1}))
	if err := txn.SessionReplyBody.Decode(answer.Body, &w.session); err != nil {
		g.tb.Fatalf("%v: %v", answer.Kind, err)
	}
	return w
}

// write sends n transactions in one go, each of some keys out of many, and lets them be applied.
func (w *writer) write(n, each, keys int) {
	in := make([]transport.Datagram, n)
	for i := range in {
		s := txn.Submit{ID: txn.ID{Client: 9, Seq: w.seq}, Session: w.session.Session, Mark: w.seq - min(w.seq-1, 2000)}
		for k := range each {
			key := (w.seq*uint64(each) + uint64(k)) % uint64(keys)
			s.Work.Writes = append(s.Work.Writes, txn.Write{Key: fmt.Appendf(nil, "key-%06d", key), Value: fmt.Appendf(nil, "value %060d", w.seq)})
		}
		w.seq++
		in[i] = w.g.datagram(clientAddr, w.g.client(wire.KindSubmit, txn.SubmitBody.Append(nil, &s)), w.g.keys.Client)
	}
	w.g.step(w.g.leader(), in...)
	w.g.answers = nil
	w.g.run(3 * turn)
}

// settled waits until all members have applied the same, and compares it.
func (g *group) settled() {
	g.tb.Helper()
	for range 1000 {
		g.run(turn)
		a, b, c := g.members[0].engine.State(), g.members[1].engine.State(), g.members[2].engine.State()
		if a.Status == paxos.Normal && b.Status == paxos.Normal && c.Status == paxos.Normal &&
			a.Applied == a.Last && b.Applied == a.Last && c.Applied == a.Last {
			for _, m := range g.members {
				if m.engine.Hash() != g.members[0].engine.Hash() {
					g.tb.Fatalf("members hold different states after op %d", a.Last)
				}
			}
			return
		}
	}
	g.tb.Fatal("the members do not come together within two seconds")
}

// Overwriting for ever takes no more memory than the keys and a bounded log; and a replica that comes back
// without memory is given the state, for nobody has the log any more.
func TestLogsStayBounded(t *testing.T) {
	const keys, overwrites, burst = 1000, 100_000, 250
	g := newGroup(t, bothKeys)
	w := newWriter(g)
	limits := paxos.DefaultLimits()
	slack := limits.BatchBytes + 128
	for range overwrites / burst {
		w.write(burst, 1, keys)
		for i, m := range g.members {
			if s := m.engine.State(); s.LogBytes > limits.KeepBytes+slack {
				t.Fatalf("after %d writes member %d keeps %d bytes of log, the limit is %d", w.seq-1, i, s.LogBytes, limits.KeepBytes)
			}
		}
	}
	g.settled()
	for i, m := range g.members {
		s := m.engine.State()
		if s.Base == 0 || s.LogBytes < limits.KeepBytes/2 {
			t.Errorf("member %d keeps %d bytes of log from op %d: the test has become too short", i, s.LogBytes, s.Base)
		}
		if st := m.engine.Participant().Stats(); st.Store.Keys != keys || st.Records > 2*2000+burst {
			t.Errorf("member %d holds %d keys and %d records", i, st.Store.Keys, st.Records)
		}
	}
	g.members[2] = g.boot(2, g.members[2].disk, replica.NoFastPath{})
	g.settled()
	if n := g.members[2].engine.State().Images.Restored; n != 1 {
		t.Errorf("%d images restored", n)
	}
}

// While the state is sent, the group serves, and no turn of the source is longer for it than a burst.
func TestGroupServesWhileStateIsSent(t *testing.T) {
	const keys = 40_000
	g := newGroup(t, bothKeys)
	w := newWriter(g)
	for range keys / 4000 {
		w.write(200, 20, keys)
	}
	for g.leader().engine.State().Base < 100 {
		w.write(200, 20, keys)
	}
	g.settled()
	limits := paxos.DefaultLimits()
	back := g.boot(2, g.members[2].disk, replica.NoFastPath{})
	g.members[2] = back
	leader, served := g.leader(), 0
	for turns := 0; back.engine.State().Status != paxos.Normal; turns++ {
		before := leader.engine.State()
		w.write(1, 1, keys)
		after := leader.engine.State()
		if n := after.Images.BytesOut - before.Images.BytesOut; n > uint64(3*2*limits.Burst*limits.BatchBytes) {
			t.Fatalf("%d bytes of image sent in three turns", n)
		}
		if after.Applied > before.Applied && after.Images.BytesOut > before.Images.BytesOut {
			served++
		}
		if turns > 2000 {
			t.Fatalf("no end: %+v", back.engine.State())
		}
	}
	g.settled()
	if in := back.engine.State().Images; in.Restored != 1 || in.BytesIn < keys*60 || served < 10 {
		t.Errorf("%+v, and %d writes were served meanwhile", in, served)
	}
	g.run(3 * wire.Second)
	if out := leader.engine.State().Images; out.Taken != 1 {
		t.Errorf("%d images taken for one receiver", out.Taken)
	}
}
