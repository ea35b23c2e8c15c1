package transport

import (
	"errors"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	// MaxDatagram is the largest payload of a UDP datagram over IPv4: 65,535 bytes less the two headers.
	MaxDatagram = 65507
	// recvBatch is how many datagrams one Recv takes at most. Beyond a few dozen the saving per datagram
	// no longer shows, while each one more keeps a buffer of MaxDatagram.
	recvBatch = 32
	// sendBatch is how many datagrams one system call sends. Sending costs microseconds per datagram, so
	// that longer batches save nothing.
	sendBatch = 64
)

// Errors of a Conn besides [net.ErrClosed]. They are mistakes of the caller: what the network does to a
// datagram is counted in [Stats].
var (
	// ErrTooLarge is returned for a datagram above MaxDatagram, or above MaxStreamed where there are streams.
	// The rest of its batch was sent.
	ErrTooLarge = errors.New("transport: datagram too large")
	// ErrAddress is returned for an address that the Conn cannot reach or listen on: invalid, of the
	// other family, or with a zone. The rest of the batch was sent.
	ErrAddress = errors.New("transport: unusable address")
)

// Datagram is one datagram: received from Addr, or to be sent there.
type Datagram struct {
	Addr wire.Addr
	Data []byte
}

// Sender is the sending half of a [Conn].
type Sender interface {
	Send(batch []Datagram) error
}

// Conn sends and receives datagrams. Recv belongs to one goroutine, and Send to one at a time, which may be another; the other
// methods may be called from any.
type Conn interface {
	// Recv fills into with what has arrived and reports how many. If nothing has, it waits for the first
	// until wait has passed, and returns 0 then, or after a Wake. The data is valid until the next Recv,
	// and is the caller's to overwrite until then.
	Recv(into []Datagram, wait time.Duration) (int, error)
	// Send sends a batch in order, and does not keep it. What the network refuses is dropped and counted;
	// an error tells of the first datagram that could never be sent.
	Send(batch []Datagram) error
	// Wake makes the current Recv return, or the next one if there is none. Several calls may become one.
	Wake()
	// Local is the address that others send to.
	Local() wire.Addr
	// Stats tells what has happened so far.
	Stats() Stats
	// Close makes Recv and Send fail with [net.ErrClosed], waits until they have left, and releases the
	// address. Closing again does nothing.
	Close() error
}
