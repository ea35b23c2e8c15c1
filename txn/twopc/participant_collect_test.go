package twopc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// keeper returns a leader that keeps old versions for so long, and so many bytes of them.
func keeper(t *testing.T, retention wire.Duration, garbage int64) *one {
	o := &one{t: t, Participant: NewParticipant(ParticipantConfig{
		Map: shard.Map{Version: 1, Shards: 1}, Retention: retention, GarbageBytes: garbage,
	})}
	o.Lead(0, 3)
	o.do(wire.KindOpenSession, enc(&txn.OpenSession{Client: me, First: 1}))
	return o
}

// turn lets time pass, and the log with it: something is always written.
func (o *one) turn(d wire.Duration) {
	o.now = o.now.Add(d)
	o.Tick(o.now)
	o.gather()
	batch := append(o.pending, Command(wire.KindAdvance, enc(&Advance{})))
	o.pending = nil
	o.logAt(txn.Timestamp(o.now), batch...)
}

func TestOldVersionsGoAfterTheRetention(t *testing.T) {
	o := keeper(t, 10*wire.Second, 1<<30)
	for i := range uint64(5) {
		o.logAt(txn.Timestamp(o.now), set(1+i, "k", "v"))
		o.turn(wire.Second)
	}
	if n := o.Stats().Store.Versions; n != 5 {
		t.Fatalf("%d versions within the retention", n)
	}
	for range 30 {
		o.turn(wire.Second)
	}
	if s := o.Stats().Store; s.Versions != 1 || s.Keys != 1 {
		t.Errorf("%+v", s)
	}
	o.Tick(o.now.Add(60 * wire.Second))
	o.gather()
	if len(o.pending) != 0 {
		t.Errorf("%q is proposed with nothing to collect", o.pending)
	}
}

// Memory stays near the live data whatever the retention: old versions go when they take too much.
func TestOverwritesDoNotGrow(t *testing.T) {
	o := keeper(t, 60*wire.Second, 64<<10)
	const keys, value, rounds = 200, 500, 60
	seq, most := uint64(0), int64(0)
	for range rounds {
		for k := range keys {
			seq++
			o.logAt(txn.Timestamp(o.now), o.overwrite(seq, fmt.Sprint("k", k), value))
			if k%20 == 0 {
				o.turn(2 * wire.Millisecond)
			}
			most = max(most, o.Stats().Store.Bytes)
		}
	}
	live := o.Stats().Store.Live
	if live < keys*value || most > live+live/2+128<<10 {
		t.Errorf("%d bytes at most, with %d live", most, live)
	}
	if o.store.Horizon() == 0 || o.store.Horizon() >= o.Clock() {
		t.Errorf("the horizon is %d, the clock %d", o.store.Horizon(), o.Clock())
	}
}

func (o *one) overwrite(seq uint64, key string, size int) []byte {
	w := txn.Work{Writes: []txn.Write{{Key: []byte(key), Value: make([]byte, size)}}}
	return Command(wire.KindSubmit, enc(&txn.Submit{ID: tid(seq), Session: 1, Mark: seq, Work: w}))
}

// One command removes a bounded number of versions, and the next follows as soon as it is applied.
func TestCollectingGoesInSteps(t *testing.T) {
	o := keeper(t, wire.Second, 1<<30)
	const versions = 3 * collectStep
	for i := range uint64(versions + 1) {
		o.logAt(txn.Timestamp(o.now), o.overwrite(1+i, "k"+fmt.Sprint(i%7), 1))
	}
	o.logAt(txn.Timestamp(o.now.Add(60*wire.Second)), Command(wire.KindAdvance, enc(&Advance{})))
	before := o.Stats().Store.Versions
	for i := 0; o.Stats().Store.Versions > 7; i++ {
		o.Tick(o.now)
		o.gather()
		if len(o.pending) != 1 || i > versions/8 {
			t.Fatalf("step %d: %d proposed, %d versions left", i, len(o.pending), o.Stats().Store.Versions)
		}
		o.flush()
		after := o.Stats().Store.Versions
		if before-after > collectStep+versions/7 {
			t.Fatalf("one command removed %d versions", before-after)
		}
		before = after
	}
}

// A tombstone that has gone leaves the floor: who saw the key absent before cannot tell that it was not there in
// between.
func TestWhatWasAbsentBeforeTheFloorIsAConflict(t *testing.T) {
	for _, what := range []string{"read", "scan"} {
		o := newOne(t)
		o.logAt(1000, set(1, "other", "v"))
		seen := o.saw("k")
		if what == "scan" {
			seen = o.scanned("a", "m")
		}
		o.logAt(2000, set(2, "k", "v"))
		o.logAt(3000, Command(wire.KindSubmit, submit(3, deletes("k"))))
		o.logAt(4000, Command(wire.KindCollect, enc(&Collect{Below: 3500})))
		if n := o.Stats().Store.Versions; n != 1 {
			t.Fatalf("%d versions are left", n)
		}
		o.want(o.status(wire.KindSubmit, submit(4, join(seen, writes("x")))), txn.StatusNo, what+" before the floor")
		fresh := join(o.saw("k"), o.scanned("a", "m"))
		o.want(o.status(wire.KindSubmit, submit(5, join(fresh, writes("x")))), txn.StatusCommitted, what+" after it")
	}
}

// An old version that goes below a newer one leaves no doubt, and troubles nobody.
func TestOverwritesTroubleNoScan(t *testing.T) {
	o := newOne(t)
	o.logAt(1000, set(1, "k", "v"))
	seen := join(o.scanned("l", "m"), o.saw("l"))
	o.logAt(2000, set(2, "k", "w"))
	o.logAt(4000, Command(wire.KindCollect, enc(&Collect{Below: 3500})))
	o.want(o.status(wire.KindSubmit, submit(3, join(seen, writes("x")))), txn.StatusCommitted, "beside an overwritten key")
}

// A Collect that the log would not take is proposed again.
func TestACollectThatIsLostIsRepeated(t *testing.T) {
	o := keeper(t, wire.Second, 1<<30)
	o.logAt(1, set(1, "k", "v"), set(2, "k", "w"))
	o.logAt(txn.Timestamp(60*wire.Second), Command(wire.KindAdvance, enc(&Advance{})))
	o.Tick(o.now)
	o.Tick(o.now)
	o.gather()
	if len(o.pending) != 1 {
		t.Fatalf("proposed: %q", o.pending)
	}
	o.TurnedAway(o.pending[0])
	o.pending = nil
	o.turn(collectAgain)
	if n := o.Stats().Store.Versions; n != 1 {
		t.Errorf("%d versions are left", n)
	}
}

// Commands of the leader's own are taken from no client.
func TestNoClientMayCollect(t *testing.T) {
	o := newOne(t)
	o.send(wire.KindCollect, enc(&Collect{Below: 1 << 60}))
	o.send(wire.KindAdvance, enc(&Advance{}))
	if len(o.pending)+len(o.replies) > 0 || o.Stats().Ignored != 2 {
		t.Errorf("proposed %q, replied %v", o.pending, o.replies)
	}
}
