package paxos

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
)

const (
	// maxPageBytes bounds the pieces in which a log takes its memory. keptPages bounds those that are kept for what comes: in a
	// steady load one is filled when one has emptied.
	maxPageBytes = 64 << 10
	keptPages    = 8
	// pagesOfLog is at least into how many pages the log divides that is kept, so that little is held beyond what was dropped.
	pagesOfLog = 64
	// pageBytesOfEntry is what an entry counts when they are kept by their number.
	pageBytesOfEntry = 64
)

// pages is the memory of a log's entries: their bodies are cut from it, one behind the other. What trim has dropped is used again,
// and not before the owner has carried out what it was told when that was dropped: lists of Ready still refer to it.
//
// Invariant: no body in the log lies in a page that is dropped or idle. Bodies are cut in the order of their ops, so that a page is
// empty when the log begins above the last op that was cut from it. That holds as long as the log only grows at its end and is only
// trimmed at its beginning; when its end is replaced, its pages are forgotten.
type pages struct {
	size    int
	open    page   // that bodies are cut from
	full    []page // in the order of their ops
	dropped [][]byte
	idle    [][]byte
}

// page is a piece of memory, used up to its length, and the last op that has a body in it.
type page struct {
	bytes []byte
	last  Op
}

// newPages returns memory for a log of which so much is kept.
func newPages(l *Limits) pages {
	return pages{size: min(maxPageBytes, l.KeepBytes/pagesOfLog, l.KeepEntries*pageBytesOfEntry)}
}

// cut returns an empty slice with room for the body of an op, which is appended to the log next. What is large has memory of its
// own.
func (p *pages) cut(n int, op Op) []byte {
	if n > p.size/2 {
		return make([]byte, 0, n)
	}
	if cap(p.open.bytes)-len(p.open.bytes) < n {
		p.next()
	}
	begin := len(p.open.bytes)
	p.open.bytes = p.open.bytes[:begin+n]
	p.open.last = op
	return p.open.bytes[begin : begin : begin+n]
}

// next opens another page.
func (p *pages) next() {
	if p.open.bytes != nil {
		p.full = append(p.full, p.open)
	}
	if n := len(p.idle); n > 0 {
		p.open = page{bytes: p.idle[n-1]}
		p.idle = p.idle[:n-1]
		return
	}
	p.open = page{bytes: make([]byte, 0, p.size)}
}

// drop takes back the pages that held no op above base.
func (p *pages) drop(base Op) {
	if mutant.On("page-dropped-early") {
		base++
	}
	n := 0
	for ; n < len(p.full) && p.full[n].last <= base; n++ {
		p.dropped = append(p.dropped, p.full[n].bytes[:0])
	}
	p.full = slices.Delete(p.full, 0, n)
	if mutant.On("page-used-at-once") {
		p.rest()
	}
}

// rest says that nobody refers any longer to what was dropped.
func (p *pages) rest() {
	for _, b := range p.dropped {
		if len(p.idle) < keptPages {
			p.idle = append(p.idle, b)
		}
	}
	clear(p.dropped)
	p.dropped = p.dropped[:0]
}

// forget leaves all memory that is in use to those who refer to it.
func (p *pages) forget() { p.open, p.full = page{}, nil }
