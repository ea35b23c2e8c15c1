package server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is the handler of /metrics. Everything is read from the replicas when it is asked for, so that nobody
// pays for what nobody asks.
func (a *admin) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{a.node},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}

// collector turns the status of a node into metrics. Those of a replica carry the label "group"; a node has no
// more than one replica of each.
type collector struct{ node *Node }

// Describe tells which metrics there are.
func (collector) Describe(out chan<- *prometheus.Desc) {
	out <- upDesc
	out <- statusDesc
	for i := range replicaMetrics {
		out <- replicaMetrics[i].desc
	}
	for i := range reasonMetrics {
		out <- reasonMetrics[i].desc
	}
	out <- latencyDesc
	out <- offloadDesc
	out <- elsewhereDesc
	out <- doorAnsweredDesc
	out <- doorRejectedDesc
}

// Collect asks the node. A replica that does not answer in time is told as being down, and nothing else of it.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), adminLookTime)
	defer cancel()
	for _, s := range c.node.Status(ctx) {
		collectReplica(out, &s)
	}
	state := c.node.Offload()
	out <- prometheus.MustNewConstMetric(offloadDesc, prometheus.GaugeValue, 1, state.rung(), state.Device)
	for reason, n := range state.Elsewhere {
		out <- prometheus.MustNewConstMetric(elsewhereDesc, prometheus.CounterValue, float64(n), reason)
	}
	door := c.node.Door()
	out <- prometheus.MustNewConstMetric(doorAnsweredDesc, prometheus.CounterValue, float64(door.Answered))
	for reason, n := range door.rejected() {
		out <- prometheus.MustNewConstMetric(doorRejectedDesc, prometheus.CounterValue, float64(n), reason)
	}
}

func collectReplica(out chan<- prometheus.Metric, s *SeatStatus) {
	group := strconv.FormatUint(uint64(s.Group), 10)
	out <- prometheus.MustNewConstMetric(upDesc, prometheus.GaugeValue, truth(s.Err == nil), group)
	if s.Err != nil {
		return
	}
	for _, status := range statuses {
		out <- prometheus.MustNewConstMetric(statusDesc, prometheus.GaugeValue, truth(s.Status == status), group, status.String())
	}
	for i := range replicaMetrics {
		m := &replicaMetrics[i]
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), group)
	}
	collectLatencies(out, &s.Traffic, group)
	for i := range reasonMetrics {
		m := &reasonMetrics[i]
		for reason, n := range m.values(s) {
			out <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(n), group, reason)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
