package hostile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/anodekv/anode/paxos/wire"
)

// Packet is one packet of the attack.
type Packet struct {
	// Kind names what is wrong with it.
	Kind  string
	Bytes []byte
	// Answer is the frame that may answer it: to an entry that the follower holds, or to a probe, as they came and in
	// packets to the follower. It is nil for everything else.
	Answer []byte
	// Again says that it is an acknowledgement that the leader knows, as it came: it may be thrown away.
	Again bool
}

// Attacker draws packets, the same for the same seed. None of them may change anything.
type Attacker struct {
	rng     *rand.Rand
	genuine [][]byte
	caught  [][]byte
	drawn   int
}

// New returns an attacker.
func New(seed uint64) *Attacker {
	return &Attacker{rng: rand.New(rand.NewPCG(seed, 0)), genuine: Genuine(), caught: Caught()}
}

type attack struct {
	kind string
	draw func(*Attacker) []byte
}

// attacks are everything but replays. What is drawn is random in what may be random, and right in all else.
var attacks = []attack{
	{"forged", (*Attacker).forged},
	{"altered", (*Attacker).altered},
	{"misaddressed", (*Attacker).misaddressed},
	{"stale view", (*Attacker).staleView},
	{"stale incarnation", (*Attacker).staleIncarnation},
	{"unknown member", (*Attacker).unknownMember},
	{"wrong source", (*Attacker).wrongSource},
	{"another group", (*Attacker).anotherGroup},
	{"another kind", (*Attacker).anotherKind},
	{"out of range", (*Attacker).outOfRange},
	{"oversized", (*Attacker).oversized},
	{"truncated", (*Attacker).truncated},
	{"extended", (*Attacker).extended},
	{"fragmented", (*Attacker).fragmented},
	{"reflected", (*Attacker).reflected},
	{"noise", (*Attacker).noise},
}

// Kinds are the names of all kinds of packets that Next draws.
func Kinds() []string {
	kinds := []string{"replay"}
	for _, a := range attacks {
		kinds = append(kinds, a.kind)
	}
	return kinds
}

// Next draws a packet. All kinds come in turn.
func (a *Attacker) Next() Packet {
	i := a.drawn % (len(attacks) + 1)
	a.drawn++
	if i == len(attacks) {
		return a.replay()
	}
	return Packet{Kind: attacks[i].kind, Bytes: attacks[i].draw(a)}
}

// heads tosses a coin.
func (a *Attacker) heads() bool { return a.rng.IntN(2) == 0 }

func pick[T any](a *Attacker, from []T) T { return from[a.rng.IntN(len(from))] }

// some is a packet that was sent, now and then one that has not arrived.
func (a *Attacker) some() []byte {
	if a.heads() {
		return bytes.Clone(pick(a, a.caught))
	}
	return bytes.Clone(pick(a, a.genuine))
}

// frame is one that would be taken if it came from whom it says it comes from.
func (a *Attacker) frame() (f wire.Frame, to wire.ReplicaID) {
	if a.rng.IntN(4) == 0 {
		return Probe(a.rng.Uint64()), Follower
	}
	return a.frameOfOp()
}

// frameOfOp is a frame that names an op.
func (a *Attacker) frameOfOp() (f wire.Frame, to wire.ReplicaID) {
	if a.heads() {
		return Accept(Base + 1 + wire.Op(a.rng.IntN(int(Held-Base)+1))), Follower
	}
	from := 1 + wire.ReplicaID(a.rng.IntN(Members-1))
	return Accepted(from, Base+1+wire.Op(a.rng.IntN(int(Last-Base)))), Leader
}

// wrap sends a frame from the address of the member that it names, where there is one.
func (a *Attacker) wrap(f wire.Frame, to wire.ReplicaID) []byte {
	return Wrap(Addr(f.Sender%Members), Addr(to), Seal(f))
}

// forged is right but for the code: none, chance, one under another key, or that of another frame.
func (a *Attacker) forged() []byte {
	f, to := a.frame()
	b := Seal(f)
	right := binary.LittleEndian.Uint64(b[56:])
	var code uint64
	switch a.rng.IntN(5) {
	case 0:
	case 1:
		code = a.rng.Uint64()
	case 2:
		b = seal(f, otherKey)
		code = binary.LittleEndian.Uint64(b[56:])
	case 3:
		code = binary.LittleEndian.Uint64(a.some()[frameAt+56:])
	case 4:
		code = right ^ 1<<a.rng.IntN(64)
	}
	if code == right {
		code++
	}
	binary.LittleEndian.PutUint64(b[56:], code)
	return Wrap(Addr(f.Sender), Addr(to), b)
}

// altered has some bits of the frame or the body turned.
func (a *Attacker) altered() []byte {
	p := a.some()
	at := frameAt + a.rng.IntN(len(p)-frameAt)
	p[at] ^= byte(1 + a.rng.IntN(255))
	if a.heads() {
		Mend(p)
	}
	return p
}

// checked are the bytes before the frame on which it depends whether a packet is taken. All others are no business of the
// programs: IP's and UDP's checksums say less than the frame's code.
var checked = []int{0, 1, 2, 3, 4, 5, 12, 13, 14, 16, 17, 23, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39}

// misaddressed has one of those bytes changed.
func (a *Attacker) misaddressed() []byte {
	p := a.some()
	p[pick(a, checked)] ^= byte(1 + a.rng.IntN(255))
	return p
}

func (a *Attacker) staleView() []byte {
	f, to := a.frame()
	f.View = pick(a, []wire.View{View - 1, View - 2, View - 1<<32, View + 1, View + 1<<32, 0, wire.View(a.rng.Uint64())})
	if f.View == View {
		f.View--
	}
	return a.wrap(f, to)
}

func (a *Attacker) staleIncarnation() []byte {
	f, to := a.frame()
	by := pick(a, []wire.Incarnation{1, 2, 9, ^wire.Incarnation(0), 1 + wire.Incarnation(a.rng.Uint32()>>1)})
	f.Incarnation -= by
	return a.wrap(f, to)
}

// unknownMember is nobody's, or of a member who has no such thing to say: an entry of a follower, or what the receiver says
// to itself.
func (a *Attacker) unknownMember() []byte {
	f, to := a.frame()
	from := f.Sender
	f.Sender = pick(a, []wire.ReplicaID{Members, Members + 1, 8, 9, 15, 16, 255, 256, 0xffff, to})
	if to == Follower && a.heads() {
		f.Sender = 2 + wire.ReplicaID(a.rng.IntN(Members-2))
	}
	if int(f.Sender) < Members && a.heads() {
		f.Incarnation, from = Incarnation(f.Sender), f.Sender
	}
	return Wrap(Addr(from), Addr(to), Seal(f))
}

// wrongSource comes from another address or port than its sender has, be it another member's.
func (a *Attacker) wrongSource() []byte {
	f, to := a.frame()
	from := Addr(f.Sender)
	if a.heads() {
		from = Addr((f.Sender + 1 + wire.ReplicaID(a.rng.IntN(Members+3))) % (Members + 4))
	} else {
		from = wireAddr(from, from.Port()+1+uint16(a.rng.IntN(65000)))
	}
	return Wrap(from, Addr(to), Seal(f))
}

func (a *Attacker) anotherGroup() []byte {
	f, to := a.frame()
	if a.heads() {
		f.Cluster ^= 1 << a.rng.IntN(64)
	} else {
		f.Group ^= 1 << a.rng.IntN(32)
	}
	return a.wrap(f, to)
}

// anotherKind is of a kind, version or with flags that are not for the programs.
func (a *Attacker) anotherKind() []byte {
	f, to := a.frame()
	b := Seal(f)
	switch a.rng.IntN(4) {
	case 0:
		if b[5] = 3 + byte(a.rng.IntN(253)); b[5] == byte(wire.KindProbe) {
			b[5] = byte(wire.KindSign)
		}
	case 1:
		b[4] += 1 + byte(a.rng.IntN(255))
	case 2:
		b[6] = 1 + byte(a.rng.IntN(255)) // the code does not cover the flag of the broadcast
	case 3:
		b[50] = 1 + byte(a.rng.IntN(255))
	}
	wire.NewKey(Key).Seal(b)
	return Wrap(Addr(f.Sender), Addr(to), b)
}

// outOfRange is a probe with an op, or has an op that does not fit the word, is of another epoch, or that nobody is waiting for.
func (a *Attacker) outOfRange() []byte {
	if a.rng.IntN(4) == 0 {
		f := Probe(a.rng.Uint64())
		f.Op = 1 + wire.Op(a.rng.Uint64()>>1)
		return a.wrap(f, Follower)
	}
	f, to := a.frameOfOp()
	beyond := Held + 2
	if to == Leader {
		beyond = Last + 1
	}
	here := f.Op
	f.Op = pick(a, []wire.Op{0, Base, beyond, beyond + wire.Op(a.rng.IntN(1000)), Base + 1<<44, Base + 1<<44 + here - Base, 1 << 63,
		1<<63 | here, ^wire.Op(0), beyond + wire.Op(a.rng.Uint64()>>1), here - Base, here + Base, here - 1<<44, 1 + wire.Op(a.rng.IntN(100))})
	return a.wrap(f, to)
}

// oversized has a body that the fast path does not carry, or an acknowledgement that has one at all.
func (a *Attacker) oversized() []byte {
	f, to := a.frame()
	size := 1 + a.rng.IntN(200)
	if to == Follower {
		size += maxBody
	}
	f.Body = make([]byte, size)
	return a.wrap(f, to)
}

// shortest is what an IP header takes: the system hands the programs nothing shorter.
const shortest = udpAt

// truncated ends early. Headers may say so, the frame's too.
func (a *Attacker) truncated() []byte {
	p := a.some()
	p = p[:shortest+a.rng.IntN(len(p)-shortest)]
	if a.heads() {
		Mend(p)
	}
	if len(p) >= bodyAt && a.heads() {
		binary.LittleEndian.PutUint32(p[frameAt+20:], uint32(len(p)-bodyAt))
	}
	return p
}

// extended has something behind it. Headers may say so, the frame's too.
func (a *Attacker) extended() []byte {
	p := append(a.some(), make([]byte, 1+a.rng.IntN(100))...)
	if a.heads() {
		Mend(p)
	}
	if a.heads() {
		binary.LittleEndian.PutUint32(p[frameAt+20:], uint32(len(p)-bodyAt))
	}
	return p
}

// fragmented is a first, a middle or a last part of a larger datagram, or has options.
func (a *Attacker) fragmented() []byte {
	p := a.some()
	switch a.rng.IntN(3) {
	case 0:
		p[ipAt+6] |= 0x20 // more are to come
	case 1:
		binary.BigEndian.PutUint16(p[ipAt+6:], 1+uint16(a.rng.IntN(1<<13-1))) // not the first
	case 2:
		p[ipAt] = 0x46 + byte(a.rng.IntN(10))
	}
	return p
}

// reflected goes back to whom it came from, or to the other replica.
func (a *Attacker) reflected() []byte {
	p := a.some()
	to := Leader
	if p[frameAt+5] == byte(wire.KindAccepted) {
		to = Follower
	}
	from := Addr(pick(a, []wire.ReplicaID{Leader, Follower, 2}))
	return Wrap(from, Addr(to), p[frameAt:])
}

// noise is chance, at the ports of the group or not.
func (a *Attacker) noise() []byte {
	b := make([]byte, a.rng.IntN(1500))
	for i := range b {
		b[i] = byte(a.rng.Uint32())
	}
	if len(b) > 64 && a.heads() {
		binary.LittleEndian.PutUint32(b, wire.Magic)
	}
	p := Wrap(Addr(Leader), Addr(Follower), b)
	if a.heads() {
		for i := range p {
			p[i] = byte(a.rng.Uint32())
		}
	}
	return p
}

// replay is a frame that was taken before, to whom it was sent before. What is around it the attacker chooses, as far as
// it is not checked.
func (a *Attacker) replay() Packet {
	p := bytes.Clone(pick(a, a.genuine))
	r := Packet{Kind: "replay", Bytes: p}
	if a.heads() {
		for i := 6; i < 12; i++ { // whose hardware sent it
			p[i] = byte(a.rng.Uint32())
		}
		p[ipAt+1], p[ipAt+4], p[ipAt+5], p[ipAt+8] = byte(a.rng.Uint32()), byte(a.rng.Uint32()), byte(a.rng.Uint32()), byte(a.rng.Uint32())
		Mend(p)
	}
	switch le := binary.LittleEndian; wire.Kind(p[frameAt+5]) {
	case wire.KindAccepted:
		r.Again = true
	case wire.KindProbe:
		r.Answer = Seal(Sign(le.Uint64(p[chosenAt:])))
	default:
		r.Answer = Seal(Accepted(Follower, wire.Op(le.Uint64(p[opAt:]))))
	}
	return r
}
