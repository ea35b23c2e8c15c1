//go:build !race

// The race detector allocates where the product does not.

package paxos

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// hotPath is the way of one command through a leader and a follower: Propose, Accept, Accepted, chosen.
type hotPath struct {
	leader, follower *Core
	command          []byte
	sent             [2]Message
}

func newHotPath(t testing.TB, commandBytes int) *hotPath {
	limits := DefaultLimits()
	limits.KeepEntries = 1 << 11 // so that it is soon as long as it becomes
	g := newGroup(3, 1, DefaultTiming(), limits)
	g.carry = func(packet) {}
	g.startFormed()
	p := &hotPath{leader: g.hosts[0].core, follower: g.hosts[1].core, command: make([]byte, commandBytes)}
	echo := frame(wire.KindEcho, 0, 0, 0, echoBody.Append(nil, &Echo{}))
	echo.Sender, echo.Incarnation = 1, 1
	p.leader.Step(0, Message{Frame: echo})
	p.leader.Ready()
	for range 5000 { // until numbers are no longer small, and the log is trimmed
		p.put(t)
	}
	return p
}

func (p *hotPath) put(t testing.TB) {
	if err := p.leader.Propose(0, 1, p.command); err != nil {
		t.Fatal(err)
	}
	r := p.leader.Ready()
	p.sent[0].Frame = r.Send[0].Frame
	p.follower.Step(0, p.sent[0])
	r = p.follower.Ready()
	p.sent[1].Frame = r.Send[0].Frame
	p.leader.Step(0, p.sent[1])
	if r = p.leader.Ready(); len(r.Chosen) != 1 {
		t.Fatalf("chosen: %v", r.Chosen)
	}
}

// A command takes no memory, at the leader and at a follower, once their logs are as long as they become.
func TestHotPathAllocations(t *testing.T) {
	for _, bytes := range []int{10, 100, 1200} {
		p := newHotPath(t, bytes)
		if n := testing.AllocsPerRun(1000, func() { p.put(t) }); n != 0 {
			t.Errorf("%v allocations on the way of a command of %d bytes", n, bytes)
		}
	}
}

// Nor do reads, which go to the followers and back in a round.
func TestReadsAllocateNothing(t *testing.T) {
	p := newHotPath(t, 10)
	ticket := uint64(0)
	read := func() {
		ticket++
		if err := p.leader.Read(0, ticket, 10); err != nil {
			t.Fatal(err)
		}
		r := p.leader.Ready()
		p.sent[0].Frame = r.Send[0].Frame
		p.follower.Step(0, p.sent[0])
		r = p.follower.Ready()
		p.sent[1].Frame = r.Send[0].Frame
		p.leader.Step(0, p.sent[1])
		if r = p.leader.Ready(); len(r.Confirmed) != 1 || r.Confirmed[0] != ticket {
			t.Fatalf("confirmed: %v", r.Confirmed)
		}
	}
	if n := testing.AllocsPerRun(1000, read); n != 0 {
		t.Errorf("%v allocations on the way of a read", n)
	}
	if got := p.leader.State().Reads; got != (ReadCounts{ByRound: 10 * ticket}) {
		t.Errorf("%+v after %d tickets of 10 reads", got, ticket)
	}
}

func BenchmarkHotPath(b *testing.B) {
	p := newHotPath(b, 100)
	b.ReportAllocs()
	for b.Loop() {
		p.put(b)
	}
}
