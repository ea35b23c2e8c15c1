//go:build torture

package replica

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/anodekv/anode/paxos/wire"
)

// ClocksVariable of the environment names a directory. A file there that is called as this process's number holds how its clocks
// go wrong, as JSON: see clockError. Builds with the tag torture look into it now and then; others know nothing of it.
const ClocksVariable = "ANODE_CLOCKS"

// lookEvery is how often the file is read.
const lookEvery = 20 * wire.Millisecond

// clockError is what the file holds: from Since on, a time of the true boot-time clock, the wall clock is ahead by Wall and
// the boot-time clock by Boot, and both gain by their drifts, in parts of a million.
type clockError struct {
	Since                wire.Time
	Wall, Boot           int64
	WallDrift, BootDrift int64
}

var (
	wrongClock atomic.Pointer[clockError]
	lookedAt   atomic.Int64
	latest     atomic.Int64 // of the boot-time clock's readings
	clockFile  = filepath.Join(os.Getenv(ClocksVariable), strconv.Itoa(os.Getpid()))
)

// disturbed makes a reading wrong. The boot-time clock never goes back.
func disturbed(t Instant) Instant {
	if last := lookedAt.Load(); int64(t.Now)-last > int64(lookEvery) && lookedAt.CompareAndSwap(last, int64(t.Now)) {
		if b, err := os.ReadFile(clockFile); err == nil {
			e := &clockError{}
			if err := json.Unmarshal(b, e); err != nil {
				panic("replica: " + clockFile + ": " + err.Error())
			}
			wrongClock.Store(e)
		}
	}
	e := wrongClock.Load()
	if e == nil {
		return t
	}
	past := max(0, int64(t.Now-e.Since))
	t.Wall += e.Wall + past*e.WallDrift/1_000_000
	t.Now += wire.Time(e.Boot + past*e.BootDrift/1_000_000)
	// Whoever writes the file does not know when it is read: what drifted otherwise meanwhile is made up for.
	for {
		last := latest.Load()
		if int64(t.Now) <= last {
			t.Now = wire.Time(last)
			return t
		}
		if latest.CompareAndSwap(last, int64(t.Now)) {
			return t
		}
	}
}
