package model

import (
	"encoding/binary"

	"github.com/anodekv/anode/paxos/wire"
)

// headers are the bytes before the body: Ethernet, IPv4 without options, UDP, and the frame's header.
const (
	ethernetBytes = 14
	ipBytes       = 20
	udpBytes      = 8
	headers       = ethernetBytes + ipBytes + udpBytes + wire.HeaderSize
)

// datagram is what the programs know of a packet.
type datagram struct {
	hardware [6]byte // where it was sent to on the link
	from, to wire.Addr
	// exact: all lengths say the same.
	exact bool
	// frame is the payload. It has a header at least.
	frame []byte
	header
}

// header is a frame's, before anything in it has been checked.
type header struct {
	version, kind   uint8
	flags, reserved uint16
	length          uint32
	wire.Header
}

const accept, accepted, probe = uint8(wire.KindAccept), uint8(wire.KindAccepted), uint8(wire.KindProbe)

func parseHeader(b []byte) header {
	le := binary.LittleEndian
	return header{
		version: b[4], kind: b[5], flags: le.Uint16(b[6:]), reserved: le.Uint16(b[50:]), length: le.Uint32(b[20:]),
		Header: wire.Header{
			Cluster: wire.ClusterID(le.Uint64(b[8:])), Group: wire.GroupID(le.Uint32(b[16:])),
			View: wire.View(le.Uint64(b[24:])), Op: wire.Op(le.Uint64(b[32:])), Chosen: wire.Op(le.Uint64(b[40:])),
			Sender: wire.ReplicaID(le.Uint16(b[48:])), Incarnation: wire.Incarnation(le.Uint32(b[52:])),
		},
	}
}

// Datagram is what the programs do with a datagram that arrives, and their answer if there is one. It is for those
// who have no packets, such as a simulator: what Ethernet and IP may do wrong, nothing has done wrong. The hardware
// address is the receiver's own.
func (m *Machine) Datagram(from, to wire.Addr, payload []byte) (v Verdict, answer []byte) {
	d := datagram{from: from, to: to, exact: true, frame: payload}
	if len(payload) < wire.HeaderSize || binary.LittleEndian.Uint32(payload) != wire.Magic {
		m.Elsewhere[ReasonForeign]++
		return Pass, nil
	}
	d.header = parseHeader(payload)
	if s := m.find(Key{to, d.Group}); s != nil {
		d.hardware = s.hardwareFor(&d)
	}
	return m.handle(&d)
}

// hardwareFor is the hardware address that the slot has in the generation that will judge the datagram.
func (s *Slot) hardwareFor(d *datagram) [6]byte {
	if d.kind == accepted {
		return s.lead[s.LeadWord.Generation()&1].Hardware
	}
	return s.follow[s.Word.Generation()&1].Hardware
}

// handle decides about a datagram, and counts it.
func (m *Machine) handle(d *datagram) (Verdict, []byte) {
	s := m.find(Key{d.to, d.Group})
	if s == nil {
		m.Elsewhere[ReasonNoSlot]++
		return Pass, nil
	}
	reason, answer := s.decide(d)
	s.Counts[reason]++
	return reason.verdict(), answer
}

func (s *Slot) decide(d *datagram) (Reason, []byte) {
	switch {
	case !d.exact || uint64(d.length) != uint64(len(d.frame)-wire.HeaderSize):
		return ReasonLength, nil
	case d.version != wire.Version || d.flags != 0 || d.reserved != 0:
		return ReasonMalformed, nil
	case d.kind == accept:
		return s.followed(d)
	case d.kind == accepted:
		return s.led(d), nil
	case d.kind == probe:
		return s.probed(d)
	}
	return ReasonOtherKind, nil
}

// identity holds a frame against the record of the generation.
func (c *Config) identity(d *datagram, key Key) Reason {
	unchecked := mistaken("unchecked-index") && d.kind == accepted
	switch {
	case d.Cluster != c.Cluster:
		return ReasonWrongCluster
	case d.hardware != c.Hardware || d.to != c.Members[c.Self].Addr || d.Group != key.Group:
		return ReasonWrongDestination
	case d.View != c.View && !mistaken("any-view") && !(mistaken("stale-counts") && d.kind == accepted):
		return ReasonWrongView
	case unchecked:
		return ReasonNone
	case int(d.Sender) >= len(c.Members) || d.Sender == c.Self:
		return ReasonWrongSender
	case d.from != c.Members[d.Sender].Addr && !mistaken("any-source"):
		return ReasonWrongSource
	case d.Incarnation != c.Members[d.Sender].Incarnation && !mistaken("any-life"):
		return ReasonWrongIncarnation
	}
	return ReasonNone
}
