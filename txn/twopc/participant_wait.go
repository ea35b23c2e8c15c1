package twopc

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/tidwall/btree"
)

// waiter is a request that waits: a command or a read for the outcome of a transaction that holds a key, or a question for
// the shard's clock. Exactly one of flight and question is set.
type waiter struct {
	seq      uint64 // order of arrival, kept from one wait to the next
	until    wire.Time
	key      []byte        // that it waits for, or nil
	clock    txn.Timestamp // that it waits for, or 0
	flight   *flight
	question *question
}

// room holds all that wait: by key, each key's in order of arrival, and by deadline; those that wait for the leader's round in
// a line of their own.
type room struct {
	seq     uint64
	byKey   *btree.BTreeG[*waiter]
	byTime  *btree.BTreeG[*waiter]
	byClock *btree.BTreeG[*waiter]
	// asked tells copies of a question that waits from new ones.
	asked map[questionID]*waiter
	bytes int // of the questions
	line  line
}

func newRoom() room {
	opts := btree.Options{NoLocks: true}
	return room{
		byKey: btree.NewBTreeGOptions(func(a, b *waiter) bool {
			if c := bytes.Compare(a.key, b.key); c != 0 {
				return c < 0
			}
			return a.seq < b.seq
		}, opts),
		byTime: btree.NewBTreeGOptions(func(a, b *waiter) bool {
			if a.until != b.until {
				return a.until < b.until
			}
			return a.seq < b.seq
		}, opts),
		byClock: btree.NewBTreeGOptions(func(a, b *waiter) bool {
			if a.clock != b.clock {
				return a.clock < b.clock
			}
			return a.seq < b.seq
		}, opts),
		asked: map[questionID]*waiter{},
	}
}

func (r *room) len() int { return r.byTime.Len() + r.line.len }

func (r *room) full() bool {
	return r.len() >= maxWaiting || r.bytes+r.line.bytes >= maxWaitingBytes
}

func (r *room) add(w *waiter) {
	if w.seq == 0 {
		r.seq++
		w.seq = r.seq
	}
	r.byTime.Set(w)
	if w.clock != 0 {
		r.byClock.Set(w)
	} else {
		r.byKey.Set(w)
	}
	if w.question != nil {
		r.asked[w.question.questionID] = w
		r.bytes += w.question.bytes()
	}
}

func (r *room) remove(w *waiter) {
	r.byTime.Delete(w)
	if w.clock != 0 {
		r.byClock.Delete(w)
	} else {
		r.byKey.Delete(w)
	}
	if w.question != nil {
		delete(r.asked, w.question.questionID)
		r.bytes -= w.question.bytes()
	}
}

// on adds to found those who wait for a key in start <= key < end; an empty end means no upper bound.
func (r *room) on(found []*waiter, rng txn.Range) []*waiter {
	r.byKey.Ascend(&waiter{key: rng.Start}, func(w *waiter) bool {
		if !rng.Covers(w.key) {
			return false
		}
		found = append(found, w)
		return true
	})
	return found
}

// freed returns those who wait for any of the locks that went away, in order of arrival.
func (r *room) freed(released []*txn.Work) []*waiter {
	var found []*waiter
	for _, work := range released {
		for i := range work.Writes {
			found = r.on(found, only(work.Writes[i].Key))
		}
		for i := range work.Reads {
			found = r.on(found, only(work.Reads[i].Key))
		}
		for _, rng := range work.Ranges {
			found = r.on(found, rng)
		}
	}
	slices.SortFunc(found, func(a, b *waiter) int { return cmp.Compare(a.seq, b.seq) })
	return slices.Compact(found)
}

// only is the range that holds one key: nothing lies between a key and the same with a zero byte.
func only(key []byte) txn.Range {
	return txn.Range{Start: key, End: append(slices.Clip(key), 0)}
}

// wake lets those try again whose locks went away with the last entry, in order of arrival: the first
// may take them again, and then the others go on waiting in their old order.
func (p *Participant) wake() {
	released := p.released
	p.released = nil
	if len(released) == 0 || p.room.len() == 0 {
		return
	}
	for _, w := range p.room.freed(released) {
		p.room.remove(w)
		if w.flight != nil {
			p.dispatch(w.flight, w)
		} else {
			p.ask(w.question, w)
		}
	}
}

// Tick ends the waiting of those whose time has come, and sees to what nobody asks for. Commands that waited
// are proposed as they stand, and voted on; questions are refused.
func (p *Participant) Tick(now wire.Time) {
	p.now = now
	p.endWaits(now)
	if p.role == leading {
		p.supervise(now)
		p.tidy(now)
		p.pushClock(now)
	}
}

func (p *Participant) endWaits(now wire.Time) {
	p.room.line.release(func(g *cohort) bool { return g.since.Add(p.cfg.ReadBound) <= now }, func(q *question) {
		p.refuseQuestion(q, fault{reason: txn.ReasonNotReady, detail: "too few followers confirmed the leader in time"})
	})
	for {
		w, ok := p.room.byTime.Min()
		if !ok || w.until > now {
			return
		}
		p.room.remove(w)
		switch {
		case w.flight != nil:
			p.propose(w.flight)
		case w.clock != 0:
			p.refuseQuestion(w.question, fault{reason: txn.ReasonWaited, detail: "the shard's clock has not reached the time asked for"})
		default:
			p.refuseQuestion(w.question, fault{reason: txn.ReasonWaited})
		}
	}
}

// NextDeadline tells when Tick has something to do.
func (p *Participant) NextDeadline() (wire.Time, bool) {
	at, ok := p.nextDuty()
	if w, waits := p.room.byTime.Min(); waits && (!ok || w.until < at) {
		at, ok = w.until, true
	}
	if len(p.room.line.cohorts) > 0 {
		if until := p.room.line.cohorts[0].since.Add(p.cfg.ReadBound); !ok || until < at {
			return until, true
		}
	}
	return at, ok
}

// turnOut refuses all who wait, at the end of a reign.
func (p *Participant) turnOut(why fault) {
	p.room.line.release(func(*cohort) bool { return true }, func(q *question) { p.refuseQuestion(q, why) })
	for _, w := range p.room.byTime.Items() {
		if w.flight != nil {
			p.declineAll(w.flight, why)
		} else {
			p.refuseQuestion(w.question, why)
		}
	}
}
