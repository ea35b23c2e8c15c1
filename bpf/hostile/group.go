package hostile

import (
	"encoding/binary"
	"net/netip"

	"github.com/anodekv/anode/paxos/wire"
)

// The group under attack: five replicas, of which 0 leads and 1 follows. The follower holds the ops up to Held, the
// leader has sent those up to Last. It lives in a later epoch than the first: its ops count from Base.
const (
	Members  = 5
	Leader   = wire.ReplicaID(0)
	Follower = wire.ReplicaID(1)
	Held     = Base + 6
	Last     = Base + 9

	Cluster = wire.ClusterID(0xc1)
	Group   = wire.GroupID(7)
	View    = wire.View(1<<32 | 5)
	// Base is that of the view's epoch; a test compares it.
	Base = wire.Op(1) << 48

	// maxBody is the largest body of the fast path; a test compares it.
	maxBody = 1400
)

// Key is the group's, otherKey somebody else's.
var (
	Key      = [wire.KeySize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	otherKey = [wire.KeySize]byte{16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
)

// Addr is where a member is: on loopback, so that a test needs no network.
func Addr(r wire.ReplicaID) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + r)}), 7100)
}

// Incarnation is a member's present life.
func Incarnation(r wire.ReplicaID) wire.Incarnation { return 10 + wire.Incarnation(r) }

// Accept is the leader's frame of an op.
func Accept(op wire.Op) wire.Frame {
	body := make([]byte, 8*int(op-Base))
	for i := range body {
		body[i] = byte(op)
	}
	return wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Cluster: Cluster, Group: Group, View: View, Op: op, Chosen: op - 1,
		Sender: Leader, Incarnation: Incarnation(Leader)}, Body: body}
}

// Accepted is a member's acknowledgement.
func Accepted(from wire.ReplicaID, op wire.Op) wire.Frame {
	return wire.Frame{Header: wire.Header{Kind: wire.KindAccepted, Cluster: Cluster, Group: Group, View: View, Op: op,
		Sender: from, Incarnation: Incarnation(from)}}
}

// Probe is the leader's question whether it is followed.
func Probe(nonce uint64) wire.Frame {
	return wire.Frame{Header: wire.Header{Kind: wire.KindProbe, Cluster: Cluster, Group: Group, View: View, Chosen: wire.Op(nonce),
		Sender: Leader, Incarnation: Incarnation(Leader)}}
}

// Sign is the follower's answer to a probe.
func Sign(nonce uint64) wire.Frame {
	return wire.Frame{Header: wire.Header{Kind: wire.KindSign, Cluster: Cluster, Group: Group, View: View, Chosen: wire.Op(nonce),
		Sender: Follower, Incarnation: Incarnation(Follower)}}
}

// Seal encodes a frame with a right code.
func Seal(f wire.Frame) []byte { return seal(f, Key) }

func seal(f wire.Frame, key [wire.KeySize]byte) []byte {
	b, err := f.Append(nil)
	if err != nil {
		panic(err) // no body here is that large
	}
	wire.NewKey(key).Seal(b)
	return b
}

// Genuine is what was sent to both replicas before the attack, as packets. It makes the follower hold the ops up to
// Held, and the leader know acknowledgements of three members, who have not all acknowledged the same.
func Genuine() (all [][]byte) {
	for op := Base + 1; op <= Held; op++ {
		all = append(all, Wrap(Addr(Leader), Addr(Follower), Seal(Accept(op))))
	}
	all = append(all, Wrap(Addr(Leader), Addr(Follower), Seal(Probe(1))))
	for _, a := range acknowledged {
		all = append(all, Wrap(Addr(a.from), Addr(Leader), Seal(Accepted(a.from, a.op))))
	}
	return all
}

var acknowledged = []struct {
	from wire.ReplicaID
	op   wire.Op
}{{1, Base + 6}, {2, Base + 3}, {2, Base + 4}, {3, Base + 2}}

// Caught are packets that were sent too and have not arrived: taken as they are, each would change something.
func Caught() [][]byte {
	return [][]byte{
		Wrap(Addr(Leader), Addr(Follower), Seal(Accept(Held+1))),
		Wrap(Addr(3), Addr(Leader), Seal(Accepted(3, Base+8))),
		Wrap(Addr(4), Addr(Leader), Seal(Accepted(4, Last))),
	}
}

const (
	ethernetBytes = 14
	ipAt          = ethernetBytes
	udpAt         = ipAt + 20
	frameAt       = udpAt + 8
	opAt          = frameAt + 32
	chosenAt      = frameAt + 40
	bodyAt        = frameAt + wire.HeaderSize
)

// Wrap puts a payload into UDP, IPv4 and Ethernet, with the hardware addresses of a loopback.
func Wrap(from, to wire.Addr, payload []byte) []byte {
	p := make([]byte, frameAt, frameAt+len(payload))
	binary.BigEndian.PutUint16(p[12:], 0x0800)
	p[ipAt], p[ipAt+8], p[ipAt+9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(p[ipAt+4:], 0x1234)
	src, dst := from.Addr().As4(), to.Addr().As4()
	copy(p[ipAt+12:], src[:])
	copy(p[ipAt+16:], dst[:])
	binary.BigEndian.PutUint16(p[udpAt:], from.Port())
	binary.BigEndian.PutUint16(p[udpAt+2:], to.Port())
	p = append(p, payload...)
	Mend(p)
	return p
}

// Mend makes the lengths and checksums of IP and UDP fit the packet again.
func Mend(p []byte) {
	be := binary.BigEndian
	be.PutUint16(p[ipAt+2:], uint16(len(p)-ipAt))
	be.PutUint16(p[ipAt+10:], 0)
	be.PutUint16(p[ipAt+10:], ^fold(sum(p[ipAt:udpAt])))
	if len(p) < frameAt {
		return // there is no UDP header
	}
	length := len(p) - udpAt
	be.PutUint16(p[udpAt+4:], uint16(length))
	be.PutUint16(p[udpAt+6:], 0)
	check := ^fold(sum(p[udpAt:]) + sum(p[ipAt+12:udpAt]) + 17 + uint32(length))
	if check == 0 {
		check = 0xffff
	}
	be.PutUint16(p[udpAt+6:], check)
}

func sum(b []byte) (n uint32) {
	for i := range b {
		n += uint32(b[i]) << (8 * (1 - i&1))
	}
	return n
}

func fold(n uint32) uint16 {
	for n>>16 != 0 {
		n = n&0xffff + n>>16
	}
	return uint16(n)
}

func wireAddr(a wire.Addr, port uint16) wire.Addr { return netip.AddrPortFrom(a.Addr(), port) }
