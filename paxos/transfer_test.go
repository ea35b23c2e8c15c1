package paxos

import (
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// copying is a follower that copies entries from replica 0, at a time of its own.
func copying(t *testing.T) (c *Core, asked func(ms int) []int) {
	g := quietGroup(t, 3, DefaultLimits())
	c = g.hosts[1].core
	c.startTransfer(Extend, 0, c.promised, c.log.last()+100)
	c.Ready()
	passed := 0
	return c, func(ms int) (at []int) {
		for range ms {
			passed++
			c.now = c.now.Add(wire.Millisecond)
			c.fetchDue()
			for _, e := range c.Ready().Send {
				if e.Frame.Kind == wire.KindFetch {
					at = append(at, passed)
				}
			}
		}
		return at
	}
}

// brings hands in entries above an op, which are not the last of their burst.
func brings(c *Core, op Op) {
	e := Entries{Purpose: Extend, Bodies: [][]byte{make([]byte, 10)}, Left: 1}
	c.stepEntries(&Message{Frame: frame(wire.KindEntries, c.promised, op, c.log.chosen, entriesBody.Append(nil, &e))})
}

// What does not come is asked for again, ever later, and never later than 80 ms after the last time.
func TestCopiesAreAskedForEverLater(t *testing.T) {
	_, asked := copying(t)
	if got := asked(400); !slices.Equal(got, []int{10, 30, 70, 150, 230, 310, 390}) {
		t.Errorf("asked at %v ms", got)
	}
}

// What comes is good news: the next is waited for as long as at first.
func TestProgressRestoresThePatience(t *testing.T) {
	c, asked := copying(t)
	asked(150)
	brings(c, c.xfer.have())
	if got := asked(40); !slices.Equal(got, []int{160, 180}) {
		t.Errorf("asked at %v ms", got)
	}
}

// What comes twice had been asked for too soon.
func TestDuplicatesMakeACopyPatient(t *testing.T) {
	c, asked := copying(t)
	first := c.xfer.have()
	brings(c, first)
	for range 10 {
		brings(c, first)
	}
	if c.xfer.patience != 80*wire.Millisecond {
		t.Errorf("waits for %d ms", c.xfer.patience/wire.Millisecond)
	}
	if got := asked(200); !slices.Equal(got, []int{10, 90, 170}) {
		t.Errorf("asked at %v ms", got)
	}
	if c.ignored[IgnoredGap] == 0 || c.xfer.have() != first+1 {
		t.Error("a duplicate was not ignored")
	}
}
