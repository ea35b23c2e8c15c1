package twopc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/occ"
	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/btree"
)

// machine is the replicated part of a participant: a pure function of the log. Replicas that applied the
// same entries hold equal machines.
type machine struct {
	realm
	store    *mvcc.Store
	locks    *occ.Set // of every record with status Yes
	sessions map[txn.ClientID]*session
	// reserved counts the sessions that admit only deletes.
	reserved int
	records  int
	applied  wire.Op
	// clock is the timestamp of the last command; it never falls.
	clock txn.Timestamp
	// orphans are the committed transactions that the client's mark has passed, but not the client's word
	// that all have applied them: the participants settle among themselves when they may be forgotten.
	orphans *btree.BTreeG[txn.ID]
	// sum adds up the digests of all sessions and records. A sum does not depend on the order of its
	// terms, so that it is kept up with each change and never by a walk.
	sum uint64

	// generation counts the images taken; see unshare.
	generation uint64
	spare      []*record // see newRecord

	unreadable uint64 // commands in the log that no leader should have proposed
	alarms     uint64 // outcomes that contradict what is chosen here
	counted    LogStats
}

// LogStats counts what the log did that no client had asked for. Images carry it, so that replicas agree.
type LogStats struct {
	// SettledCommits and SettledAborts were decided among the participants.
	SettledCommits, SettledAborts uint64
	// SettledLost counts, among SettledAborts, what was given up because a participant had lost its memory and no
	// other knew an outcome.
	SettledLost uint64
	// RefusedLate counts prepares that came when a refusal stood already.
	RefusedLate uint64
	// Forgotten counts commits that the participants agreed to forget, Expired sessions.
	Forgotten, Expired uint64
}

func newMachine(r realm) machine {
	byID := func(a, b txn.ID) bool { return a.Compare(b) < 0 }
	return machine{
		realm: r, store: mvcc.New(), locks: occ.NewSet(), sessions: map[txn.ClientID]*session{},
		orphans: btree.NewBTreeGOptions(byID, btree.Options{NoLocks: true}),
	}
}

// verdict is what applying a command found. It has a status, or the op that opened a session, or, when
// the command contradicts what is chosen, an objection.
type verdict struct {
	status    txn.Status
	time      txn.Timestamp
	key       []byte
	session   wire.Op
	reserved  bool // the session admits only deletes
	objection string
	released  *txn.Work // locks that went away
	fresh     bool      // the vote was not there before
	frozen    bool      // see record
}

// tick gives a command its time: the one that the leader proposed with the entry, but later than that of
// every command before.
func (m *machine) tick(proposed txn.Timestamp) txn.Timestamp {
	if m.clock < math.MaxInt64 {
		m.clock++
	}
	m.clock = max(m.clock, proposed)
	return m.clock
}

// apply carries out one command of the log.
func (m *machine) apply(c *command, at txn.Position, time txn.Timestamp) verdict {
	m.unshare(c.id.Client)
	switch {
	case c.open != nil:
		return m.open(c.open, at.Op)
	case c.submit != nil:
		return m.submit(c, at, time)
	case c.prepare != nil:
		return m.prepare(c, time)
	case c.commit != nil:
		return m.commit(c.commit, at)
	case c.abort != nil:
		return m.abort(c.abort)
	case c.resolve != nil:
		return m.resolve(c.resolve)
	case c.end != nil:
		return m.endSession(c.end)
	case c.settle != nil:
		return m.settle(c.settle, at)
	case c.forget != nil:
		return m.forget(c.forget.ID)
	case c.expire != nil:
		return m.expire(c.expire)
	case c.collect != nil:
		return m.collect(c.collect)
	case c.advance != nil:
		return verdict{status: txn.StatusNone} // its time has been taken already
	}
	panic(fmt.Sprintf("twopc: a %v passed as a command", c.kind))
}

// hash covers the whole applied state.
func (m *machine) hash() uint64 {
	var b [32]byte
	binary.LittleEndian.PutUint64(b[:], m.store.Hash())
	binary.LittleEndian.PutUint64(b[8:], m.sum)
	binary.LittleEndian.PutUint64(b[16:], uint64(m.clock))
	binary.LittleEndian.PutUint64(b[24:], uint64(m.applied))
	return xxhash.Sum64(b[:])
}

// open opens a session, or finds it open. Sessions are opened with ever higher numbers: a lower one than
// the last is a late copy, and its session is gone.
func (m *machine) open(o *txn.OpenSession, op wire.Op) verdict {
	s := m.sessions[o.Client]
	switch {
	case s != nil && o.First == s.first && s.open():
		return verdict{session: s.op, reserved: s.reserved}
	case s != nil && o.First <= s.first:
		return verdict{status: txn.StatusExpired}
	}
	reserved, ok := m.place(s, o.Clears)
	switch {
	case !ok:
		return verdict{status: txn.StatusFull}
	case s == nil:
		s = &session{client: o.Client}
		m.sessions[o.Client] = s
	default:
		m.sum -= s.digest()
	}
	m.reserve(s, reserved)
	s.first, s.op, s.used = o.First, op, m.clock
	s.mark = max(s.mark, o.First)
	m.sum += s.digest()
	m.prune(s)
	return verdict{session: op, reserved: reserved}
}

// place tells whether there is a place for a session, s or a new one if that is nil, and whether it is one of
// those that are reserved for deletes.
func (m *machine) place(s *session, clears bool) (reserved, ok bool) {
	switch {
	case s != nil && !s.reserved, len(m.sessions)-m.reserved < maxSessions:
		return false, true
	case s != nil, m.reserved < reservedSessions:
		return true, clears
	}
	return false, false
}

// reserve notes what place a session has.
func (m *machine) reserve(s *session, reserved bool) {
	switch {
	case reserved && !s.reserved:
		m.reserved++
	case !reserved && s.reserved:
		m.reserved--
	}
	s.reserved = reserved
}

// told is the answer that a record gives.
func (r *record) told() verdict {
	return verdict{status: r.status, time: r.time, key: r.key, frozen: r.frozen}
}

// standing finds the answer to a submit or prepare that was here before: the same one again. It reports
// false if there is no record.
func (m *machine) standing(c *command) (verdict, bool) {
	r := m.find(c.id)
	switch {
	case r == nil:
		return verdict{}, false
	case r.status != txn.StatusRefused && r.hash != c.hash:
		return verdict{status: txn.StatusMismatch}, true
	}
	return r.told(), true
}

// admit decides whether new work may have a record: it names its session as it is open here, and its
// number is not below the mark. A session in a reserved place admits only deletes.
func (m *machine) admit(c *command, op wire.Op, mark uint64) (*session, verdict) {
	id := c.id
	s := m.sessions[id.Client]
	if s == nil || !s.open() || s.op != op {
		return nil, verdict{status: txn.StatusExpired}
	}
	if s.reserved && !c.clears() {
		return nil, verdict{status: txn.StatusFull}
	}
	m.touch(s)
	m.advance(s, mark)
	if id.Seq < s.mark {
		return nil, verdict{status: txn.StatusNone}
	}
	return s, verdict{}
}

// submit validates and applies in one step.
func (m *machine) submit(c *command, at txn.Position, time txn.Timestamp) verdict {
	if v, ok := m.standing(c); ok {
		return v
	}
	b := c.submit
	s, v := m.admit(c, b.Session, b.Mark)
	if s == nil {
		return v
	}
	r := m.newRecord()
	r.id, r.hash, r.status = b.ID, c.hash, txn.StatusNo
	if ok, key := m.locks.Check(m.store, b.ID, &b.Work); ok {
		r.status, r.time = txn.StatusCommitted, time
		m.store.Apply(b.Work.Writes, at, time)
	} else {
		r.key = bytes.Clone(key) // which lives in the command
	}
	m.enter(s, r)
	return r.told()
}

// prepare validates, locks and votes. The vote stands in the record from now on.
func (m *machine) prepare(c *command, time txn.Timestamp) verdict {
	if v, ok := m.standing(c); ok {
		if v.status == txn.StatusRefused {
			m.counted.RefusedLate++
		}
		return v
	}
	b := c.prepare
	own := seat(b.Members, m.group)
	switch {
	case own.Epoch < m.epoch:
		return verdict{status: txn.StatusLost} // it may have been prepared in a life that is not remembered
	case own.Epoch > m.epoch:
		return verdict{status: txn.StatusExpired}
	}
	s, v := m.admit(c, own.Session, b.Mark)
	if s == nil {
		return v
	}
	r := &record{id: b.ID, hash: c.hash, status: txn.StatusNo}
	if ok, key := m.locks.Check(m.store, b.ID, &b.Work); ok {
		r.status, r.time, r.prepare, r.members = txn.StatusYes, time, b, b.Members
		m.locks.Lock(b.ID, &b.Work)
	} else {
		r.key = key
	}
	m.enter(s, r)
	v = r.told()
	v.fresh = true
	return v
}
