package model

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// Egress is what the programs do with a packet that leaves: the packets that leave in its place. The last of them
// is the packet itself.
func (m *Machine) Egress(packet []byte) [][]byte {
	d, reason := parsePacket(packet)
	if reason != ReasonNone || d.flags != uint16(wire.FlagBroadcast) {
		return [][]byte{packet}
	}
	s := m.find(Key{d.from, d.Group})
	if s == nil {
		m.Elsewhere[ReasonNoSlot]++
		return [][]byte{packet}
	}
	c := &s.lead[s.LeadWord.Generation()&1]
	if reason = s.checkOwn(&d, c); reason != ReasonNone {
		s.Counts[reason]++
		return [][]byte{packet}
	}
	return s.spread(packet, c)
}

func (s *Slot) checkOwn(d *datagram, c *Config) Reason {
	switch {
	case !d.exact || uint64(d.length) != uint64(len(d.frame)-wire.HeaderSize):
		return ReasonLength
	case !s.LeadWord.armed():
		return ReasonFenced
	case d.Sender != c.Self:
		return ReasonWrongSender
	case d.from != c.Members[c.Self].Addr:
		return ReasonWrongSource
	case d.Cluster != c.Cluster:
		return ReasonWrongCluster
	case d.View != c.View:
		return ReasonWrongView
	case d.kind != accept:
		return ReasonOtherKind
	}
	return ReasonNone
}

// spread makes one copy for each member whose hardware address is known.
func (s *Slot) spread(packet []byte, c *Config) (out [][]byte) {
	var missing int
	for i := range c.Members {
		switch {
		case i == int(c.Self):
		case s.Neighbours[i] == nil:
			missing++
		default:
			out = append(out, headedFor(packet, c.Members[i].Addr, *s.Neighbours[i]))
		}
	}
	if len(out) == 0 {
		s.Counts[ReasonNoNeighbour]++
		return [][]byte{packet}
	}
	s.Counts[ReasonNoNeighbour] += uint64(missing)
	s.Counts[ReasonCloned] += uint64(len(out) - 1)
	s.Counts[ReasonBroadcast]++
	return out
}

// headedFor is the packet without its flag, addressed to a member. Checksums are changed by differences: what was
// wrong stays wrong, and a missing one stays missing.
func headedFor(packet []byte, to wire.Addr, hardware Hardware) []byte {
	p := slices.Clone(packet)
	var d differences
	d.put(p[frameAt+6:], []byte{0, 0})
	d.put(p[udpAt+2:], be.AppendUint16(nil, to.Port()))
	ports := d
	ip := to.Addr().As4()
	d.put(p[30:], ip[:])
	copy(p, hardware[:])
	be.PutUint16(p[24:], ^fold(uint32(^be.Uint16(p[24:]))+d.n-ports.n))
	if check := be.Uint16(p[udpAt+6:]); check != 0 {
		be.PutUint16(p[udpAt+6:], neverZero(^fold(uint32(^check)+d.n)))
	}
	return p
}

// differences sums what changes in a checksummed text.
type differences struct{ n uint32 }

func (d *differences) put(at, with []byte) {
	for i := 0; i < len(with); i += 2 {
		d.n += uint32(be.Uint16(with[i:])) + uint32(^be.Uint16(at[i:]))
	}
	copy(at, with)
}

// Broadcast is Egress for those who have no packets: the members to which a frame with the broadcast flag goes, and
// what is sent to each. Without a slot that leads it goes nowhere.
func (m *Machine) Broadcast(from wire.Addr, payload []byte) (to []wire.Addr, frame []byte) {
	if len(payload) < wire.HeaderSize {
		return nil, nil
	}
	d := datagram{from: from, exact: true, frame: payload, header: parseHeader(payload)}
	s := m.find(Key{from, d.Group})
	if s == nil || d.flags != uint16(wire.FlagBroadcast) {
		return nil, nil
	}
	c := &s.lead[s.LeadWord.Generation()&1]
	if reason := s.checkOwn(&d, c); reason != ReasonNone {
		s.Counts[reason]++
		return nil, nil
	}
	for i, member := range c.Members {
		if i != int(c.Self) {
			to = append(to, member.Addr)
		}
	}
	s.Counts[ReasonBroadcast]++
	frame = slices.Clone(payload)
	frame[6], frame[7] = 0, 0
	return to, frame
}
