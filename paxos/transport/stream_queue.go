package transport

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// peer is an address that something is sent to, or that has a connection to us.
//
// Invariant: bytes is the sum of the queue's lengths, at most maxPeerBytes; busy while a goroutine drains it.
type peer struct {
	addr  wire.Addr
	conn  *stream // on which to send, or nil
	queue [][]byte
	bytes int
	busy  bool
}

// parcel is a datagram that is sent, perhaps several times: source is the caller's, data the copy.
type parcel struct {
	source []byte
	data   []byte
}

// of reports whether the parcel is made from the very same bytes.
func (p *parcel) of(data []byte) bool {
	return len(p.source) == len(data) && len(data) > 0 && &p.source[0] == &data[0]
}

// send queues a datagram for an address. What finds no room is dropped and counted; so is a copy of what waits
// already, because a request that is repeated must not be a burden.
func (s *streams) send(to wire.Addr, large *parcel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("send on a stream of %v: %w", s.local, net.ErrClosed)
	}
	p := s.peer(to)
	if p == nil {
		s.counters.sendDrops.Add(1)
		return nil
	}
	defer s.tidy(p)
	n := len(large.source)
	if p.bytes+n > maxPeerBytes || s.queued+n > maxQueuedBytes || p.holds(large.source) {
		s.counters.sendDrops.Add(1)
		return nil
	}
	if large.data == nil {
		large.data = bytes.Clone(large.source)
	}
	p.queue = append(p.queue, large.data)
	p.bytes += n
	s.queued += n
	if !p.busy {
		p.busy = true
		s.wg.Go(func() { s.drain(p) })
	}
	return nil
}

// holds reports whether the same bytes wait already.
func (p *peer) holds(data []byte) bool {
	return slices.ContainsFunc(p.queue, func(waits []byte) bool { return bytes.Equal(waits, data) })
}

// drain sends what is queued for an address until nothing is left.
func (s *streams) drain(p *peer) {
	for {
		data, c := s.front(p)
		if data == nil {
			return
		}
		fresh := c == nil
		if fresh {
			if c = s.dial(p.addr); c == nil {
				s.abandon(p)
				continue
			}
		}
		switch err := c.write(data); {
		case err == nil:
			s.sent(p)
		case fresh:
			s.drop(c)
			s.abandon(p)
		default: // an old connection, whose other end may be gone: another one will tell
			s.drop(c)
		}
	}
}

// front is what is to be sent next, and on which connection. With nothing to send the draining ends.
func (s *streams) front(p *peer) ([]byte, *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p.queue) == 0 || s.closed {
		p.busy = false
		s.tidy(p)
		return nil, nil
	}
	return p.queue[0], p.conn
}

// sent takes the front off the queue.
func (s *streams) sent(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(p.queue[0])
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.bytes -= n
	s.queued -= n
	s.counters.sent.Add(1)
	s.counters.sentBytes.Add(uint64(n))
}

// abandon drops all that waits for an address that cannot be reached.
func (s *streams) abandon(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters.sendDrops.Add(uint64(len(p.queue)))
	s.queued -= p.bytes
	p.queue, p.bytes = nil, 0
}

// dial opens a connection to an address, or returns nil.
func (s *streams) dial(to wire.Addr) *stream {
	d := net.Dialer{Timeout: s.patience.dial}
	if !s.local.Addr().IsUnspecified() { // the other end is to see the address that our datagrams come from
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.local.Addr(), 0))
	}
	conn, err := d.DialContext(s.ctx, "tcp"+family(to.Addr()), to.String())
	if err != nil {
		s.counters.dialErrors.Add(1)
		return nil
	}
	c := newStream(s, conn)
	if err := c.greet(); err != nil {
		s.counters.dialErrors.Add(1)
		_ = conn.Close()
		return nil
	}
	s.counters.dialed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enter(c) {
		return nil
	}
	if !s.attach(c, to) {
		s.leave(c)
		return nil
	}
	s.wg.Go(c.serve)
	return c
}
