package twopc

import (
	"slices"

	"github.com/anodekv/anode/txn"
)

// What a participant needs for every command is kept for the next one, so that a steady load needs little memory.

const (
	// keptFlights bounds the flights that are kept, and keptRecords the records: as many as a burst of clients has under
	// way, and as many as one mark sets free at a time.
	keptFlights = 256
	keptRecords = 256
	// sheetBytes is how much memory for short texts is taken at a time.
	sheetBytes = 4 << 10
)

// submission is the room for a submit and the one write that most have.
type submission struct {
	txn.Submit
	write [1]txn.Write
}

// clear makes room for the next submit.
func (s *submission) clear() {
	*s = submission{}
	s.Work.Writes = s.write[:0]
}

// board returns an empty flight.
func (d *desk) board() *flight {
	var f *flight
	if n := len(d.idle); n > 0 {
		f, d.idle = d.idle[n-1], d.idle[:n-1]
	} else {
		f = new(flight)
	}
	f.submission.clear()
	f.from = f.first[:0]
	return f
}

// retire takes a flight back that nothing refers to any more: it is not on the desk and does not wait.
func (d *desk) retire(f *flight) {
	if d.flights[f.hash] == f || f.waiter != nil {
		panic("twopc: a flight is retired that is still under way")
	}
	if len(d.idle) < keptFlights {
		*f = flight{}
		d.idle = append(d.idle, f)
	}
}

// sheet is memory from which short texts are cut. It is never used twice, but freed with the last of them.
//
// Invariant: free is empty, and its room is in no text.
type sheet struct{ free []byte }

// text returns what write appends to no text.
func (s *sheet) text(write func([]byte) []byte) []byte {
	if cap(s.free) < sheetBytes/8 {
		s.free = make([]byte, 0, sheetBytes)
	}
	text := write(s.free)
	if len(text) <= cap(s.free) { // it was not moved to where there is more room
		s.free = s.free[len(text):len(text)]
	}
	return slices.Clip(text)
}

// fit is text for what may be long, and takes about so many bytes: that has memory of its own.
func (s *sheet) fit(bytes int, write func([]byte) []byte) []byte {
	if bytes > sheetBytes/8 {
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
