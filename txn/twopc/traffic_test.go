package twopc

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func TestLatencyBuckets(t *testing.T) {
	var l Latencies
	for b := range LatencyBuckets {
		bound, ok := BucketBound(b)
		if ok != (b < LatencyBuckets-1) {
			t.Fatalf("bucket %d: %v", b, ok)
		}
		if !ok {
			bound = wire.Second * 3600
		}
		before := l.Buckets[b]
		l.take(bound)
		if l.Buckets[b] != before+1 {
			t.Errorf("%d ns do not count in bucket %d", bound, b)
		}
		if ok {
			l.take(bound + 1)
			if l.Buckets[b+1] != 1 {
				t.Errorf("%d ns do not count in bucket %d", bound+1, b+1)
			}
		}
	}
	l = Latencies{}
	l.take(-5)
	l.take(0)
	l.take(7)
	if l.Buckets[0] != 3 || l.Sum != 7 {
		t.Errorf("%+v", l)
	}
	if allocs := testing.AllocsPerRun(100, func() { l.take(wire.Millisecond) }); allocs > 0 {
		t.Errorf("%v allocations to count one", allocs)
	}
}

// Each request is counted once, with the time until it was answered.
func TestTrafficIsCounted(t *testing.T) {
	o := newOne(t)
	count := func(k wire.Kind) (n uint64, sum wire.Duration) {
		l := o.Traffic().Of(k)
		for _, b := range l.Buckets {
			n += b
		}
		return n, l.Sum
	}
	want := func(k wire.Kind, n uint64, sum wire.Duration) {
		t.Helper()
		if m, s := count(k); m != n || s != sum {
			t.Errorf("%v: %d answers that took %d ns, want %d and %d", k, m, s, n, sum)
		}
	}
	want(wire.KindOpenSession, 1, 0)
	o.send(wire.KindSubmit, submit(2, writes("k")))
	o.send(wire.KindSubmit, submit(2, writes("k"))) // a copy on its way
	o.Now(3 * wire.Time(wire.Millisecond))
	o.flush()
	want(wire.KindSubmit, 1, 3*wire.Millisecond)
	o.send(wire.KindSubmit, submit(2, writes("k"))) // and one that comes late
	if o.Traffic().Repeated != 2 {
		t.Errorf("%d copies", o.Traffic().Repeated)
	}

	o.now = 5 * wire.Time(wire.Millisecond)
	o.want(o.status(wire.KindPrepare, prepare(3, writes("l"))), txn.StatusYes, "a prepare")
	o.send(wire.KindRead, enc(&txn.ReadRequest{Nonce: 1, Keys: [][]byte{[]byte("l")}}))
	want(wire.KindRead, 0, 0)
	o.now += wire.Time(wire.Millisecond)
	o.do(wire.KindCommit, commit(3)) // and the read is answered
	want(wire.KindRead, 1, wire.Millisecond)
	want(wire.KindCommit, 1, 0)
	if o.Traffic().Waited != 1 {
		t.Errorf("%d waits", o.Traffic().Waited)
	}

	stale := txn.Work{Reads: []txn.Read{{Key: []byte("l")}}, Writes: writes("l").Writes}
	o.want(o.status(wire.KindSubmit, submit(4, stale)), txn.StatusNo, "a stale read")
	if o.Traffic().Conflicts != 1 {
		t.Errorf("%d conflicts", o.Traffic().Conflicts)
	}
	o.send(wire.KindSubmit, []byte("garbage"))
	if o.Traffic().Refused[txn.ReasonMalformed] != 1 {
		t.Errorf("%+v", o.Traffic().Refused)
	}
	want(wire.KindSubmit, 2, 3*wire.Millisecond)
}

// What a new reason or kind of request would need is there.
func TestTrafficKnowsAllThatIsAsked(t *testing.T) {
	if (txn.Reason(refusals)).String() != "Reason(9)" {
		t.Errorf("there is a reason %v, which is not counted", txn.Reason(refusals))
	}
	seen := map[wire.Kind]bool{wire.KindTopology: true}
	for _, k := range RequestKinds {
		seen[k] = true
	}
	for k := wire.KindTopology; k < wire.KindTopologyReply; k++ {
		if k.Known() && !seen[k] {
			t.Errorf("%v is not counted", k)
		}
	}
}
