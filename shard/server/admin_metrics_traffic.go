package server

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

var latencyDesc = describe("request_duration_seconds", "Time from the turn of the leader's loop in which a request arrived to the one in which it was answered, by kind of request.", "group", "kind")

// collectLatencies tells the histogram of each kind of request, those included that never came: a rate over a series
// that appears late would miss its beginning.
func collectLatencies(out chan<- prometheus.Metric, t *twopc.Traffic, group string) {
	for _, k := range twopc.RequestKinds {
		l := t.Of(k)
		buckets, count := make(map[float64]uint64, len(l.Buckets)), uint64(0)
		for i, n := range l.Buckets {
			count += n
			if bound, ok := twopc.BucketBound(i); ok {
				buckets[seconds(bound)] = count
			}
		}
		out <- prometheus.MustNewConstHistogram(latencyDesc, count, seconds(l.Sum), buckets, group, kindLabel(k.String()))
	}
}

func seconds(d wire.Duration) float64 { return float64(d) / float64(wire.Second) }

// kindLabel turns the name of a kind, such as OpenSession, into a label's value: open_session.
func kindLabel(name string) string {
	var b strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

var refusalLabels = map[txn.Reason]string{
	txn.ReasonNotLeader: "not_leader", txn.ReasonNotReady: "not_ready", txn.ReasonOverloaded: "overloaded", txn.ReasonWaited: "waited",
	txn.ReasonWrongShard: "wrong_shard", txn.ReasonTooLarge: "too_large", txn.ReasonMalformed: "malformed", txn.ReasonTooOld: "too_old",
}

func refused(t *twopc.Traffic) map[string]uint64 {
	m := make(map[string]uint64, len(refusalLabels))
	for reason, name := range refusalLabels {
		m[name] = t.Refused[reason]
	}
	return m
}
