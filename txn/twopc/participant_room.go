package twopc

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// What a participant needs for every command is kept for the next one, so that a steady load needs little memory.

const (
	// keptFlights bounds the flights that are kept, and keptRecords the records: as many as a burst of clients has under
	// way, and as many as one mark sets free at a time.
	keptFlights = 256
	keptRecords = 256
	// keptBytes bounds the bytes of a command whose room a flight keeps, and keptEntries the entries of each of its lists:
	// what is larger is rare.
	keptBytes   = 4 << 10
	keptEntries = 32
	// sheetBytes is how much memory for short texts is taken at first, and maxSheetBytes what it grows to: what a turn
	// under load answers.
	sheetBytes    = 4 << 10
	maxSheetBytes = 64 << 10
)

// submission is the room for a submit: its lists are used again for the next one.
type submission struct {
	txn.Submit
	room txn.Work // lists without entries
}

// clear makes room for the next submit. Nothing of what the last one's lists held stays reachable through them.
func (s *submission) clear() {
	keep(&s.room.Reads, s.Work.Reads)
	keep(&s.room.Ranges, s.Work.Ranges)
	keep(&s.room.Writes, s.Work.Writes)
	s.Submit = txn.Submit{Work: s.room}
}

// keep takes a list for the next one's room if it is larger than what is there, and not too large.
func keep[T any](room *[]T, list []T) {
	clear(list)
	if cap(list) > cap(*room) && cap(list) <= keptEntries {
		*room = list[:0]
	}
}

// board returns the flight of a command that was asked for.
func (d *desk) board(kind wire.Kind, body []byte) *flight {
	var f *flight
	if n := len(d.idle); n > 0 {
		f, d.idle = d.idle[n-1], d.idle[:n-1]
	} else {
		f = new(flight)
	}
	f.bytes = append(append(slices.Grow(f.bytes, 1+len(body)), byte(kind)), body...)
	f.from = f.first[:0]
	return f
}

// retire takes a flight back that nothing refers to any more: it is not on the desk and does not wait, and either it was
// never proposed, or it has landed.
//
// The bytes of one that has landed are in the log, which has a copy. They are used again, because no proposal is left
// that refers to them: what is proposed in a reign is applied, or turned away, once, and the flight is on the desk until
// then, so that there is no second proposal of the same bytes with which it could have been mistaken. Where flights had to
// leave the desk before, that is not certain, and no bytes are used again until the reign is over.
func (d *desk) retire(f *flight) {
	if d.flights[f.hash] == f || f.waiter != nil {
		panic("twopc: a flight is retired that is still under way")
	}
	if len(d.idle) >= keptFlights {
		return
	}
	f.submission.clear()
	kept := flight{submission: f.submission}
	sure := !f.proposed || !d.displaced || mutant.On("displaced-used-again")
	if sure && cap(f.bytes) <= keptBytes {
		kept.bytes = f.bytes[:0]
	}
	*f = kept
	d.idle = append(d.idle, f)
}

// sheet is memory from which short texts are cut: those of one Ready, one behind the other.
//
// Invariant: the room of free is in no text since the last turn.
type sheet struct{ page, free []byte }

// turn makes the memory of all texts free.
func (s *sheet) turn() { s.free = s.page[:0] }

// text returns what write appends to no text. It stays as it is until the sheet is turned.
func (s *sheet) text(write func([]byte) []byte) []byte {
	if cap(s.free) < sheetBytes/8 {
		s.page = make([]byte, 0, min(max(2*cap(s.page), sheetBytes), maxSheetBytes))
		s.free = s.page
	}
	text := write(s.free)
	if len(text) <= cap(s.free) { // it was not moved to where there is more room
		s.free = s.free[len(text):len(text)]
	}
	return slices.Clip(text)
}

// fit is text for what may be long, and takes about so many bytes: that has memory of its own.
func (s *sheet) fit(bytes int, write func([]byte) []byte) []byte {
	if bytes > max(cap(s.page), sheetBytes)/8 {
		return write(nil)
	}
	return s.text(write)
}

// newRecord returns an empty record.
func (m *machine) newRecord() *record {
	if n := len(m.spare); n > 0 {
		r := m.spare[n-1]
		m.spare = m.spare[:n-1]
		return r
	}
	return new(record)
}

// scrap takes back a record that its session no longer has. An image may hold it, unless the session was copied, or opened,
// after the last image was taken.
func (m *machine) scrap(s *session, r *record) {
	if s.generation == m.generation && len(m.spare) < keptRecords {
		*r = record{}
		m.spare = append(m.spare, r)
	}
}
