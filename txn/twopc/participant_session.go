package twopc

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/cespare/xxhash/v2"
)

// usedGrain is how exactly a session's last use is recorded. It spares the digest of the state a change for
// every transaction.
const usedGrain = txn.Timestamp(wire.Second)

// session is one client's standing at the shard.
type session struct {
	client txn.ClientID
	// first is the number with which the session was opened, and op the entry that did so; zero when the
	// session has expired and records are left of it.
	first uint64
	op    wire.Op
	// mark never falls. No number below it will get a record any more.
	mark uint64
	// claimed is up to where the client said that the outcomes are applied everywhere. Opening a session
	// raises the mark without saying so. Invariant: claimed <= mark.
	claimed uint64
	// used is when the client's last transaction was taken in, to within usedGrain.
	used txn.Timestamp
	// reserved: the place was one of those that are kept for deletes, and nothing else is admitted.
	reserved bool
	// records are in ascending order of number; clients count upwards, so new ones come at the end.
	records []*record
	// generation is that of the machine when the session was last copied: images hold it if it is lower.
	generation uint64
}

// open reports whether the session takes transactions in.
func (s *session) open() bool { return s.op != 0 }

// floor is the mark, and beyond all numbers for a session that has expired.
func (s *session) floor() uint64 {
	if !s.open() {
		return math.MaxUint64
	}
	return s.mark
}

// record is what the log says about one transaction.
type record struct {
	id txn.ID
	// hash is that of the command that asked for it. A refusal was asked for by no command.
	hash   uint64
	status txn.Status // Yes, No, Refused, Committed or Aborted
	time   txn.Timestamp
	key    []byte
	// prepare is kept while the status is Yes: it is what is locked.
	prepare *Prepare
	// members are all participants, while one of them may ask for the commit: of a Yes, and of a commit
	// until it is known that all have applied it.
	members []Member
	// frozen: a participant has lost its memory, and the others decide. What the coordinator may still send
	// is not believed: it may know of a vote that nobody remembers.
	frozen bool
}

// needed reports whether the record must outlive its client's mark. Without a record the answer to an
// inquiry is "none", which aborts: after a no it may be given, and after a commit never.
func (r *record) needed() bool {
	return r.status == txn.StatusYes || r.status == txn.StatusCommitted && len(r.members) > 0
}

func (s *session) search(seq uint64) (int, bool) {
	if n := len(s.records); n == 0 || s.records[n-1].id.Seq < seq {
		return n, false
	}
	return slices.BinarySearchFunc(s.records, seq, func(r *record, seq uint64) int {
		switch {
		case r.id.Seq < seq:
			return -1
		case r.id.Seq > seq:
			return 1
		}
		return 0
	})
}

// above counts the records that a mark would leave.
func (s *session) above(mark uint64) int {
	i, _ := s.search(mark)
	return len(s.records) - i
}

// find returns the record of a transaction, or nil.
func (m *machine) find(id txn.ID) *record {
	s := m.sessions[id.Client]
	if s == nil {
		return nil
	}
	if i, ok := s.search(id.Seq); ok {
		return s.records[i]
	}
	return nil
}

// enter adds a record that is not there yet.
func (m *machine) enter(s *session, r *record) {
	i, _ := s.search(r.id.Seq)
	s.records = slices.Insert(s.records, i, r)
	m.records++
	m.sum += r.digest()
}

// close gives a prepared transaction its outcome. A record that the mark has passed meanwhile was kept for
// its locks; if it commits, the others may still ask for it.
func (m *machine) close(r *record, outcome txn.Status, time txn.Timestamp) {
	m.sum -= r.digest()
	r.status, r.time, r.prepare = outcome, time, nil
	if outcome != txn.StatusCommitted {
		r.members = nil
	}
	m.sum += r.digest()
	if mutant.On("forget-at-commit") {
		m.drop(r)
		return
	}
	m.prune(m.sessions[r.id.Client])
}

// drop removes a record as if it had never been.
func (m *machine) drop(r *record) {
	s := m.sessions[r.id.Client]
	if i, ok := s.search(r.id.Seq); ok {
		s.records = slices.Delete(s.records, i, i+1)
		m.sum -= r.digest()
		m.records--
	}
}

// advance takes in the client's word that all below a mark is applied everywhere, and forgets it.
func (m *machine) advance(s *session, mark uint64) {
	if mark <= s.claimed {
		return
	}
	from, _ := s.search(s.claimed)
	to, _ := s.search(mark)
	for _, r := range s.records[from:to] {
		if r.status == txn.StatusCommitted {
			m.release(r)
		}
	}
	m.sum -= s.digest()
	s.claimed, s.mark = mark, max(s.mark, mark)
	m.sum += s.digest()
	m.prune(s)
}

// release notes that nobody will ask for a commit any more.
func (m *machine) release(r *record) {
	m.sum -= r.digest()
	r.members = nil
	m.sum += r.digest()
}

// touch notes that the client is alive.
func (m *machine) touch(s *session) {
	if m.clock-s.used < usedGrain {
		return
	}
	m.sum -= s.digest()
	s.used = m.clock
	m.sum += s.digest()
}

// expire closes the session of a client that has been silent for too long. It is as if its mark were
// infinite; what others may still need stays.
func (m *machine) expire(b *Expire) verdict {
	s := m.sessions[b.Client]
	if s == nil || !s.open() || s.op != b.Session || s.used != b.Used {
		return verdict{status: txn.StatusNone}
	}
	m.counted.Expired++
	m.shut(s)
	return verdict{status: txn.StatusExpired}
}

// shut closes a session that is open.
func (m *machine) shut(s *session) {
	m.sum -= s.digest()
	s.op = 0
	m.sum += s.digest()
	m.prune(s)
}

// endSession closes the session of a client that is done with it, like expiry, and takes its last word before. One that is not
// open, or was opened by another op, is left as it is.
func (m *machine) endSession(b *txn.EndSession) verdict {
	if s := m.sessions[b.Client]; s != nil && s.open() && s.op == b.Session {
		m.advance(s, b.Mark)
		m.shut(s)
	}
	return verdict{status: txn.StatusExpired}
}

// forget lets go of a commit that all participants have applied.
func (m *machine) forget(id txn.ID) verdict {
	if r := m.find(id); r != nil && r.status == txn.StatusCommitted && len(r.members) > 0 {
		m.counted.Forgotten++
		m.release(r)
		m.prune(m.sessions[id.Client])
	}
	return verdict{status: txn.StatusNone}
}

// prune removes the records below the mark that nobody needs, and the session with the last one of them
// if it has expired.
func (m *machine) prune(s *session) {
	n, _ := s.search(s.floor())
	kept := 0
	for _, r := range s.records[:n] {
		if r.needed() && !(mutant.On("mark-forgets-commits") && r.status == txn.StatusCommitted) {
			s.records[kept] = r
			kept++
			if r.status == txn.StatusCommitted {
				m.orphans.Set(r.id)
			}
			continue
		}
		m.orphans.Delete(r.id)
		m.sum -= r.digest()
		m.records--
		m.scrap(s, r)
	}
	s.records = slices.Delete(s.records, kept, n)
	if !s.open() && len(s.records) == 0 {
		m.sum -= s.digest()
		m.reserve(s, false)
		delete(m.sessions, s.client)
	}
}

// digest hashes what is kept of a session, less its records.
func (s *session) digest() uint64 {
	var b [49]byte
	b[0] = 's'
	if s.reserved {
		b[0] = 'd'
	}
	binary.LittleEndian.PutUint64(b[1:], uint64(s.client))
	binary.LittleEndian.PutUint64(b[9:], s.first)
	binary.LittleEndian.PutUint64(b[17:], s.mark)
	binary.LittleEndian.PutUint64(b[25:], uint64(s.op))
	binary.LittleEndian.PutUint64(b[33:], s.claimed)
	binary.LittleEndian.PutUint64(b[41:], uint64(s.used))
	return xxhash.Sum64(b[:])
}

// digest hashes a record. The work and the members of a prepared one stand in its hash already.
func (r *record) digest() uint64 {
	var b [35]byte
	b[0], b[1] = 'r', byte(r.status)
	binary.LittleEndian.PutUint64(b[2:], uint64(r.id.Client))
	binary.LittleEndian.PutUint64(b[10:], r.id.Seq)
	binary.LittleEndian.PutUint64(b[18:], r.hash)
	binary.LittleEndian.PutUint64(b[26:], uint64(r.time))
	if r.needed() {
		b[34] = 1
	}
	if r.frozen {
		b[34] |= 2
	}
	if len(r.key) == 0 {
		return xxhash.Sum64(b[:]) // the same, sooner
	}
	var d xxhash.Digest
	d.Reset()
	d.Write(b[:])
	d.Write(r.key)
	return d.Sum64()
}
