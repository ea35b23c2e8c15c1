package twopc

import (
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

const (
	// collectStep bounds the versions that one Collect removes, so that applying it takes less than a
	// millisecond. It is part of the replicated state machine: all replicas must apply the same one.
	collectStep = 512
	// collectAgain is after what time a Collect that was not applied is taken for lost.
	collectAgain = wire.Second
	// collectPause is how long a leader lets garbage gather that is merely old.
	collectPause = 100 * wire.Millisecond
	// versionBytes is about what keeping a version takes besides its key and value.
	versionBytes = 160
	// garbageShare is the share of the live data that old versions may take, as a divisor: a server is to
	// stay well under twice its live data, whatever is overwritten and however fast.
	garbageShare = 8
	// defaultGarbageBytes is what old versions may take however small the live data is.
	defaultGarbageBytes = 4 << 20
	// defaultRetention is how long old versions are kept for reads of the past, as far as there is room.
	defaultRetention = 30 * wire.Second
)

// chores is what a leader does of its own accord.
type chores struct {
	advanceAt wire.Time // when the clock may be moved on again
	// collecting: a Collect is on its way into the log, and is taken for lost at collectAt. Otherwise
	// collectAt is when to look for old garbage again.
	collecting bool
	collectAt  wire.Time
}

// tidy proposes to remove old versions: those beyond the retention, and when old versions take more room
// than they may the oldest of them whatever their age. One Collect follows another until that is done.
func (p *Participant) tidy(now wire.Time) {
	late := now >= p.chores.collectAt
	if p.role != leading || p.chores.collecting && !late {
		return
	}
	below, some := p.excess()
	if !some && late {
		p.chores.collectAt = now.Add(collectPause)
		below = p.clock - txn.Timestamp(p.cfg.Retention)
		n, _ := p.store.Garbage(below, 1)
		some = n > 0
	}
	if !some {
		p.chores.collecting = false
		return
	}
	p.chores.collecting, p.chores.collectAt = true, now.Add(collectAgain)
	p.proposeOwn(wire.KindCollect, CollectBody.Append(nil, &Collect{Below: below}))
}

// excess returns the time below which to collect because old versions take too much room.
func (p *Participant) excess() (below txn.Timestamp, some bool) {
	s := p.store.Stats()
	live := s.Live + int64(s.Keys)*versionBytes
	garbage := s.Bytes - s.Live + int64(s.Versions-s.Keys)*versionBytes
	if garbage <= max(live/garbageShare, p.cfg.GarbageBytes) {
		return 0, false
	}
	n, below := p.store.Garbage(p.clock, collectStep)
	return below, n > 0
}

// collected takes note that a Collect was applied: the next one may follow at once.
func (p *Participant) collected() {
	p.chores.collecting, p.chores.collectAt = false, 0
}

// collect removes what was superseded by a time, the oldest first, and not all of it at once.
func (m *machine) collect(b *Collect) verdict {
	m.store.CollectSome(min(b.Below, m.clock), collectStep)
	return verdict{status: txn.StatusNone}
}
