package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	// MaxStreamed is the largest datagram of a Conn with streams: the largest frame.
	MaxStreamed = wire.HeaderSize + wire.MaxStreamBody
	// streamAboveBytes is up to what size datagrams are sent as datagrams unless the options say more. A larger
	// one is in many fragments, which are lost together, and few of them fill a socket's buffer.
	streamAboveBytes = 16 << 10
	// portTries bounds the search for a port that is free for datagrams and for streams.
	portTries = 32
)

// Listen opens a socket at addr as [ListenUDP] does, and takes streams at the same address and port. Its Conn
// carries datagrams of up to [MaxStreamed] bytes: the large ones travel over streams, and arrive like the
// others, with the address that their sender's small ones come from. They keep no order among the small ones.
func Listen(addr wire.Addr, o Options) (Conn, error) { return listen(addr, o, defaultPatience) }

func listen(addr wire.Addr, o Options, p streamPatience) (Conn, error) {
	for try := 1; ; try++ {
		c, err := listenBoth(addr, o, p)
		if err == nil {
			return c, nil
		}
		if addr.Port() != 0 || try == portTries || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
}

func listenBoth(addr wire.Addr, o Options, p streamPatience) (*dualConn, error) {
	udp, err := ListenUDP(addr, o)
	if err != nil {
		return nil, err
	}
	s, err := listenStreams(udp.Local(), udp.Wake, p)
	if err != nil {
		_ = udp.Close() // the other error says more
		return nil, err
	}
	limit := min(max(o.DatagramBytes, streamAboveBytes), MaxDatagram)
	return &dualConn{Conn: udp, limit: limit, streams: s}, nil
}

// dualConn is a Conn on a UDP socket and on streams. What comes over a stream wakes the owner, who waits at
// the socket.
type dualConn struct {
	Conn
	limit   int // larger ones take a stream
	streams *streams
}

func (c *dualConn) Recv(into []Datagram, wait time.Duration) (int, error) {
	n := c.streams.inbox.pop(into)
	if n > 0 {
		wait = 0
	}
	m, err := c.Conn.Recv(into[n:], wait)
	if err != nil {
		return 0, err
	}
	if n+m == 0 {
		n = c.streams.inbox.pop(into)
	}
	return n + m, nil
}

func (c *dualConn) Send(batch []Datagram) error {
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	begin := 0
	var large parcel
	for i := range batch {
		if len(batch[i].Data) <= c.limit {
			continue
		}
		if begin < i {
			note(c.Conn.Send(batch[begin:i]))
		}
		begin = i + 1
		note(c.sendLarge(&batch[i], &large))
	}
	note(c.Conn.Send(batch[begin:]))
	return first
}

// sendLarge hands one datagram to the streams. A broadcast is the same bytes several times; they are copied once.
func (c *dualConn) sendLarge(d *Datagram, last *parcel) error {
	local := c.Local().Addr()
	if err := sendable(d, local.Is4(), MaxStreamed); err != nil {
		c.streams.counters.sendDrops.Add(1)
		return fmt.Errorf("send on a stream of %v: %w", c.Local(), err)
	}
	if !last.of(d.Data) {
		*last = parcel{source: d.Data}
	}
	return c.streams.send(netip.AddrPortFrom(d.Addr.Addr().Unmap(), d.Addr.Port()), last)
}

// sendable says what no network could do with a datagram.
func sendable(d *Datagram, v4 bool, limit int) error {
	if len(d.Data) > limit {
		return fmt.Errorf("%w: %d bytes to %v, limit %d", ErrTooLarge, len(d.Data), d.Addr, limit)
	}
	ip := d.Addr.Addr().Unmap()
	if !ip.IsValid() || ip.Is4() != v4 || ip.Zone() != "" || d.Addr.Port() == 0 {
		return fmt.Errorf("%w: %v", ErrAddress, d.Addr)
	}
	return nil
}

func (c *dualConn) Stats() Stats {
	s := c.Conn.Stats()
	s.Stream = c.streams.stats()
	s.Sent += s.Stream.Sent
	s.SentBytes += s.Stream.SentBytes
	s.SendDrops += s.Stream.SendDrops
	s.Received += s.Stream.Received
	s.ReceivedBytes += s.Stream.ReceivedBytes
	return s
}

func (c *dualConn) Close() error {
	c.streams.close()
	return c.Conn.Close()
}
