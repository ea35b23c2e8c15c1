package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/bench/workload"
)

const (
	// loadTries is how often one key is tried before the load is given up: several changes of a leader.
	loadTries = 10
	// pauseAfterError keeps a store that fails at once from being asked as fast as a processor can.
	pauseAfterError = 10 * time.Millisecond
)

// Load inserts the keys that the workload begins with, in order, one by each store at a time. What fails is tried
// again some times, each time for up to timeout.
func Load(ctx context.Context, w *workload.Workload, stores []Store, timeout time.Duration, progress io.Writer) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := uint64(w.Config().Keys)
	var next, done atomic.Uint64
	var all sync.WaitGroup
	for i, s := range stores {
		all.Go(func() {
			d := w.Dealer(-1 - i) // apart from the dealers of the run
			limit := limit{parent: ctx, timeout: timeout}
			defer limit.end()
			for n := next.Add(1) - 1; n < keys && ctx.Err() == nil; n = next.Add(1) - 1 {
				op := d.Load(n)
				if err := insert(ctx, s, &op, &limit); err != nil {
					cancel(fmt.Errorf("load key %d of %d: %w", n+1, keys, err))
					return
				}
				done.Add(1)
			}
		})
	}
	stop := every(progress, func(int) string { return fmt.Sprintf("loaded %d of %d keys", min(done.Load(), keys), keys) })
	all.Wait()
	stop()
	if outer.Err() != nil {
		return fmt.Errorf("interrupted after %d of %d keys: %w", min(done.Load(), keys), keys, context.Cause(outer))
	}
	return context.Cause(ctx)
}

func insert(ctx context.Context, s Store, op *workload.Op, l *limit) error {
	for try := 1; ; try++ {
		err := s.Do(l.context(time.Now()), op).Err
		if err == nil || ctx.Err() != nil || try == loadTries {
			return err
		}
		pause(ctx, pauseAfterError)
	}
}

// limit makes contexts that end when an operation has taken too long. One serves many operations, because to make one for
// each costs as much as some stores take for the operation: so each has the timeout at least, and [limitShare] of it more at most.
type limit struct {
	parent  context.Context
	timeout time.Duration

	current context.Context
	cancel  context.CancelFunc
	until   time.Time // what begins later needs another one
}

// limitShare is the part of the timeout for which a context is used again.
const limitShare = 8

// context is that of an operation that begins now.
func (l *limit) context(now time.Time) context.Context {
	if l.current == nil || now.After(l.until) {
		l.end()
		l.until = now.Add(l.timeout / limitShare)
		l.current, l.cancel = context.WithDeadline(l.parent, l.until.Add(l.timeout))
	}
	return l.current
}

// end lets go of the last one.
func (l *limit) end() {
	if l.cancel != nil {
		l.cancel()
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// every writes a line, over the one before, each second until it is stopped; to a nil writer it writes nothing. Seconds are
// counted from 1.
func every(w io.Writer, line func(second int) string) (stop func()) {
	if w == nil {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for n := 1; ; n++ {
			select {
			case <-quit:
				_, _ = io.WriteString(w, "\r\x1b[K") // the line has had its time
				return
			case <-second.C:
				_, _ = fmt.Fprintf(w, "\r\x1b[K%s", line(n))
			}
		}
	}()
	return func() { close(quit); <-ended }
}

// errNothing is the failure of a run that has nothing to tell.
var errNothing = errors.New("no operation succeeded in the time measured")
