package transport

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	// memoryQueueBytes and memoryQueueDatagrams bound the receive queue of one Conn of a Network, about as a
	// socket's buffer does.
	memoryQueueBytes     = 4 << 20
	memoryQueueDatagrams = 4096
	// memoryLargeBytes bounds what of it would have come over streams, about as an inbox does.
	memoryLargeBytes = maxInboxBytes
	// firstEphemeralPort is where the search for a free port begins, as on Linux.
	firstEphemeralPort = 32768
)

// Network connects Conns inside one process: the twin of [Listen] on loopback, for tests and for embedding. It
// loses a datagram only where a queue is full or nobody listens.
type Network struct {
	mu    sync.RWMutex
	conns map[wire.Addr]*memoryConn
}

// NewNetwork returns a network that nobody listens on yet.
func NewNetwork() *Network { return &Network{conns: map[wire.Addr]*memoryConn{}} }

// Listen opens a Conn at addr; port 0 takes a free one. It fails with [ErrAddress], or with
// [syscall.EADDRINUSE] as a socket does.
func (n *Network) Listen(addr wire.Addr) (Conn, error) {
	ip := addr.Addr().Unmap()
	if !ip.IsValid() || ip.Zone() != "" {
		return nil, fmt.Errorf("listen in memory: %w: %v", ErrAddress, addr)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	local, err := n.free(netip.AddrPortFrom(ip, addr.Port()))
	if err != nil {
		return nil, fmt.Errorf("listen in memory on %v: %w", addr, err)
	}
	c := &memoryConn{net: n, local: local, bell: make(chan struct{}, 1)}
	n.conns[local] = c
	return c, nil
}

// free is the address itself, or with the first port that is free if it has none.
func (n *Network) free(addr wire.Addr) (wire.Addr, error) {
	if addr.Port() != 0 {
		if n.conns[addr] != nil {
			return addr, syscall.EADDRINUSE
		}
		return addr, nil
	}
	for port := firstEphemeralPort; port <= 65535; port++ {
		a := netip.AddrPortFrom(addr.Addr(), uint16(port))
		if n.conns[a] == nil {
			return a, nil
		}
	}
	return addr, syscall.EADDRINUSE
}

// at is the Conn that listens at addr, or nil.
func (n *Network) at(addr wire.Addr) *memoryConn {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.conns[netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())]
}

// memoryConn is a Conn of a Network. What is sent to it is copied into its queue by the sender.
type memoryConn struct {
	net      *Network
	local    wire.Addr
	counters counters
	timer    *time.Timer   // the owner's
	bell     chan struct{} // has room for one: something has changed under mu

	mu     sync.Mutex
	queue  queue
	woken  bool
	closed bool
}

func (c *memoryConn) Local() wire.Addr { return c.local }

func (c *memoryConn) Stats() Stats {
	s := c.counters.stats()
	s.RecvBufferBytes = memoryQueueBytes
	return s
}

func (c *memoryConn) Recv(into []Datagram, wait time.Duration) (int, error) {
	var deadline time.Time
	for {
		n, done, err := c.take(into, wait)
		if done || err != nil {
			return n, err
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(wait)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return 0, nil
		}
		c.sleep(left)
	}
}

// take hands out what has arrived. It is done unless the caller should wait.
func (c *memoryConn) take(into []Datagram, wait time.Duration) (n int, done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, true, c.errClosed("receive")
	}
	c.counters.recvCalls.Add(1)
	n = c.queue.pop(into[:min(len(into), recvBatch)])
	c.counters.countReceived(into[:n])
	done = n > 0 || c.woken || wait <= 0
	if done {
		c.woken = false
	}
	return n, done, nil
}

// sleep waits for the bell, which may be an old one: the caller looks again.
func (c *memoryConn) sleep(wait time.Duration) {
	if c.timer == nil {
		c.timer = time.NewTimer(wait)
	} else {
		c.timer.Reset(wait)
	}
	defer c.timer.Stop()
	c.counters.waitCalls.Add(1)
	select {
	case <-c.bell:
	case <-c.timer.C:
	}
}

func (c *memoryConn) ring() {
	select {
	case c.bell <- struct{}{}:
	default: // it rings already
	}
}

func (c *memoryConn) Send(batch []Datagram) error {
	if c.isClosed() {
		return c.errClosed("send")
	}
	c.counters.sendCalls.Add(1)
	var first error
	for i := range batch {
		if err := c.sendOne(&batch[i]); err != nil {
			c.counters.sendDrops.Add(1)
			if first == nil {
				first = fmt.Errorf("send in memory from %v: %w", c.local, err)
			}
		}
	}
	return first
}

func (c *memoryConn) sendOne(d *Datagram) error {
	if err := sendable(d, c.local.Addr().Is4(), MaxStreamed); err != nil {
		return err
	}
	c.counters.sent.Add(1)
	c.counters.sentBytes.Add(uint64(len(d.Data)))
	if to := c.net.at(d.Addr); to != nil {
		to.deliver(c.local, d.Data)
	}
	return nil
}

// deliver is called by the sender.
func (c *memoryConn) deliver(from wire.Addr, data []byte) {
	c.mu.Lock()
	taken := !c.closed && c.queue.push(from, data)
	c.mu.Unlock()
	if taken {
		c.ring()
	} else {
		c.counters.recvDrops.Add(1)
	}
}

func (c *memoryConn) Wake() {
	c.mu.Lock()
	c.woken = true
	c.mu.Unlock()
	c.ring()
}

func (c *memoryConn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		delete(c.net.conns, c.local)
		c.ring()
	}
	return nil
}

func (c *memoryConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *memoryConn) errClosed(call string) error {
	return fmt.Errorf("%s in memory on %v: %w", call, c.local, net.ErrClosed)
}
