package model

import (
	"encoding/binary"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	udpAt    = ethernetBytes + ipBytes
	frameAt  = udpAt + udpBytes
	udpProto = 17
)

var be = binary.BigEndian

// Ingress is what the programs do with a packet that arrives, from its Ethernet header on, and the packet that goes
// back if one does.
func (m *Machine) Ingress(packet []byte) (Verdict, []byte) {
	d, reason := parsePacket(packet)
	if reason != ReasonNone {
		m.Elsewhere[reason]++
		return Pass, nil
	}
	v, answer := m.handle(&d)
	if answer == nil {
		return v, nil
	}
	return v, answerPacket(packet, answer)
}

// parsePacket reads the headers, as far as the programs look before they know the slot.
func parsePacket(p []byte) (d datagram, reason Reason) {
	switch {
	case len(p) < headers:
		return d, ReasonForeign
	case be.Uint16(p[12:]) != 0x0800 || p[14]>>4 != 4 || p[23] != udpProto:
		return d, ReasonForeign
	case p[14]&15 != ipBytes/4:
		return d, ReasonOptions
	case be.Uint16(p[20:])&0x3fff != 0 && !mistaken("fragments"):
		return d, ReasonFragment
	case binary.LittleEndian.Uint32(p[frameAt:]) != wire.Magic:
		return d, ReasonForeign
	}
	d = datagram{
		hardware: [6]byte(p[:6]),
		from:     endpoint(p[26:], p[udpAt:]),
		to:       endpoint(p[30:], p[udpAt+2:]),
		exact:    int(be.Uint16(p[16:])) == len(p)-ethernetBytes && int(be.Uint16(p[udpAt+4:])) == len(p)-udpAt,
		frame:    p[frameAt:],
		header:   parseHeader(p[frameAt:]),
	}
	return d, ReasonNone
}

// endpoint reads an address. The binary form of a wire.Addr has its port in the other order.
func endpoint(ip, port []byte) (a wire.Addr) {
	if err := a.UnmarshalBinary([]byte{ip[0], ip[1], ip[2], ip[3], port[1], port[0]}); err != nil {
		panic(err) // six bytes are an IPv4 endpoint
	}
	return a
}

// answerPacket sends a frame back where a packet came from.
func answerPacket(in, frame []byte) []byte {
	p := make([]byte, headers)
	copy(p[0:6], in[6:12])
	copy(p[6:12], in[0:6])
	copy(p[12:14], in[12:14])

	ip := p[ethernetBytes:]
	ip[0], ip[1] = 0x45, in[15]
	be.PutUint16(ip[2:], headers-ethernetBytes)
	copy(ip[4:6], in[18:20])
	be.PutUint16(ip[6:], 0x4000)
	ip[8], ip[9] = 64, udpProto
	copy(ip[12:16], in[30:34])
	copy(ip[16:20], in[26:30])
	be.PutUint16(ip[10:], ^fold(sum(ip[:ipBytes])))

	udp := p[udpAt:]
	copy(udp[0:2], in[udpAt+2:])
	copy(udp[2:4], in[udpAt:])
	be.PutUint16(udp[4:], headers-udpAt)
	copy(udp[8:], frame)
	be.PutUint16(udp[6:], neverZero(^fold(sum(udp)+sum(ip[12:20])+udpProto+headers-udpAt)))
	return p
}

// sum adds the 16-bit words of an even number of bytes.
func sum(b []byte) (n uint32) {
	for i := 0; i < len(b); i += 2 {
		n += uint32(be.Uint16(b[i:]))
	}
	return n
}

func fold(n uint32) uint16 {
	for n>>16 != 0 {
		n = n&0xffff + n>>16
	}
	return uint16(n)
}

// neverZero writes a checksum of UDP so that it does not mean "none".
func neverZero(check uint16) uint16 {
	if check == 0 {
		return 0xffff
	}
	return check
}
