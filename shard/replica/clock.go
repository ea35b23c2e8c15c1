package replica

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/paxos/wire"
)

// SystemClock reads the machine's clocks. The boot-time clock goes on while the machine is suspended, so
// that a lease cannot outlive a sleep.
type SystemClock struct{}

// Now reads both clocks.
func (SystemClock) Now() Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(bootTime, &ts); err != nil {
		panic("replica: no boot-time clock: " + err.Error()) // every Linux has it
	}
	return disturbed(Instant{Now: wire.Time(ts.Nano()), Wall: time.Now().UnixNano()})
}
