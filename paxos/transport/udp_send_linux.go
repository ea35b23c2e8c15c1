package transport

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender is what sendmmsg needs, allocated once.
type sender struct {
	msgs  [sendBatch]mmsghdr
	iovs  [sendBatch]unix.Iovec
	names [sendBatch]sockaddr
	v6    bool
}

// nothing stands for the bytes of an empty datagram.
var nothing [1]byte

func (s *sender) init() {
	for i := range s.msgs {
		s.msgs[i].hdr.Name = &s.names[i][0]
		s.msgs[i].hdr.Iov = &s.iovs[i]
		s.msgs[i].hdr.SetIovlen(1)
	}
}

func (c *udpConn) Send(batch []Datagram) error {
	c.open.RLock()
	defer c.open.RUnlock()
	if c.closed.Load() {
		return c.errClosed("send")
	}
	var first error
	for len(batch) > 0 {
		n, err := c.sendSome(batch)
		c.counters.countSent(batch[:n])
		batch = batch[n:]
		if err == nil {
			continue
		}
		batch = batch[1:] // the one that failed
		c.counters.sendDrops.Add(1)
		if first == nil && !dropped(err) {
			first = fmt.Errorf("send on udp %v: %w", c.local, err)
		}
	}
	return first
}

// sendSome sends datagrams from the front of the batch, with one system call. An error is that of the first
// datagram it did not send.
func (c *udpConn) sendSome(batch []Datagram) (int, error) {
	ready, err := c.prepare(batch[:min(len(batch), sendBatch)])
	if ready == 0 {
		return 0, err
	}
	for {
		sent, errno := c.transmit(ready)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, errno
		case sent < ready:
			return sent, nil // the next call tells why
		}
		return sent, err
	}
}

// prepare writes the headers of datagrams until one cannot be sent, and reports how many can.
func (c *udpConn) prepare(batch []Datagram) (int, error) {
	s := &c.send
	for i := range batch {
		d := &batch[i]
		if len(d.Data) > MaxDatagram {
			return i, fmt.Errorf("%w: %d bytes to %v, limit %d", ErrTooLarge, len(d.Data), d.Addr, MaxDatagram)
		}
		length, err := s.names[i].set(d.Addr, s.v6)
		if err != nil {
			return i, err
		}
		s.msgs[i].hdr.Namelen = length
		s.iovs[i].Base = &nothing[0]
		if len(d.Data) > 0 {
			s.iovs[i].Base = &d.Data[0]
		}
		s.iovs[i].SetLen(len(d.Data))
	}
	return len(batch), nil
}

// transmit hands n prepared datagrams to the system. A single one goes by sendto, which is cheaper.
func (c *udpConn) transmit(n int) (int, unix.Errno) {
	s := &c.send
	c.counters.sendCalls.Add(1)
	if n > 1 {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&s.msgs)),
			uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		return int(sent), errno
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(s.iovs[0].Base)),
		uintptr(s.iovs[0].Len), unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&s.names[0])), uintptr(s.msgs[0].hdr.Namelen))
	return 1, errno
}

// dropped reports whether an error is the network's doing, which is counted and not returned: the datagram
// might as well have been lost on its way.
func dropped(err error) bool {
	errno, ok := errors.AsType[unix.Errno](err)
	if !ok {
		return false
	}
	switch errno {
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, // no room
		unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, // nobody there
		unix.EPERM, unix.EACCES, // a firewall
		unix.EINVAL,   // an address that cannot be reached from the one we are bound to
		unix.EMSGSIZE: // above the MTU of a path that does not fragment
		return true
	}
	return false
}
