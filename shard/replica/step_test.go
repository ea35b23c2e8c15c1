package replica_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

// Three members agree on what one client has written, which says that the harness is alive.
func TestGroupAgrees(t *testing.T) {
	g := newGroup(t, bothKeys)
	g.put(1, "k", "v")
	for _, m := range g.members {
		if m.picture().hash != g.members[0].picture().hash || m.engine.State().Applied == 0 {
			t.Errorf("%v: %v at op %d", m.addr, m.picture(), m.engine.State().Applied)
		}
	}
}

// traffic records the datagrams that come to one member while a client writes.
func traffic(g *group, at *member) (seen []transport.Datagram) {
	g.tap = func(to *member, d transport.Datagram) {
		if to == at {
			seen = append(seen, transport.Datagram{Addr: d.Addr, Data: slices.Clone(d.Data)})
		}
	}
	g.put(3, "other", "value")
	g.tap = nil
	return seen
}

// Every byte of a real datagram matters: with any one of them changed, or cut anywhere, it is refused, counted
// and forgotten.
func TestDamagedDatagramsChangeNothing(t *testing.T) {
	g := newGroup(t, bothKeys)
	g.put(1, "k", "v")
	at := g.members[1]
	seen := traffic(g, at)
	if len(seen) < 3 {
		t.Fatalf("only %d datagrams to damage", len(seen))
	}
	before := at.picture()
	refuse := func(what string, d transport.Datagram) {
		t.Helper()
		n := at.rejected()
		g.step(at, d)
		if at.picture() != before {
			t.Fatalf("%s: %+v has become %+v", what, before, at.picture())
		}
		if at.rejected() != n+1 {
			t.Errorf("%s: counted %d times", what, at.rejected()-n)
		}
	}
	for _, d := range seen {
		for i := range d.Data {
			damaged := slices.Clone(d.Data)
			damaged[i] ^= 0x40
			refuse(fmt.Sprintf("byte %d flipped", i), transport.Datagram{Addr: d.Addr, Data: damaged})
		}
		f, _, rest, err := wire.Parse(d.Data)
		if err != nil {
			t.Fatal(err)
		}
		for n := range f.Size() {
			refuse(fmt.Sprintf("cut to %d bytes", n), transport.Datagram{Addr: d.Addr, Data: slices.Clone(d.Data[:n])})
		}
		if len(rest) == 0 {
			refuse("from elsewhere", transport.Datagram{Addr: clientAddr, Data: slices.Clone(d.Data)})
		}
	}
}

// Parts of a datagram before the damage are good, what follows it is not looked at.
func TestFramesBeforeTheDamageCount(t *testing.T) {
	g := newGroup(t, bothKeys)
	at := g.leader()
	d := g.datagram(clientAddr, g.client(wire.KindResolve, nil), bothKeys.Client)
	d.Data = append(append(d.Data, 0), d.Data...)
	before := at.replica.Counters()
	g.step(at, d)
	after := at.replica.Counters()
	if after.FramesIn != before.FramesIn+1 || after.BadFrames[transport.RejectMagic] != before.BadFrames[transport.RejectMagic]+1 {
		t.Errorf("%+v after %+v", after, before)
	}
}

// Copies of what has been said change nothing, in whatever order they come.
func TestDuplicatesChangeNothing(t *testing.T) {
	g := newGroup(t, bothKeys)
	g.put(1, "k", "v")
	at := g.members[1]
	seen := traffic(g, at)
	before := at.picture()
	r := rand.New(rand.NewSource(1))
	for range 20 {
		r.Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
		for _, d := range seen {
			g.step(at, transport.Datagram{Addr: d.Addr, Data: slices.Clone(d.Data)})
		}
	}
	if at.picture() != before {
		t.Errorf("%+v has become %+v", before, at.picture())
	}
	for _, m := range g.members {
		m.inbox = nil
	}
	g.put(9, "k", "after all that")
}

// A client may say what it likes about itself: a request that is no request is answered or ignored, and the
// largest one breaks nothing.
func TestOversizedRequestsAreRefused(t *testing.T) {
	g := newGroup(t, bothKeys)
	g.put(1, "k", "v")
	at := g.leader()
	before := at.picture()
	for kind := range 256 {
		k := wire.Kind(kind)
		if !k.Known() || !k.FromClient() {
			continue
		}
		for _, n := range []int{0, 1, 100, wire.MaxBody} {
			body := make([]byte, n)
			for i := range body {
				body[i] = 0x93 // arrays of three, and never an end
			}
			g.step(at, g.datagram(clientAddr, g.client(k, body), bothKeys.Client))
		}
	}
	if at.picture() != before {
		t.Errorf("%+v has become %+v", before, at.picture())
	}
	g.put(2, "k", "after all that")
}
