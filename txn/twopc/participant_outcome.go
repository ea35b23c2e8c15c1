package twopc

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// commit applies a transaction that everyone voted for. Its commit time is the largest vote's, and the
// shard's clock does not fall behind it, so that what commits later is timed later.
//
// Without a record there is nothing to apply, and nothing is: the write set of a transaction that was
// never prepared here is not known, and to report it as applied would lose it.
func (m *machine) commit(b *Commit, at txn.Position) verdict {
	r := m.find(b.ID)
	switch {
	case r == nil && m.forgotten(b.ID):
		return verdict{status: txn.StatusNone}
	case r == nil && mutant.On("commit-without-prepare"):
		return verdict{status: txn.StatusCommitted}
	case r == nil:
		return m.object(verdict{}, "a commit of a transaction that was never prepared here")
	case r.status == txn.StatusCommitted:
		return r.told()
	case r.frozen && r.status == txn.StatusYes && !mutant.On("frozen-believes-commit"):
		return r.told() // the others decide
	case r.frozen && r.status == txn.StatusAborted:
		return verdict{status: txn.StatusLost} // it was given up, whatever the votes had been
	case r.status != txn.StatusYes:
		return m.object(r.told(), "a commit of a transaction that this shard voted down")
	}
	if b.Time > m.clock+maxAhead {
		return m.object(r.told(), "a commit timed far beyond this shard's clock")
	}
	return m.finishCommit(r, max(b.Time, r.time), at)
}

func (m *machine) finishCommit(r *record, time txn.Timestamp, at txn.Position) verdict {
	m.clock = max(m.clock, time)
	m.store.Apply(r.prepare.Work.Writes, at, time)
	return m.finish(r, txn.StatusCommitted, time)
}

// settle carries out what the other participants' logs have decided, if it is still to be done.
func (m *machine) settle(b *Settle, at txn.Position) verdict {
	r := m.find(b.ID)
	switch {
	case r == nil:
		return verdict{status: txn.StatusNone}
	case r.status == txn.StatusYes && r.frozen && !b.Frozen:
		return r.told() // what was found before it was frozen may no longer be so
	case r.status == txn.StatusYes && b.Commit:
		m.counted.SettledCommits++
		return m.finishCommit(r, max(b.Time, r.time), at)
	case r.status == txn.StatusYes:
		m.counted.SettledAborts++
		if b.Frozen && b.Because == m.group {
			m.counted.SettledLost++
		}
		return m.finish(r, txn.StatusAborted, 0)
	case b.Commit != (r.status == txn.StatusCommitted):
		return m.object(r.told(), "the participants' logs contradict each other")
	}
	return r.told()
}

// abort drops a prepared transaction because another participant voted no or refused; nothing else can,
// for a yes-vote is never withdrawn. Where nothing is recorded yet, it makes sure that nothing will be.
func (m *machine) abort(b *Abort) verdict {
	r := m.find(b.ID)
	switch {
	case r == nil:
		return m.refuse(b.ID)
	case r.status == txn.StatusCommitted:
		return m.object(r.told(), "an abort of a transaction that committed")
	case r.status != txn.StatusYes:
		return verdict{status: txn.StatusAborted}
	case b.Because == m.group || seat(r.prepare.Members, b.Because) == nil:
		return m.object(r.told(), "an abort because of a shard that cannot have said no")
	}
	return m.finish(r, txn.StatusAborted, 0)
}

// resolve tells what became of a transaction, and makes sure that something has. The record is looked up
// first; the mark counts only where there is none.
func (m *machine) resolve(b *Resolve) verdict {
	if r := m.find(b.ID); r != nil {
		if b.Freeze && r.status == txn.StatusYes {
			m.freeze(r)
		}
		return r.told()
	}
	if b.Session != 0 && b.Session < m.epoch.Base() {
		return verdict{status: txn.StatusLost} // it may have been prepared in a life that is not remembered
	}
	if s := m.sessions[b.ID.Client]; s != nil && b.Session != 0 && b.Session != s.op {
		return verdict{status: txn.StatusNone} // it could be prepared only in a session that is gone
	}
	return m.refuse(b.ID)
}

// freeze leaves the outcome of a prepared transaction to those participants that have a memory.
func (m *machine) freeze(r *record) {
	m.sum -= r.digest()
	r.frozen = true
	m.sum += r.digest()
}

// refuse logs that a transaction will never be prepared here, unless it is known already that it cannot.
func (m *machine) refuse(id txn.ID) verdict {
	if m.forgotten(id) {
		return verdict{status: txn.StatusNone}
	}
	r := &record{id: id, status: txn.StatusRefused}
	if mutant.On("refusal-not-logged") {
		return r.told()
	}
	m.enter(m.sessions[id.Client], r)
	return r.told()
}

// forgotten reports whether a transaction without a record will never have one: its number is below the
// client's mark, or no session of the client is open, which is as good as an infinite mark.
func (m *machine) forgotten(id txn.ID) bool {
	s := m.sessions[id.Client]
	return s == nil || id.Seq < s.floor()
}

// finish releases a prepared transaction's locks and records its outcome.
func (m *machine) finish(r *record, outcome txn.Status, time txn.Timestamp) verdict {
	work := m.locks.Unlock(r.id)
	m.close(r, outcome, time)
	return verdict{status: outcome, time: time, released: work}
}

// object changes nothing but the count of alarms.
func (m *machine) object(v verdict, why string) verdict {
	m.alarms++
	v.objection = why
	return v
}

// known answers a command from the applied state, if what it would find in the log is settled already.
// What is applied is chosen, so the answer holds even if this replica no longer leads.
func (m *machine) known(c *command) (verdict, bool) {
	r := m.find(c.id)
	switch c.kind {
	case wire.KindOpenSession:
		if s := m.sessions[c.open.Client]; s != nil && s.open() && s.first == c.open.First {
			return verdict{session: s.op, reserved: s.reserved}, true
		}
	case wire.KindSubmit, wire.KindPrepare:
		return m.standing(c)
	case wire.KindResolve:
		if r != nil && !(c.resolve.Freeze && r.status == txn.StatusYes && !r.frozen) {
			return r.told(), true
		}
	case wire.KindCommit:
		if r != nil && r.status == txn.StatusCommitted {
			return r.told(), true
		}
	case wire.KindAbort:
		if r != nil && r.status != txn.StatusYes && r.status != txn.StatusCommitted {
			return verdict{status: txn.StatusAborted}, true
		}
	}
	return verdict{}, false
}
