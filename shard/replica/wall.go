package replica

import "github.com/anodekv/anode/paxos/wire"

// clockJump is by how much the wall clock must have been set, against the boot-time clock, to be told of: far more than what
// keeps it right from day to day, and enough to show in what is read of the past.
const clockJump = int64(500 * wire.Millisecond)

// wall watches the wall clock. Nothing that is promised depends on it: the log's clock never goes back, and leases go by
// the boot-time clock. But the log's clock follows a wall clock that was set too far ahead, and stands until all others
// have caught up; an operator should know.
type wall struct {
	known bool
	ahead int64 // of the boot-time clock
}

// jumped is by how much the wall clock was set since it was looked at last, or 0.
func (w *wall) jumped(t Instant) (by wire.Duration) {
	ahead := t.Wall - int64(t.Now)
	if moved := ahead - w.ahead; w.known && (moved > clockJump || moved < -clockJump) {
		by = wire.Duration(moved)
	}
	w.known, w.ahead = true, ahead
	return by
}

func (r *Replica) watchClock(t Instant) {
	by := r.wall.jumped(t)
	if by == 0 {
		return
	}
	r.counters.ClockSets++
	if r.cfg.ClockSet != nil {
		r.cfg.ClockSet(by)
	}
}
