package paxos

import (
	"bytes"
	"fmt"
	"testing"
	"unsafe"

	"github.com/anodekv/anode/paxos/wire"
)

// inPages reports an op of the log whose body lies in memory that is to be used again.
func (l *oplog) inPages() (op Op, some bool) {
	for _, pages := range [][][]byte{l.pages.dropped, l.pages.idle} {
		for _, page := range pages {
			for i, body := range l.bodies {
				if overlap(body, page[:cap(page)]) {
					return l.base + Op(i) + 1, true
				}
			}
		}
	}
	return 0, false
}

func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	at, from := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return at < from+uintptr(len(b)) && from < at+uintptr(len(a))
}

// follower is a follower of replica 0 that keeps no more than one applied entry, and follow gives it the next entry, all before it
// being chosen.
func follower(t *testing.T) (c *Core, follow func(body []byte)) {
	limits := DefaultLimits()
	limits.KeepEntries = 1
	g := quietGroup(t, 3, limits)
	c = g.hosts[1].core
	return c, func(body []byte) {
		f := frame(wire.KindAccept, c.promised, c.log.last()+1, c.log.last(), body)
		f.Incarnation = 1
		c.Step(c.now, Message{Frame: f})
	}
}

func TestAFollowersLogUsesItsMemoryAgain(t *testing.T) {
	c, follow := follower(t)
	seen := map[*byte]int{}
	for i := range 200 {
		follow(bytes.Repeat([]byte{byte(i)}, 20))
		for _, e := range c.Ready().Chosen {
			seen[&e.Body[0]]++
		}
	}
	if len(seen) > 20 {
		t.Errorf("entries lay at %d places", len(seen))
	}
}

// What Ready tells stays as it is until the next call, whatever is stepped in between.
func TestWhatIsToldStays(t *testing.T) {
	if wrong := toldStays(t); wrong != "" {
		t.Error(wrong)
	}
}

func toldStays(t *testing.T) string {
	c, follow := follower(t)
	for range 20 {
		r := c.Ready()
		for range 30 {
			follow(bytes.Repeat([]byte{byte(c.log.last())}, 20))
		}
		for _, e := range r.Chosen {
			if !bytes.Equal(e.Body, bytes.Repeat([]byte{byte(e.Op - 1)}, 20)) {
				return fmt.Sprintf("op %d was overwritten before it could be applied", e.Op)
			}
		}
	}
	return ""
}

// What is replaced at the end of the log takes ops that others get afterwards: a page may look empty then that is not.
func TestPagesOfAReplacedTailAreForgotten(t *testing.T) {
	if wrong := replacedTail(); wrong != "" {
		t.Error(wrong)
	}
}

func replacedTail() string {
	l := oplog{pages: pages{size: 64}}
	for range 20 {
		l.append(make([]byte, 20))
	}
	l.chosen = 2
	l.replaceTail(2, nil)
	for range 20 {
		l.append(make([]byte, 20))
	}
	l.bodies, l.base, l.chosen = l.bodies[5:], 5, 5
	l.pages.drop(5)
	if _, some := l.inPages(); some {
		return "an entry lies in memory that is used again"
	}
	for i := 1; i < len(l.pages.full); i++ {
		if l.pages.full[i].last <= l.pages.full[i-1].last {
			return "pages are not in the order of their ops"
		}
	}
	return ""
}

func TestFewPagesAreKept(t *testing.T) {
	l := oplog{pages: pages{size: 64}}
	for range 1000 {
		l.append(make([]byte, 20))
	}
	l.bodies, l.base = nil, 1000
	l.pages.drop(1000)
	l.pages.rest()
	if n := len(l.pages.idle); n != keptPages || len(l.pages.full)+len(l.pages.dropped) != 0 {
		t.Errorf("%d are", n)
	}
}

func TestALargeEntryHasMemoryOfItsOwn(t *testing.T) {
	p := newPages(&Limits{KeepBytes: 4 << 20, KeepEntries: 1 << 16})
	if b := p.cut(maxPageBytes/2+1, 1); cap(b) > maxPageBytes || p.open.bytes != nil {
		t.Errorf("it has room for %d bytes, of a page of %d", cap(b), len(p.open.bytes))
	}
}
