package twopc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// large is work of one value of the largest size.
func large(key string) txn.Work {
	return txn.Work{Writes: []txn.Write{{Key: []byte(key), Value: make([]byte, txn.MaxValueBytes)}}}
}

// wantOverload checks that the last reply turns a request away because of a limit, and names it.
func (o *one) wantOverload(named string) {
	o.t.Helper()
	if f := o.refusal(o.replies[len(o.replies)-1]); f.Reason != txn.ReasonOverloaded || !strings.Contains(f.Detail, named) {
		o.t.Errorf("%+v, want one that names %q", f, named)
	}
}

// What is on its way into the log is bounded in bytes. Deletes and what settles transactions get through, and
// when the log has taken what was on its way, so does everything else.
func TestFlightsAreBoundedInBytes(t *testing.T) {
	o := newOne(t)
	o.want(o.status(wire.KindPrepare, prepare(1, writes("p"))), txn.StatusYes, "prepare")
	o.replies = nil
	seq := uint64(2)
	for ; len(o.replies) == 0; seq++ {
		o.send(wire.KindSubmit, submit(seq, large(fmt.Sprint("k", seq))))
	}
	o.wantOverload("bytes are in flight")
	if o.flying > maxFlightBytes || o.flying < maxFlightBytes-2*txn.MaxValueBytes {
		t.Errorf("%d bytes are in flight", o.flying)
	}
	before := len(o.pending)
	o.send(wire.KindSubmit, submit(seq, deletes("gone")))
	o.send(wire.KindCommit, commit(1))
	if len(o.pending) != before+2 || len(o.replies) != 1 {
		t.Fatalf("%d of a delete and a commit were proposed", len(o.pending)-before)
	}
	o.send(wire.KindSubmit, submit(seq+1, join(deletes("gone"), large("not"))))
	o.wantOverload("bytes are in flight")
	o.flush()
	if o.flying != 0 {
		t.Errorf("%d bytes are in flight when all is applied", o.flying)
	}
	o.want(o.status(wire.KindSubmit, submit(seq+2, large("k"))), txn.StatusCommitted, "there is room again")
}

// Their number is bounded too, and deletes have a reserve which is bounded itself.
func TestDeletesHaveAReserve(t *testing.T) {
	o := newOne(t)
	for i := range uint64(maxFlights) {
		o.send(wire.KindSubmit, submit(i+1, writes(fmt.Sprint("k", i))))
	}
	o.send(wire.KindSubmit, submit(maxFlights+1, writes("k")))
	o.wantOverload("too many commands")
	for i := range uint64(reservedFlights) {
		o.send(wire.KindSubmit, submit(maxFlights+2+i, deletes(fmt.Sprint("k", i))))
	}
	if len(o.pending) != maxFlights+reservedFlights || len(o.replies) != 1 {
		t.Fatalf("%d are proposed, %d refused", len(o.pending), len(o.replies))
	}
	o.send(wire.KindSubmit, submit(1<<20, deletes("k")))
	o.wantOverload("too many commands")
}

// What is prepared is bounded in bytes; commits make room.
func TestThePreparedAreBoundedInBytes(t *testing.T) {
	o := newOne(t)
	seq := uint64(1)
	for ; seq < 2*maxPreparedBytes/txn.MaxValueBytes; seq++ {
		o.replies = nil
		o.send(wire.KindPrepare, prepare(seq, large(fmt.Sprint("k", seq))))
		o.flush()
		if o.replies[0].Kind == wire.KindRefusal {
			break
		}
	}
	o.wantOverload("prepared transactions take more")
	if n := o.locks.Size().Memory(); n > maxPreparedBytes || n < maxPreparedBytes-2*txn.MaxValueBytes {
		t.Errorf("%d bytes are prepared", n)
	}
	o.want(o.status(wire.KindSubmit, submit(seq+1, writes("other"))), txn.StatusCommitted, "what is not prepared")
	o.want(o.status(wire.KindCommit, commit(1)), txn.StatusCommitted, "a commit")
	o.want(o.status(wire.KindPrepare, prepare(seq+2, large("k"))), txn.StatusYes, "there is room again")
}

// Questions that wait are bounded in bytes.
func TestWaitersAreBoundedInBytes(t *testing.T) {
	o := newOne(t)
	var keys []string
	for i := range txn.MaxReadKeys {
		keys = append(keys, fmt.Sprint(i, strings.Repeat("x", txn.MaxKeyBytes-4)))
	}
	for nonce := uint64(1); len(o.replies) == 0; nonce++ {
		o.send(wire.KindRead, readAs(nonce, true, keys...))
	}
	o.wantOverload("too many reads wait")
	if o.room.line.bytes > maxWaitingBytes+5<<20 || o.room.line.bytes < maxWaitingBytes {
		t.Errorf("%d bytes wait", o.room.line.bytes)
	}
	for _, ticket := range o.tickets {
		o.Confirmed(o.now, ticket)
	}
	if o.room.line.bytes != 0 {
		t.Errorf("%d bytes wait when nobody does", o.room.line.bytes)
	}
}
