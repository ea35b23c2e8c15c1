package twopc

import (
	"fmt"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// advanceEvery is how often a leader writes an entry for the clock's sake while a read waits for it.
const advanceEvery = 10 * wire.Millisecond

// Reads of the past. What a shard held at a time s is settled once its clock has reached s, because whatever is
// voted on later is timed later, and once no transaction that voted at or before s is open. The clock of a log
// stands still while nothing is written, so a leader that is asked for a time ahead of it writes an entry for
// the clock's sake. No leader's round is needed: the entries that move the clock past s are chosen, and every
// log holds the same before them.

// pastReached reports whether the time that a question asks about can be told of. If not, the question waits
// for the clock or is refused.
func (p *Participant) pastReached(q *question, w *waiter) bool {
	switch {
	case q.time < p.store.Horizon():
		p.refuseQuestion(q, fault{reason: txn.ReasonTooOld, detail: fmt.Sprintf("versions are kept from %d on, %d ns before the newest",
			p.store.Horizon(), p.clock-p.store.Horizon())})
	case q.time > p.clock && p.room.full():
		p.refuseQuestion(q, fault{reason: txn.ReasonOverloaded, detail: "too many reads wait"})
	case q.time > p.clock:
		w = p.waiterOf(q, w)
		w.clock = q.time
		p.room.add(w)
	default:
		return true
	}
	return false
}

// strike lets those ask again whose time the clock has reached.
func (p *Participant) strike() {
	for {
		w, ok := p.room.byClock.Min()
		if !ok || w.clock > p.clock {
			return
		}
		p.room.remove(w)
		w.clock = 0
		p.ask(w.question, w)
	}
}

// unsettled reports whether the value of a key, now or at a time, awaits the outcome of a transaction.
func (p *Participant) unsettled(key []byte, time txn.Timestamp) bool {
	writer, locked := p.locks.Writer(key)
	return locked && p.votedBy(writer, time)
}

// votedBy reports whether a prepared transaction may commit at or before a time. Its vote is the earliest time
// at which it can. Zero asks about now, when every one may have committed.
func (p *Participant) votedBy(writer txn.ID, time txn.Timestamp) bool {
	if time == 0 {
		return true
	}
	return p.find(writer).time <= time && !mutant.On("past-ignores-prepared")
}

// pushClock proposes an entry for the clock's sake, if a read waits for it.
func (p *Participant) pushClock(now wire.Time) {
	if p.role != leading || p.room.byClock.Len() == 0 || now < p.chores.advanceAt {
		return
	}
	p.chores.advanceAt = now.Add(advanceEvery)
	p.proposeOwn(wire.KindAdvance, AdvanceBody.Append(nil, &Advance{}))
}
