package paxos

import (
	"fmt"
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

// What seemed lost and was only slow is asked for twice, and the rest of the image comes once all the same.
func TestAnOvertakenBurstIsNotContinued(t *testing.T) {
	if wrong := overtaken(t); wrong != "" {
		t.Error(wrong)
	}
}

// overtaken receives an image in bursts of four pieces, of which one is slow, and says what went wrong.
func overtaken(t *testing.T) string {
	c, asked := copying(t)
	const size = 10
	burst := func(from uint64) (pieces []Image) {
		for i := range 4 {
			pieces = append(pieces, Image{Purpose: Extend, From: from, Offset: from + uint64(i*size), Data: make([]byte, size), Left: 3 - i})
		}
		return pieces
	}
	fetches := func(pieces []Image) (from []uint64) {
		for i := range pieces {
			c.stepImage(&Message{Frame: frame(wire.KindImage, c.promised, c.log.last()+100, c.log.chosen, imageBody.Append(nil, &pieces[i]))})
		}
		for _, e := range c.Ready().Send {
			var f Fetch
			if e.Frame.Kind == wire.KindFetch && fetchBody.Decode(e.Frame.Body, &f) == nil {
				from = append(from, f.Offset)
			}
		}
		return from
	}
	first := burst(0)
	fetches(first[:2])
	if n := len(asked(11)); n != 1 {
		return fmt.Sprintf("asked %d times for what is slow", n)
	}
	if got := fetches(first[2:]); len(got) != 0 {
		return fmt.Sprintf("the burst that was asked for first goes on from %d", got)
	}
	if got := fetches(burst(2 * size)); len(got) != 1 || got[0] != 6*size {
		return fmt.Sprintf("the burst that was asked for last goes on from %d", got)
	}
	return ""
}

// A copy that is complete while the replica waits for the fence of a view change asks for no second fence, and does not
// call the replica back into the view that it leaves.
func TestACopyCompletedWhileLeavingTheView(t *testing.T) {
	if wrong := completedWhileLeaving(t); wrong != "" {
		t.Error(wrong)
	}
}

// completedWhileLeaving hears of a view change and of a complete image in one turn, and says what went wrong.
func completedWhileLeaving(t *testing.T) string {
	c, _ := copying(t)
	view, op := c.promised, c.log.last()+100
	c.image = imageCopy{op: op, done: true}
	c.leave(view + 1)
	if !c.Ready().Fence {
		return "no fence for the view change"
	}
	c.Staged(c.now, op, true)
	if c.target != view+1 {
		return "the copy calls the replica back into the view that it leaves"
	}
	c.Drained(c.now, 0)
	switch {
	case c.Ready().Fence:
		return "a second fence"
	case c.status != Changing || c.promised != view+1:
		return "the view has not changed"
	}
	return ""
}
