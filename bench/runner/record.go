package runner

import (
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Latencies are kept in nanoseconds between these bounds, to three digits. What takes longer counts as the longest.
	minLatency = time.Microsecond
	maxLatency = 5 * time.Minute
	// recorders is how many histograms the clients share: one takes some 200 kB.
	recorders = 16
	// unstartedSteps is how finely the waiting of what was never begun is told.
	unstartedSteps = 1000
)

// recorder counts what some clients see.
type recorder struct {
	mu        sync.Mutex
	latencies *hdrhistogram.Histogram // of what succeeded, and of what was never begun

	commits, retries, missing int64
	aborted, errors           int64
	waiting                   int64 // never begun
	first                     error
}

func newRecorder() *recorder {
	return &recorder{latencies: hdrhistogram.New(int64(minLatency), int64(maxLatency), 3)}
}

// take counts an operation. The latency of what failed is not kept, as it is no latency of the store but of a timeout.
func (r *recorder) take(took time.Duration, out *Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retries += int64(out.Retries)
	r.missing += int64(out.Missing)
	switch {
	case out.Err == nil:
		r.commits++
		r.latency(took, 1)
		return
	case errors.Is(out.Err, ErrAborted):
		r.aborted++
	default:
		r.errors++
	}
	if r.first == nil {
		r.first = out.Err
	}
}

func (r *recorder) latency(took time.Duration, times int64) {
	// It cannot fail between the bounds.
	_ = r.latencies.RecordValues(int64(min(max(took, minLatency), maxLatency)), times)
}

func (r *recorder) add(other *recorder) {
	r.latencies.Merge(other.latencies)
	r.commits += other.commits
	r.retries += other.retries
	r.missing += other.missing
	r.aborted += other.aborted
	r.errors += other.errors
	r.waiting += other.waiting
	if r.first == nil {
		r.first = other.first
	}
}

// unstarted counts what was due before the end and no client has begun. How long it has waited is the least
// that its latency would have been.
func (r *recorder) unstarted(p *pacer, run *run, begun int64) {
	last := p.number(run.end)
	step := max(1, (last-begun)/unstartedSteps)
	for n := begun; n < last; n += step {
		times := min(step, last-n)
		r.waiting += times
		r.latency(run.end.Sub(p.at(n)), times)
	}
}
