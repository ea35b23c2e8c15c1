package server

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn/twopc"
)

// The names follow Prometheus' conventions, and are what Describe has announced.
func TestMetricsFollowTheConventions(t *testing.T) {
	n := &Node{cfg: Config{Name: "a"}, door: &door{}}
	n.door.counters = DoorCounters{Answered: 1, WrongDoor: 2}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector{n}, everySeat{})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if want := len(replicaMetrics) + len(reasonMetrics) + 5; len(families) != want {
		t.Errorf("%d metrics, want %d", len(families), want)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// everySeat collects one replica to which everything has happened, and one that does not answer.
type everySeat struct{}

func (everySeat) Describe(chan<- *prometheus.Desc) {}

func (everySeat) Collect(out chan<- prometheus.Metric) {
	s := &SeatStatus{Seat: shard.Seat{Group: 0}}
	for i := range s.Ignored {
		s.Ignored[i] = uint64(i + 1)
	}
	for i := range s.Counters.BadFrames {
		s.Counters.BadFrames[i] = uint64(i + 1)
	}
	for i := range s.Traffic.Refused {
		s.Traffic.Refused[i] = uint64(i + 1)
	}
	for _, k := range twopc.RequestKinds {
		l := s.Traffic.Of(k)
		l.Buckets[0], l.Buckets[twopc.LatencyBuckets-1], l.Sum = 1, 2, 3
	}
	collectReplica(out, s)
	collectReplica(out, &SeatStatus{Seat: shard.Seat{Group: 1}, Err: context.DeadlineExceeded})
}
