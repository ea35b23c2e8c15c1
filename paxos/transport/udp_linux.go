package transport

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/paxos/wire"
)

// udpConn is a Conn on a socket whose batches are read and written by system calls of our own. It waits
// through Go's network poller.
type udpConn struct {
	fd    int      // the socket
	file  *os.File // the same, as the poller knows it
	raw   syscall.RawConn
	local wire.Addr

	// open is held for reading while the descriptor is in use. Close takes it for writing before it closes
	// it, so that no call meets a descriptor that has become another file.
	open   sync.RWMutex
	closed atomic.Bool

	// A sleeper sets sleeping, then its deadline if need be, then looks at woken; Wake sets woken, then looks at
	// sleeping and moves the deadline into the past. One of them sees the other, so that no wake is lost
	// and a busy owner costs Wake next to nothing. A deadline that comes too early, such as one by which an earlier wait
	// was ended late, makes the sleeper set another.
	sleeping atomic.Bool
	woken    atomic.Bool

	counters counters
	recv     receiver
	send     sender
}

// ListenUDP opens a socket at addr, IPv4 or IPv6; port 0 takes a free one. The port is not shared. It fails
// with [ErrAddress], or with the system's error.
func ListenUDP(addr wire.Addr, o Options) (Conn, error) {
	c := &udpConn{fd: -1}
	if err := c.listen(addr, o); err != nil {
		_ = c.closeFile() // why it could not be opened is the better reason
		return nil, fmt.Errorf("listen on udp %v: %w", addr, err)
	}
	c.recv.init(c)
	c.send.init()
	return c, nil
}

func (c *udpConn) listen(addr wire.Addr, o Options) (err error) {
	sa, family, err := bindAddr(addr)
	if err != nil {
		return err
	}
	c.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := c.configure(family, o); err != nil {
		return err
	}
	if err := unix.Bind(c.fd, sa); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	c.send.v6 = family == unix.AF_INET6
	if c.local, err = localAddr(c.fd); err != nil {
		return err
	}
	c.file = os.NewFile(uintptr(c.fd), "udp "+c.local.String())
	c.raw, err = c.file.SyscallConn()
	return err
}

func (c *udpConn) configure(family int, o Options) error {
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	if err := setBuffer(c.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, bufferBytes(o.RecvBufferBytes)); err != nil {
		return fmt.Errorf("receive buffer: %w", err)
	}
	if err := setBuffer(c.fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, bufferBytes(o.SendBufferBytes)); err != nil {
		return fmt.Errorf("send buffer: %w", err)
	}
	return nil
}

// setBuffer asks for more than the system's limit first, which takes CAP_NET_ADMIN.
func setBuffer(fd, force, plain, bytes int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bytes) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, bytes)
}

func (c *udpConn) Local() wire.Addr { return c.local }

func (c *udpConn) Wake() {
	if !c.woken.Load() && !c.woken.Swap(true) && c.sleeping.Load() {
		c.ring()
	}
}

// ring ends the wait of a sleeper.
func (c *udpConn) ring() {
	_ = c.file.SetReadDeadline(longAgo) // it fails only where the file is closed, and then nobody sleeps
}

// longAgo, as a deadline, has always passed.
var longAgo = time.Unix(1, 0)

func (c *udpConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.ring()
	c.open.Lock()
	defer c.open.Unlock()
	return c.closeFile()
}

func (c *udpConn) closeFile() (err error) {
	switch {
	case c.file != nil:
		err = c.file.Close()
	case c.fd >= 0:
		err = unix.Close(c.fd)
	}
	c.fd = -1
	if err != nil {
		return fmt.Errorf("close udp %v: %w", c.local, err)
	}
	return nil
}

// errClosed says which call came too late.
func (c *udpConn) errClosed(call string) error {
	return fmt.Errorf("%s on udp %v: %w", call, c.local, net.ErrClosed)
}

func (c *udpConn) Stats() Stats {
	s := c.counters.stats()
	c.open.RLock()
	defer c.open.RUnlock()
	if c.fd >= 0 {
		s.RecvDrops = socketDrops(c.fd)
		s.RecvBufferBytes = grantedBuffer(c.fd, unix.SO_RCVBUF)
		s.SendBufferBytes = grantedBuffer(c.fd, unix.SO_SNDBUF)
	}
	return s
}

// grantedBuffer is the size of a socket buffer. The system doubles what it is asked for, to have room for its
// bookkeeping, and reports the double.
func grantedBuffer(fd, option int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	if err != nil {
		return 0
	}
	return n / 2
}
