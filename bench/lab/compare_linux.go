package lab

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/anodekv/anode/bench/runner"
)

// compare makes a row of pairs.
func (m *measurement) compare(on, off []*runner.Report) *Row {
	each := func(reports []*runner.Report, f func(*runner.Report) float64) (out []float64) {
		for _, r := range reports {
			out = append(out, f(r))
		}
		return out
	}
	ratios := func(f func(*runner.Report) float64) []float64 {
		a, b := each(on, f), each(off, f)
		for i := range a {
			a[i] /= b[i]
		}
		return a
	}
	ops := func(r *runner.Report) float64 { return r.OpsPerSecond }
	cpu := func(r *runner.Report) float64 { return r.CPUMicrosPerOp }
	all := ratios(ops)
	row := &Row{Replicas: m.lab.Replicas(), Shards: m.lab.Shards(), Workload: m.work.Config().Name, Batch: m.Batch, Network: m.lab.network(), Rung: m.rung,
		OpsOn: math.Round(median(each(on, ops))), OpsOff: math.Round(median(each(off, ops))),
		RatioOps: digits(median(all)), RatioOpsRange: [2]float64{digits(slices.Min(all)), digits(slices.Max(all))},
		RatioP50: digits(median(ratios(func(r *runner.Report) float64 { return r.P50Micros }))),
		RatioP99: digits(median(ratios(func(r *runner.Report) float64 { return r.P99Micros }))),
		CPUOn:    digits(median(each(on, cpu))), CPUOff: digits(median(each(off, cpu)))}
	for _, r := range slices.Concat(on, off) {
		row.Errors += r.Errors + r.Aborted
		row.StealPercent = max(row.StealPercent, r.StealPercent)
	}
	return row
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// digits keeps what is worth reading.
func digits(x float64) float64 { return math.Round(1e3*x) / 1e3 }

// counts is what all replicas have done, and how many followers are armed.
type counts struct {
	fast, entries      uint64 // of followers
	broadcast, unicast uint64 // entries that leaders sent
	counted, acks      uint64 // acknowledgements that leaders' programs counted for them, of those that came
	armed              int
}

func (c counts) plus(d counts) counts {
	return counts{c.fast + d.fast, c.entries + d.entries, c.broadcast + d.broadcast, c.unicast + d.unicast,
		c.counted + d.counted, c.acks + d.acks, d.armed}
}

func (c counts) minus(d counts) counts {
	return counts{c.fast - d.fast, c.entries - d.entries, c.broadcast - d.broadcast, c.unicast - d.unicast,
		c.counted - d.counted, c.acks - d.acks, c.armed}
}

// share is the part that went the fast way: of the entries of all followers those that the programs acknowledged. Where
// that is off it is the part of the entries that the leader sent once for all, or of the acknowledgements those that its
// programs counted.
func (c counts) share(offload string) float64 {
	part := func(fast, all uint64) float64 { return digits(min(1, float64(fast)/float64(max(all, 1)))) }
	switch {
	case offload == All || strings.Contains(offload, "ack"):
		return part(c.fast, c.entries)
	case strings.Contains(offload, "broadcast"):
		return part(c.broadcast, c.broadcast+c.unicast)
	}
	return part(c.counted, c.acks)
}

// count asks all nodes.
func (l *Lab) count(ctx context.Context) (sum counts, err error) {
	for i := range l.Nodes() {
		s, err := l.Status(ctx, i)
		if err != nil {
			return sum, err
		}
		for _, r := range s.Replicas {
			o := &r.Offload
			entries := o.Fast + o.Claimed + o.Plain
			// What they leave to user space they still count, and call it always.
			counted := o.Reasons["counted"] + o.Reasons["repeated"] + o.Reasons["quiet"] + o.Reasons["chosen"]
			sum = sum.plus(counts{fast: o.Fast, entries: entries, broadcast: o.Broadcasts, unicast: o.Unicasts,
				counted: counted, acks: counted + o.Reasons["always"], armed: sum.armed + b2i(o.Armed)})
		}
	}
	return sum, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
