package paxos

import "bytes"

const (
	// earlyEntries is how many entries that come before their turn are kept: a window of them.
	earlyEntries = 64
	// earlyBytes is the largest that is kept; what comes early behind a large entry is dropped and asked for.
	earlyBytes = 16 << 10
)

// early keeps entries that overtook others on the way. Dropping them would turn one late or lost datagram into
// a window of them, to be sent again in order: with a little jitter on every path the group would hardly move.
// They are nothing but datagrams that arrive later: not acknowledged, and never part of a vote.
type early struct {
	view    View
	entries [earlyEntries]Entry
	count   int
}

// keep takes in an entry of a view that comes too early.
func (e *early) keep(view View, op, next Op, body []byte) {
	if e.view != view {
		*e = early{view: view}
	}
	if op-next >= earlyEntries || len(body) > earlyBytes {
		return
	}
	if at := &e.entries[op%earlyEntries]; at.Op != op {
		if at.Op == 0 {
			e.count++
		}
		*at = Entry{op, bytes.Clone(body)}
	}
}

// find returns the entry of that view and op, if it came before.
func (e *early) find(view View, op Op) ([]byte, bool) {
	at := &e.entries[op%earlyEntries]
	if e.count == 0 || e.view != view || at.Op != op {
		return nil, false
	}
	return at.Body, true
}

// forget drops an entry that is there.
func (e *early) forget(op Op) {
	e.entries[op%earlyEntries] = Entry{}
	e.count--
}
