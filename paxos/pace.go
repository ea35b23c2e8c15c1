package paxos

import "github.com/anodekv/anode/paxos/wire"

// Large entries take their time to arrive, and until then they look lost. Repeating them meanwhile would only
// make it longer.
const (
	// windowBytes bounds the entries in flight, beside the window, which counts them: one of the largest is
	// always let through.
	windowBytes = 16 << 20
	// burstBytes ends a burst of entries to one replica with the one that reaches it.
	burstBytes = 256 << 10
	// paceBytes is what any replica takes in a millisecond: half of what a network of 1 Gbit/s carries.
	paceBytes = 64 << 10
)

// sent notes that so many bytes of entries are on their way to a replica. What is small is there at once.
func (p *progress) sent(now Time, bytes int) {
	if d := Duration(bytes/paceBytes) * wire.Millisecond; d > 0 {
		p.arriveBy = max(p.arriveBy, now).Add(d)
	}
}

// arriving reports whether it is too early to repeat anything.
func (p *progress) arriving(now Time) bool { return now < p.arriveBy }

// inFlight is the size of the entries that are not chosen, or of as many as it takes to fill the window.
func (c *Core) inFlight() (bytes int) {
	for op := c.log.chosen + 1; op <= c.log.last() && bytes < windowBytes; op++ {
		bytes += len(c.log.at(op))
	}
	return bytes
}
