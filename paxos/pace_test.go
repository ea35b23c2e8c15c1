package paxos

import (
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// accepts counts, per receiver, the Accepts that a group sends, and their bytes.
type accepts struct {
	frames [3]int
	bytes  [3]int
}

func (a *accepts) watch(g *group) {
	g.carry = func(p packet) {
		if p.frame.Kind == wire.KindAccept {
			a.frames[p.to]++
			a.bytes[p.to] += len(p.frame.Body)
		}
	}
}

// An entry of 8 MiB needs more than a hundred milliseconds on a slow network. Nothing is sent again meanwhile,
// whoever asks, and it is when it is lost.
func TestLargeEntriesAreGivenTimeToArrive(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	leader := g.hosts[0]
	var seen accepts
	seen.watch(g)
	if err := g.propose(leader, strings.Repeat("x", 8<<20)); err != nil {
		t.Fatal(err)
	}
	g.carryOut(leader)
	last := leader.core.log.last()
	const due = 8 << 20 / paceBytes // ms
	for ms := range due - 1 {
		g.now = g.now.Add(wire.Millisecond)
		g.tick(leader)
		if ms%10 == 0 {
			gap := frame(wire.KindGap, leader.core.lastNormal, last-1, last-1, nil)
			gap.Sender, gap.Incarnation = 1, g.hosts[1].core.incarnation
			g.step(leader, gap, false)
		}
	}
	if seen.frames != [3]int{0, 1, 1} {
		t.Fatalf("sent %v times", seen.frames)
	}
	for range 20 {
		g.now = g.now.Add(wire.Millisecond)
		g.tick(leader)
	}
	if seen.frames != [3]int{0, 2, 2} {
		t.Errorf("sent %v times after it was lost", seen.frames)
	}
	if leader.core.ignored[IgnoredArriving] == 0 {
		t.Error("what was asked for in vain is not counted")
	}
}

// A burst ends with the entry that fills it, and what is in flight is bounded in bytes.
func TestBurstsAndTheWindowAreBoundedInBytes(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	leader := g.hosts[0]
	var seen accepts
	seen.watch(g)
	const each = 3 << 20
	for range 12 {
		if err := g.propose(leader, strings.Repeat("x", each)); err != nil {
			t.Fatal(err)
		}
	}
	g.carryOut(leader)
	if want := (windowBytes + each - 1) / each; seen.frames[1] != want {
		t.Errorf("%d entries of %d bytes in flight, want %d", seen.frames[1], each, want)
	}
	seen = accepts{}
	core := leader.core
	core.resend(1, core.log.chosen)
	g.carryOut(leader)
	if seen.frames[1] != 1 {
		t.Errorf("a burst of %d large entries", seen.frames[1])
	}
}

// Who copies the log is sent a burst once, and the next as soon as it asks for it.
func TestCopiesAreNotSentTwiceAtATime(t *testing.T) {
	g := quietGroup(t, 3, DefaultLimits())
	core := g.hosts[0].core
	for range 4 {
		core.log.append(make([]byte, 1<<20))
	}
	sent := func() (entries []Entries) {
		for _, e := range core.Ready().Send {
			var b Entries
			if e.Frame.Kind == wire.KindEntries && entriesBody.Decode(e.Frame.Body, &b) == nil {
				entries = append(entries, b)
			}
		}
		return entries
	}
	from := core.log.last() - 4
	core.sendEntries(1, Extend, from)
	core.sendEntries(1, Extend, from)
	if e := sent(); len(e) != 1 || len(e[0].Bodies) != 1 || e[0].Left != 0 {
		t.Fatalf("%d frames", len(e))
	}
	core.sendEntries(1, Extend, from+1)
	if e := sent(); len(e) != 1 {
		t.Errorf("the next one: %d frames", len(e))
	}
	core.now = core.now.Add(wire.Second)
	core.sendEntries(1, Extend, from+1)
	if e := sent(); len(e) != 1 {
		t.Errorf("lost, and asked for again: %d frames", len(e))
	}
}
