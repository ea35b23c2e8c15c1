package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	// HeaderSize is the length of a frame's header in bytes.
	HeaderSize = 64
	// Magic opens every frame: "anod" read as bytes.
	Magic uint32 = 0x646f6e61
	// Version of the layout. A frame of another version is refused, never guessed at.
	Version uint8 = 1
	// MaxBody bounds the body of a frame in a datagram: the largest of UDP over IPv4 holds 65,507 bytes.
	MaxBody = 65507 - HeaderSize
	// MaxStreamBody bounds the body of a frame that travels alone over a stream: 8 MiB of values, and what
	// is said about them.
	MaxStreamBody = 10 << 20
)

// Offsets of the header's fields, shared with the C header (a test compares them).
const (
	offMagic       = 0
	offVersion     = 4
	offKind        = 5
	offFlags       = 6
	offCluster     = 8
	offGroup       = 16
	offLength      = 20
	offView        = 24
	offOp          = 32
	offChosen      = 40
	offSender      = 48
	offReserved    = 50
	offIncarnation = 52
	offMAC         = 56
)

// The build fails here unless the fields meet without holes, end with the header, and are naturally aligned:
// each index below must be the constant 0.
var (
	exact = [1]struct{}{}
	_     = exact[offCluster-(offFlags+2)]
	_     = exact[offGroup-(offCluster+8)]
	_     = exact[offLength-(offGroup+4)]
	_     = exact[offView-(offLength+4)]
	_     = exact[offOp-(offView+8)]
	_     = exact[offChosen-(offOp+8)]
	_     = exact[offSender-(offChosen+8)]
	_     = exact[offReserved-(offSender+2)]
	_     = exact[offIncarnation-(offReserved+2)]
	_     = exact[offMAC-(offIncarnation+4)]
	_     = exact[HeaderSize-(offMAC+8)]
	_     = exact[offCluster%8+offView%8+offOp%8+offChosen%8+offMAC%8]
	_     = exact[offGroup%4+offLength%4+offIncarnation%4+offFlags%2+offSender%2]
)

// Flags of a frame.
type Flags uint16

// FlagBroadcast asks the sender's own kernel to clone the frame to every follower. The MAC is computed
// as if it were clear, because the clones carry it cleared.
const FlagBroadcast Flags = 1 << 0

// Header is the fixed part of a frame. Fields that a kind does not use are zero.
type Header struct {
	Kind        Kind
	Flags       Flags
	Cluster     ClusterID
	Group       GroupID
	View        View
	Op          Op
	Chosen      Op
	Sender      ReplicaID
	Incarnation Incarnation
	MAC         uint64
}

// Frame is a header and its body. The body of a parsed frame points into the datagram it came from.
type Frame struct {
	Header
	Body []byte
}

// Reasons why bytes are no frame. They are the sender's or the network's fault: count them and go on.
var (
	ErrShort    = errors.New("wire: truncated frame")
	ErrMagic    = errors.New("wire: not an anode frame")
	ErrVersion  = errors.New("wire: unknown version")
	ErrKind     = errors.New("wire: unknown kind")
	ErrReserved = errors.New("wire: reserved bits are set")
	ErrTooLarge = errors.New("wire: body too large")
)

var zeroHeader [HeaderSize]byte

// Append appends the frame to dst with a MAC of zero. It returns [ErrTooLarge], and dst unchanged, when
// the body exceeds [MaxStreamBody]; one above [MaxBody] fits no datagram.
func (f *Frame) Append(dst []byte) ([]byte, error) {
	if len(f.Body) > MaxStreamBody {
		return dst, fmt.Errorf("%w: %v of %d bytes, limit %d", ErrTooLarge, f.Kind, len(f.Body), MaxStreamBody)
	}
	start := len(dst)
	dst = append(slices.Grow(dst, f.Size()), zeroHeader[:]...)
	h := dst[start:]
	le := binary.LittleEndian
	le.PutUint32(h[offMagic:], Magic)
	h[offVersion] = Version
	h[offKind] = uint8(f.Kind)
	le.PutUint16(h[offFlags:], uint16(f.Flags))
	le.PutUint64(h[offCluster:], uint64(f.Cluster))
	le.PutUint32(h[offGroup:], uint32(f.Group))
	le.PutUint32(h[offLength:], uint32(len(f.Body)))
	le.PutUint64(h[offView:], uint64(f.View))
	le.PutUint64(h[offOp:], uint64(f.Op))
	le.PutUint64(h[offChosen:], uint64(f.Chosen))
	le.PutUint16(h[offSender:], uint16(f.Sender))
	le.PutUint32(h[offIncarnation:], uint32(f.Incarnation))
	return append(dst, f.Body...), nil
}

// Size is the length of the encoded frame in bytes.
func (f *Frame) Size() int { return HeaderSize + len(f.Body) }

// Parse reads the first frame of b. It returns the frame, its raw bytes (for [Key.Verify]) and what
// follows it in b. The frame's body aliases b. In what could have been a datagram no frame is larger than one.
func Parse(b []byte) (f Frame, raw, rest []byte, err error) {
	if len(b) < HeaderSize {
		return f, nil, nil, ErrShort
	}
	le := binary.LittleEndian
	if le.Uint32(b[offMagic:]) != Magic {
		return f, nil, nil, ErrMagic
	}
	if b[offVersion] != Version {
		return f, nil, nil, ErrVersion
	}
	length := le.Uint32(b[offLength:])
	if length > MaxStreamBody || length > MaxBody && len(b) <= HeaderSize+MaxBody {
		return f, nil, nil, ErrTooLarge
	}
	size := HeaderSize + int(length)
	if len(b) < size {
		return f, nil, nil, ErrShort
	}
	f.Kind = Kind(b[offKind])
	if !f.Kind.Known() {
		return f, nil, nil, ErrKind
	}
	f.Flags = Flags(le.Uint16(b[offFlags:]))
	if f.Flags&^FlagBroadcast != 0 || le.Uint16(b[offReserved:]) != 0 {
		return f, nil, nil, ErrReserved
	}
	f.Cluster = ClusterID(le.Uint64(b[offCluster:]))
	f.Group = GroupID(le.Uint32(b[offGroup:]))
	f.View = View(le.Uint64(b[offView:]))
	f.Op = Op(le.Uint64(b[offOp:]))
	f.Chosen = Op(le.Uint64(b[offChosen:]))
	f.Sender = ReplicaID(le.Uint16(b[offSender:]))
	f.Incarnation = Incarnation(le.Uint32(b[offIncarnation:]))
	f.MAC = le.Uint64(b[offMAC:])
	f.Body = b[HeaderSize:size:size]
	return f, b[:size:size], b[size:], nil
}
