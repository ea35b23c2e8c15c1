//go:build !linux

package replica

import "golang.org/x/sys/unix"

// bootTime is the monotonic clock: elsewhere it is the one that goes on while the machine is suspended, or there is none.
const bootTime = unix.CLOCK_MONOTONIC
