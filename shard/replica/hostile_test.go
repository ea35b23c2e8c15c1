package replica_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

// liar makes frames that are well formed and untrue, out of bytes: of a fuzzer, or random ones. It begins with
// what was really said, and changes any part of it.
type liar struct {
	b      []byte
	bodies map[wire.Kind][][]byte
	kinds  []wire.Kind
}

// newLiar listens to a group for a while: the bodies that it hears are what it changes.
func newLiar(tb testing.TB) *liar {
	l := &liar{bodies: map[wire.Kind][][]byte{}}
	for k := range 256 {
		if wire.Kind(k).Known() {
			l.kinds = append(l.kinds, wire.Kind(k))
		}
	}
	g := newGroup(tb, wire.Keys{})
	g.tap = func(_ *member, d transport.Datagram) {
		transport.Each(d.Data, g.keys, func(f wire.Frame) {
			l.bodies[f.Kind] = append(l.bodies[f.Kind], slices.Clone(f.Body))
		})
	}
	g.put(1, "k", "v")
	g.members[0] = g.boot(0, g.members[0].disk, replica.NoFastPath{}) // the leader has lost its memory
	g.put(2, "k", "w")
	g.tap = nil
	return l
}

// on returns a liar with the same knowledge that draws from other bytes.
func (l *liar) on(b []byte) *liar { return &liar{b: b, bodies: l.bodies, kinds: l.kinds} }

// n draws a number below k. Bytes that are used up count as zero.
func (l *liar) n(k int) int {
	if len(l.b) == 0 {
		return 0
	}
	b := l.b[0]
	l.b = l.b[1:]
	return int(b) % k
}

// number changes a number: mostly by little, to one that may be a moment too early or too late.
func (l *liar) number(old uint64) uint64 {
	switch l.n(12) {
	case 0:
		return 0
	case 1, 2:
		return old + 1
	case 3:
		return old - 1
	case 4:
		return old + uint64(l.n(256))
	case 5:
		return math.MaxUint64 - uint64(l.n(4))
	case 6:
		return math.MaxInt64 - uint64(l.n(4))
	case 7:
		return 1<<32 - uint64(l.n(4))
	case 8:
		return uint64(l.n(256)) << (8 * l.n(8))
	}
	return old
}

// change changes the parts of a body.
func (l *liar) change(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && l.n(2) == 0 {
				l.change(v.Field(i))
			}
		}
	case reflect.Bool:
		v.SetBool(l.n(2) == 0)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(l.number(v.Uint()))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(l.number(uint64(v.Int()))))
	case reflect.Slice:
		l.changeSlice(v)
	}
}

func (l *liar) changeSlice(v reflect.Value) {
	n := v.Len()
	switch draw := l.n(8); {
	case draw == 0:
		v.Set(reflect.MakeSlice(v.Type(), l.n(5), 8))
	case draw == 1 && n > 0:
		v.Set(v.Slice(0, l.n(n)))
	case draw == 2 && n > 0:
		v.Set(reflect.Append(v.Slice(0, n), v.Index(l.n(n))))
	}
	if n := v.Len(); n > 0 {
		l.change(v.Index(l.n(n)))
	}
}

// body makes a body for a kind: one that was heard and changed, or any bytes.
func (l *liar) body(k wire.Kind) []byte {
	if l.n(8) == 0 {
		n := l.n(64)
		b := l.b[:min(len(l.b), n)]
		l.b = l.b[len(b):]
		return b
	}
	body := []byte{0x90} // an array without elements is a body whose fields are all zero
	if heard := l.bodies[k]; len(heard) > 0 {
		body = heard[l.n(len(heard))]
	}
	v, err := wire.DecodeBody(k, body)
	if err != nil {
		return body // of a kind that has none
	}
	l.change(reflect.ValueOf(v).Elem())
	if body = wire.AppendValue(nil, v); len(body) > wire.MaxBody {
		body = body[:wire.MaxBody]
	}
	return body
}

// frame makes a frame that a member may well believe: its numbers lie around the member's own.
func (l *liar) frame(to *member) (from wire.Addr, f wire.Frame) {
	s := to.engine.State()
	f.Kind = l.kinds[l.n(len(l.kinds))]
	f.Cluster, f.Group, f.Sender, from = theCluster, theGroup, wire.ClientSender, clientAddr
	f.View, f.Op, f.Chosen = wire.View(l.number(uint64(s.Promised))), wire.Op(l.number(uint64(s.Last))), wire.Op(l.number(uint64(s.Chosen)))
	if f.Kind < wire.KindTopology {
		f.Sender = wire.ReplicaID(l.n(members))
		from = addrOf(int(f.Sender))
		f.Incarnation = wire.Incarnation(l.number(1))
	}
	f.Body = l.body(f.Kind)
	return from, f
}

// lies tells a group without keys what the bytes say, and lets it live with it. The group may fall silent for
// good, for it believes everybody; but it must not fall over.
func lies(tb testing.TB, l *liar) {
	g := newGroup(tb, wire.Keys{})
	g.put(1, "k", "v")
	var last wire.Frame
	defer func() {
		if r := recover(); r != nil {
			tb.Fatalf("panic: %v\nthe last frame: %+v\n%s", r, last, debug.Stack())
		}
	}()
	for len(l.b) > 0 {
		to := g.members[l.n(members)]
		from, f := l.frame(to)
		last = f
		g.step(to, g.datagram(from, f, wire.Key{}))
		switch l.n(16) {
		case 0:
			g.run(300 * wire.Millisecond) // an election passes
		case 1:
			r := l.n(members)
			g.members[r] = g.boot(wire.ReplicaID(r), g.members[r].disk, replica.NoFastPath{})
		case 2, 3, 4:
			g.run(20 * wire.Millisecond)
		}
	}
	g.run(500 * wire.Millisecond)
}

// A group without keys believes liars, and does not panic.
func TestLiesBreakNoReplica(t *testing.T) {
	l := newLiar(t)
	for seed := range 40 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := make([]byte, 1500)
			rand.New(rand.NewSource(int64(seed))).Read(b)
			lies(t, l.on(b))
		})
	}
}

// Every kind of message between replicas is among those that the liar has heard and changes, or has no body:
// otherwise it would lie about nothing.
func TestLiarHasHeardTheProtocol(t *testing.T) {
	l := newLiar(t)
	for _, k := range []wire.Kind{
		wire.KindAccept, wire.KindHeartbeat, wire.KindEcho, wire.KindAsk, wire.KindAnswer, wire.KindSuspect,
		wire.KindViewChange, wire.KindNewView, wire.KindFetch, wire.KindEntries, wire.KindRecover, wire.KindRecoverReply,
	} {
		if len(l.bodies[k]) == 0 {
			t.Errorf("no %v was heard", k)
		}
	}
}

// FuzzStep feeds a replica. With keys nothing that a stranger says changes anything, neither arbitrary bytes
// nor sound frames under the wrong key. Without keys nothing makes it panic.
func FuzzStep(f *testing.F) {
	l := newLiar(f)
	f.Add([]byte(nil))
	f.Add(binary.LittleEndian.AppendUint32(nil, wire.Magic))
	for _, k := range l.kinds {
		frame := wire.Frame{Header: wire.Header{Kind: k, Cluster: theCluster, Op: 3, Incarnation: 1}}
		if heard := l.bodies[k]; len(heard) > 0 {
			frame.Body = heard[0]
		}
		b, err := frame.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for seed := range int64(20) {
		b := make([]byte, 200)
		rand.New(rand.NewSource(seed)).Read(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 1500)] // what a datagram holds; a longer lie is only a slower one
		strangers(t, b, l.on(b))
		open := newGroup(t, wire.Keys{})
		open.put(1, "k", "v")
		for r, m := range open.members {
			open.step(m, transport.Datagram{Addr: addrOf((r + 1) % members), Data: slices.Clone(b)})
		}
		open.run(20 * wire.Millisecond)
		lies(t, l.on(b[:min(len(b), 400)]))
	})
}

// strangers speaks to a member with keys, without having the right one.
func strangers(t *testing.T, b []byte, l *liar) {
	g := newGroup(t, bothKeys)
	g.put(1, "k", "v")
	at := g.members[0]
	before := at.picture()
	for i, d := range []transport.Datagram{
		{Addr: clientAddr, Data: slices.Clone(b)},
		{Addr: addrOf(1), Data: slices.Clone(b)},
		g.sealedWrongly(l.frame(at)),
	} {
		n := at.rejected()
		g.step(at, d)
		if at.picture() != before {
			t.Fatalf("datagram %d: %+v has become %+v", i, before, at.picture())
		}
		if at.rejected() != n+1 {
			t.Fatalf("datagram %d was refused %d times", i, at.rejected()-n)
		}
	}
}

// sealedWrongly seals a frame with the other one of the two keys: a client's that speaks as a replica, or a
// replica's that leaked into a client.
func (g *group) sealedWrongly(from wire.Addr, f wire.Frame) transport.Datagram {
	if f.Kind.FromReplica() {
		return g.datagram(from, f, bothKeys.Client)
	}
	return g.datagram(from, f, bothKeys.Replica)
}
