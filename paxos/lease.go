package paxos

import (
	"fmt"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// Leases, which a cluster may switch on: a leader that holds one confirms reads at once, without a round.
//
// A follower that acknowledges or echoes something grants a lease: for its length, counted from that moment on
// the follower's clock, it votes for no other view. The leader cannot know that moment. It counts from one that
// was certainly earlier, when it first sent what is answered, and less far, because its clock may be the slower
// one. While f followers grant it a lease, every f+1 votes for another view lack one, so that nothing can be
// chosen that this leader does not know of.
//
// It follows what a lease must never be counted from: the arrival of an answer, which may have been long under
// way; a repetition, which the answer need not answer; ticks, which stand still while a process is stopped and
// come after the requests that waited for it. The clock is the boot-time clock: it goes on while a machine
// sleeps, and nobody sets it.
//
// What a follower granted it may have granted just before it died, so that one that starts votes for nobody
// for the length of a lease. Its leader counts on that grant no longer than until it hears of the new life, and
// nobody recovers without its leader. So leases are always right when their length is that of the follower's
// present life, which it tells with its echoes: the length may be changed, or leases switched on or off, one
// replica after the other.

const (
	// maxDriftPPM is far beyond what clocks do. With more, little of a lease would be left.
	maxDriftPPM = 250_000
	// clockGrain is what reading and rounding two clocks may lose.
	clockGrain = wire.Microsecond
	// nonceMemory is for how many heartbeats it is known when they were sent. An echo that is further behind
	// grants nothing.
	nonceMemory = 64
)

// validateLease reports why leases of this length cannot be granted.
func (t *Timing) validateLease() error {
	switch {
	case t.Lease == 0:
		return nil
	case t.Lease < 2*t.Heartbeat:
		return fmt.Errorf("paxos: a lease of %d ns would end before it is renewed: choose at least twice the heartbeat interval, or 0 for no leases", t.Lease)
	case t.Lease >= t.Election:
		// A voter whose leader has died has heard nothing for an election timeout. With shorter leases it need not
		// wait any longer.
		return fmt.Errorf("paxos: a lease of %d ns would hold up the change of leaders: choose less than the election timeout", t.Lease)
	case t.DriftPPM < 1 || t.DriftPPM > maxDriftPPM:
		return fmt.Errorf("paxos: with leases the drift between two clocks must be bounded: choose between 1 and %d parts in a million, not %d", maxDriftPPM, t.DriftPPM)
	}
	return nil
}

// usable is how much of a lease a leader counts on: by any clock that drifts no more than the bound from the
// voter's, the voter still abstains.
func (t *Timing) usable(lease Duration) Duration {
	if mutant.On("drift-ignored") {
		return lease
	}
	const million = 1_000_000
	return lease - lease*Duration(t.DriftPPM)/(million+Duration(t.DriftPPM)) - clockGrain
}

// sendings remembers when the latest of a row of numbers were first used.
type sendings struct {
	first, last uint64
	at          []Time // by number; empty when nobody wants to know
}

func newSendings(n int) sendings { return sendings{at: make([]Time, n)} }

// note takes the time of the next number in the row.
func (s *sendings) note(n uint64, now Time) {
	if len(s.at) == 0 {
		return
	}
	if s.last == 0 {
		s.first = n
	}
	s.last = n
	s.at[n%uint64(len(s.at))] = now
}

// when is the time of a number, or 0 if it is not known.
func (s *sendings) when(n uint64) Time {
	if n < s.first || n > s.last || s.last-n >= uint64(len(s.at)) {
		return 0
	}
	return s.at[n%uint64(len(s.at))]
}

// startLeases lets a new leader remember when it sends what grants it leases.
func (c *Core) startLeases() {
	if c.cfg.Timing.Lease > 0 && c.f > 0 {
		c.lead.ops = newSendings(c.cfg.Limits.Window)
		c.lead.beats = newSendings(nonceMemory)
	}
}

// granted notes that a follower has answered what was first sent at a time.
func (c *Core) granted(p *progress, sent Time) {
	if mutant.On("lease-from-arrival") && sent > 0 {
		sent = c.now
	}
	p.since = max(p.since, sent)
}

// leased reports whether f followers grant this leader a lease now.
func (c *Core) leased(now Time) bool {
	if c.cfg.Timing.Lease == 0 || c.f == 0 {
		return false
	}
	if mutant.On("lease-by-ticks") {
		now = c.lead.beatAt - Time(c.cfg.Timing.Heartbeat)
	}
	var ends [wire.MaxReplicas]Time
	others := ends[:0]
	for r := range c.cfg.Replicas {
		if ReplicaID(r) != c.cfg.Self {
			others = append(others, c.leaseEnd(&c.lead.followers[r]))
		}
	}
	slices.Sort(others)
	return now < others[len(others)-c.f]
}

// leaseEnd is until when a follower grants a lease, as far as this leader's clock can tell. Where leases have
// different lengths it grants the shorter one.
func (c *Core) leaseEnd(p *progress) Time {
	length := min(c.cfg.Timing.Lease, p.grants)
	if mutant.On("lease-ungranted") {
		length = c.cfg.Timing.Lease
	}
	if p.since == 0 || length <= 0 {
		return 0
	}
	return p.since.Add(c.cfg.Timing.usable(length))
}

// claim sends the leader something that acknowledges, and grants a lease with it.
func (c *Core) claim(kind wire.Kind, body []byte) {
	if !mutant.On("own-grant-forgotten") {
		c.abstain(c.now, c.cfg.Timing.Lease)
	}
	c.send(c.leader(c.lastNormal), frame(kind, c.lastNormal, c.log.last(), c.log.chosen, body))
}

// abstain lets no vote leave before a lease granted at a time has ended. The time when votes may leave does
// not depend on the view: who has waited for one view need not wait again for the next.
func (c *Core) abstain(from Time, lease Duration) {
	if lease > 0 {
		c.voteAt = max(c.voteAt, from.Add(lease))
	}
}

// mayVote reports whether no lease is out that this replica has granted.
func (c *Core) mayVote() bool { return c.now >= c.voteAt || mutant.On("voter-never-waits") }

// ReadCounts counts the reads that were confirmed by a leader.
type ReadCounts struct {
	// ByLease were confirmed at once, ByRound by a round of heartbeats.
	ByLease, ByRound uint64
}
