package twopc

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// logAt applies one entry with a leader's time.
func (o *one) logAt(proposed txn.Timestamp, commands ...[]byte) {
	o.Apply(o.Applied()+1, proposed, commands)
	o.gather()
}

// readAt asks for a key as it was, and returns the value, or false while it waits.
func (o *one) readAt(time txn.Timestamp, key string) (string, bool) {
	o.t.Helper()
	o.replies = nil
	o.puts++
	o.send(wire.KindRead, enc(&txn.ReadRequest{Nonce: o.puts, Keys: [][]byte{[]byte(key)}, Time: time, Linearizable: true}))
	return o.readReply()
}

func (o *one) readReply() (string, bool) {
	o.t.Helper()
	if len(o.replies) == 0 {
		return "", false
	}
	var r txn.ReadReply
	last := o.replies[len(o.replies)-1]
	if err := txn.ReadReplyBody.Decode(last.Body, &r); last.Kind != wire.KindReadReply || err != nil {
		o.t.Fatalf("%v: %v, want values", last.Kind, err)
	}
	if !r.Values[0].Found {
		return "absent", true
	}
	return string(r.Values[0].Value), true
}

func set(seq uint64, key, value string) []byte {
	return Command(wire.KindSubmit, submit(seq, txn.Work{Writes: []txn.Write{{Key: []byte(key), Value: []byte(value)}}}))
}

func TestReadsOfThePast(t *testing.T) {
	o := newOne(t)
	o.logAt(1000, set(1, "k", "one"))
	o.logAt(2000, set(2, "k", "two"))
	o.logAt(3000, Command(wire.KindSubmit, submit(3, deletes("k"))))
	for time, want := range map[txn.Timestamp]string{999: "absent", 1000: "one", 1999: "one", 2000: "two", 3000: "absent"} {
		if got, ok := o.readAt(time, "k"); !ok || got != want {
			t.Errorf("at %d: %q %v, want %q", time, got, ok, want)
		}
		page, ok := o.scan(txn.ScanRequest{Time: time})
		if !ok || len(page.Pairs) == 0 != (want == "absent") || len(page.Pairs) > 0 && string(page.Pairs[0].Value) != want {
			t.Errorf("scan at %d: %q, want %q", time, pageText(page), want)
		}
	}
	if len(o.tickets) > 0 {
		t.Error("the past needs no leader's round")
	}
}

// A time ahead of the log's clock is told of once an entry has moved the clock past it, and the leader sees to
// one.
func TestAReadAheadOfTheClockMovesIt(t *testing.T) {
	o := newOne(t)
	o.logAt(1000, set(1, "k", "one"))
	if got, ok := o.readAt(1500, "k"); ok {
		t.Fatalf("the future is told: %q", got)
	}
	o.Tick(o.now)
	o.Tick(o.now)
	o.gather()
	if len(o.pending) != 1 || o.pending[0][0] != byte(wire.KindAdvance) {
		t.Fatalf("proposed: %q, want the clock moved once", o.pending)
	}
	o.logAt(1400, o.pending...)
	o.pending = nil
	if got, ok := o.readReply(); ok {
		t.Fatalf("the clock stands at %d: %q", o.Clock(), got)
	}
	o.now = o.now.Add(advanceEvery)
	o.Tick(o.now)
	o.gather()
	o.logAt(1500, o.pending...)
	if got, ok := o.readReply(); !ok || got != "one" {
		t.Errorf("after the clock: %q %v", got, ok)
	}
	if _, ok := o.readAt(9000, "k"); ok {
		t.Fatal("it does not wait")
	}
	o.now = o.now.Add(defaultReadBound)
	o.Tick(o.now)
	o.gather()
	if r := o.refusal(o.replies[0]); r.Reason != txn.ReasonWaited {
		t.Errorf("%+v", r)
	}
}

// What is prepared by the time that is read may commit before it; what is voted on later cannot.
func TestAReadOfThePastWaitsForWhatIsPreparedBelow(t *testing.T) {
	o := newOne(t)
	o.logAt(1000, set(1, "k", "one"))
	o.logAt(2000, Command(wire.KindPrepare, prepare(2, writes("k"))))
	o.logAt(5000, Command(wire.KindAdvance, enc(&Advance{})))
	if got, ok := o.readAt(1999, "k"); !ok || got != "one" {
		t.Errorf("below the vote: %q %v", got, ok)
	}
	if page, ok := o.scan(txn.ScanRequest{Time: 1999}); !ok || pageText(page) != "k " {
		t.Errorf("scan below the vote: %q %v", pageText(page), ok)
	}
	if _, ok := o.scan(txn.ScanRequest{Time: 3000}); ok {
		t.Error("a scan does not wait for what is prepared below it")
	}
	if got, ok := o.readAt(3000, "k"); ok {
		t.Errorf("above the vote: %q", got)
	}
	o.logAt(6000, Command(wire.KindCommit, enc(&Commit{ID: tid(2), Time: 2500})))
	if got, ok := o.readReply(); !ok || got != "v" {
		t.Errorf("after the commit at 2500: %q %v", got, ok)
	}
}

func TestThePastIsRefusedOnceCollected(t *testing.T) {
	o := newOne(t)
	o.logAt(1000, set(1, "k", "one"))
	o.logAt(2000, set(2, "k", "two"))
	o.logAt(3000, Command(wire.KindCollect, enc(&Collect{Below: 2500})))
	o.readAtRefused(2499, txn.ReasonTooOld)
	if got, ok := o.readAt(2500, "k"); !ok || got != "two" {
		t.Errorf("at the horizon: %q %v", got, ok)
	}
}

func (o *one) readAtRefused(time txn.Timestamp, want txn.Reason) {
	o.t.Helper()
	o.replies = nil
	o.puts++
	o.send(wire.KindRead, enc(&txn.ReadRequest{Nonce: o.puts, Keys: [][]byte{[]byte("k")}, Time: time}))
	if r := o.refusal(o.replies[0]); r.Reason != want {
		o.t.Errorf("at %d: %+v, want %v", time, r, want)
	}
}
