package txn

import "github.com/anodekv/anode/paxos/wire"

const (
	// firstPause is the first pause after a conflict, in attempts: whoever was faster is through by then.
	firstPause = 2
	// longestPause bounds the pause, in attempts. On one hot key as many clients can share as their pauses hold
	// attempts, so that the bound decides how many retries they cost each other.
	longestPause = 64
	// leastPause and mostPause bound it in time: an attempt that was answered at once must not spin, and one that
	// waited for a lost shard says nothing about the contention.
	leastPause = 200 * wire.Microsecond
	mostPause  = 250 * wire.Millisecond
)

// Backoff tells how long a transaction that met a conflict pauses before it is tried again. Pauses double, and
// are measured in attempts, so that it holds on fast networks and slow ones. The zero Backoff is ready.
type Backoff struct{ pause wire.Duration }

// Next returns the next pause, given how long the failed attempt took and a random number in [0, 1) that
// spreads those which failed together.
func (b *Backoff) Next(attempt wire.Duration, chance float64) wire.Duration {
	attempt = max(attempt, leastPause/firstPause)
	b.pause = max(firstPause*attempt, min(2*b.pause, longestPause*attempt))
	b.pause = min(b.pause, mostPause)
	return b.pause/2 + wire.Duration(chance*float64(b.pause))
}
