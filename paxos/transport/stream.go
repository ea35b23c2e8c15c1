package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// A connection opens with a greeting of the side that opened it:
//
//	0         4    5      8            24     26      32
//	| "anst"  |ver | zero | IPv6 addr. | port | zero  |
//
// It is the address that the opener's datagrams come from; IPv4 stands in its mapped form. The address must
// be the one that the connection comes from, so that nobody speaks for another machine. From then on both
// sides send frames: four bytes of length, and as many bytes. All numbers are little-endian.
const (
	greetingBytes   = 32
	greetingVersion = 1
	lengthBytes     = 4
	// stepBytes is what must arrive in one step of the patience, and by how much more than has arrived memory
	// is taken for the rest.
	stepBytes = 128 << 10
)

var greetingMagic = [4]byte{'a', 'n', 's', 't'}

// Why a connection is closed from here.
var (
	errGreeting = errors.New("transport: not a greeting")
	errLength   = errors.New("transport: a length out of bounds")
	errSlow     = errors.New("transport: too slow")
	errIdle     = errors.New("transport: idle")
)

// stream is one connection. Its reader is the goroutine that serves it; its writer is the one that drains the
// queue of its peer.
type stream struct {
	s    *streams
	conn net.Conn
	host netip.Addr // who opened it, if it was not us
	// usedAt is when something was last sent or received on it, in nanoseconds.
	usedAt atomic.Int64

	// peer and addr are set under mu before anything is read but the greeting.
	peer *peer
	addr wire.Addr
}

func newStream(s *streams, conn net.Conn) *stream {
	c := &stream{s: s, conn: conn}
	c.used()
	return c
}

func (c *stream) used() { c.usedAt.Store(time.Now().UnixNano()) }

// greet says who we are.
func (c *stream) greet() error {
	local, _ := c.conn.LocalAddr().(*net.TCPAddr)
	var b [greetingBytes]byte
	copy(b[:], greetingMagic[:])
	b[4] = greetingVersion
	ip := local.AddrPort().Addr().As16()
	copy(b[8:], ip[:])
	binary.LittleEndian.PutUint16(b[24:], c.s.local.Port())
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.s.patience.greet)) // fails only where the write does
	_, err := c.conn.Write(b[:])
	return err
}

// greeted reads who has opened the connection.
func (c *stream) greeted() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.s.patience.greet)) // fails only where the read does
	var b [greetingBytes]byte
	if _, err := io.ReadFull(c.conn, b[:]); err != nil {
		return slow(err)
	}
	ip, port := netip.AddrFrom16([16]byte(b[8:24])).Unmap(), binary.LittleEndian.Uint16(b[24:])
	if [4]byte(b[:]) != greetingMagic || b[4] != greetingVersion || ip != c.host || port == 0 {
		return errGreeting
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if _, open := c.s.open[c]; !open || !c.s.attach(c, netip.AddrPortFrom(ip, port)) {
		return net.ErrClosed
	}
	return nil
}

// serve reads until the connection ends, and says why it did.
func (c *stream) serve() {
	defer c.s.drop(c)
	err := error(nil)
	if c.host.IsValid() {
		err = c.greeted()
	}
	for err == nil {
		err = c.receive()
	}
	switch {
	case errors.Is(err, errGreeting), errors.Is(err, errLength):
		c.s.counters.refused.Add(1)
	case errors.Is(err, errSlow):
		c.s.counters.expired.Add(1)
	}
}

// receive reads one frame and passes it on.
func (c *stream) receive() error {
	n, err := c.length()
	if err != nil {
		return err
	}
	limit := time.Now().Add(c.s.patience.frame)
	host := c.addr.Addr()
	if !c.s.inbox.reserve(c.s.ctx, host, n, limit) {
		return errSlow // it is us, in truth: the owner does not take what has come
	}
	data, err := c.body(n, limit)
	if err != nil {
		c.s.inbox.release(host, n)
		return err
	}
	c.used()
	c.s.inbox.push(Datagram{c.addr, data})
	return nil
}

// length waits for a frame, as long as the connection is used in either direction.
func (c *stream) length() (int, error) {
	idle := c.s.patience.idle
	if c.host.IsValid() {
		idle *= 2
	}
	var b [lengthBytes]byte
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(idle)) // fails only where the read does
		read, err := io.ReadFull(c.conn, b[:])
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case read > 0:
			return 0, errSlow
		case time.Since(time.Unix(0, c.usedAt.Load())) >= idle:
			return 0, errIdle
		default:
			continue
		}
		n := binary.LittleEndian.Uint32(b[:])
		if n == 0 || n > MaxStreamed {
			return 0, fmt.Errorf("%w: %d", errLength, n)
		}
		return int(n), nil
	}
}

// body reads n bytes. Memory grows with what has arrived, and not with what was announced.
func (c *stream) body(n int, limit time.Time) ([]byte, error) {
	buf := make([]byte, 0, min(n, stepBytes))
	for len(buf) < n {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(n, 2*cap(buf)))
			copy(grown, buf)
			buf = grown
		}
		deadline := time.Now().Add(c.s.patience.step)
		if limit.Before(deadline) {
			deadline = limit
		}
		_ = c.conn.SetReadDeadline(deadline) // fails only where the read does
		end := min(len(buf)+stepBytes, cap(buf))
		if _, err := io.ReadFull(c.conn, buf[len(buf):end]); err != nil {
			return nil, slow(err)
		}
		buf = buf[:end]
		c.used()
	}
	return buf, nil
}

// slow tells what came too late from other errors.
func slow(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow
	}
	return err
}

// write sends one frame.
func (c *stream) write(data []byte) error {
	var length [lengthBytes]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(data)))
	c.used()
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.s.patience.frame)) // fails only where the write does
	both := net.Buffers{length[:], data}
	_, err := both.WriteTo(c.conn)
	c.used()
	return err
}
