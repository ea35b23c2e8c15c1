package twopc

import (
	"math/bits"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// LatencyBuckets is how many buckets a [Latencies] has. The first counts up to 16 us, each one after twice as
// much, and the last what took longer than the 2 s of the one before.
const LatencyBuckets = 19

const (
	firstBucket = 16 * wire.Microsecond
	// requestKinds is how many kinds of requests a client may send, and refusals how many reasons there are for not
	// carrying one out; the zero one is none.
	requestKinds = int(wire.KindTopologyReply - wire.KindTopology)
	refusals     = int(txn.ReasonTooOld) + 1
)

// BucketBound is the longest latency that a bucket counts, and false for the last, which has no bound.
func BucketBound(bucket int) (wire.Duration, bool) {
	return firstBucket << bucket, bucket < LatencyBuckets-1
}

// Latencies counts how long requests took to be answered.
type Latencies struct {
	Buckets [LatencyBuckets]uint64
	Sum     wire.Duration
}

func (l *Latencies) take(d wire.Duration) {
	d = max(d, 0)
	above := max(d-1, 0) / firstBucket // a bound belongs to the bucket below it
	l.Buckets[min(bits.Len64(uint64(above)), LatencyBuckets-1)]++
	l.Sum += d
}

// Traffic counts what a replica was asked by clients since it began, and how it answered. It is kept by the goroutine
// that owns the participant, in place.
type Traffic struct {
	// Answered is by kind of request, see [Traffic.Of]. It counts what was carried out, or voted down, from the
	// turn of the replica in which it arrived to the one in which it was answered: what takes less than a turn takes no time.
	Answered [requestKinds]Latencies
	// Refused counts what was not carried out, by reason.
	Refused [refusals]uint64
	// Repeated counts commands that had come before, because their answers were lost or late.
	Repeated uint64
	// Waited counts requests that met a lock of another transaction and waited for it.
	Waited uint64
	// Conflicts counts transactions that were voted down.
	Conflicts uint64
}

// RequestKinds are the kinds that [Traffic.Of] knows, and that a participant answers.
var RequestKinds = []wire.Kind{
	wire.KindRead, wire.KindScan, wire.KindValidate, wire.KindOpenSession, wire.KindSubmit, wire.KindPrepare,
	wire.KindCommit, wire.KindAbort, wire.KindResolve, wire.KindEndSession,
}

// Of returns the latencies of one kind of request.
func (t *Traffic) Of(k wire.Kind) *Latencies { return &t.Answered[k-wire.KindTopology] }

// answered counts an answer to what arrived at a time.
func (d *desk) answered(k wire.Kind, since wire.Time) { d.traffic.Of(k).take(d.now.Sub(since)) }

// concluded counts the end of a command that a client asked for.
func (d *desk) concluded(f *flight, v verdict) {
	if len(f.from) == 0 || !f.kind.FromClient() {
		return // the shard's own
	}
	d.answered(f.kind, f.since)
	if f.work() != nil && v.status == txn.StatusNo {
		d.traffic.Conflicts++
	}
}

// Now tells the time, before what has been chosen is applied.
func (p *Participant) Now(now wire.Time) { p.now = now }

// Traffic returns the counts so far. They go on being counted in place: whoever keeps them copies them.
func (p *Participant) Traffic() *Traffic { return &p.traffic }
