package transport

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How to wait was measured. A thread of its own in a blocking receive, or in ppoll, is as fast as anything for
// one replica in one process. But the Go scheduler does not know that the thread will block: it leaves it its
// processor until a monitor takes it away, up to 10 ms later. Twelve replicas in one process, on 2 cores, then
// did 100 to 900 commits a second and changed their leaders all the time; the same waiting in the network poller
// did ten times that. So: the poller, on a goroutine that is not tied to a thread. recvmmsg is no worse than
// recvfrom for a single datagram (12-20 µs a round trip either way, the call alone 0.5 and 0.4 µs).

// recvBufferBytes holds the largest datagram. Not a power of two, or all buffers would compete for the same
// lines of the cache.
const recvBufferBytes = 65536 + 192

// mmsghdr is the system's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// receiver is what recvmmsg needs, allocated once.
type receiver struct {
	msgs  [recvBatch]mmsghdr
	iovs  [recvBatch]unix.Iovec
	names [recvBatch]sockaddr
	// The system touches only the pages that it writes to, so that most of this is never real memory.
	buffers []byte
	// busy says that the last round found more than one datagram: more are likely to have come meanwhile.
	busy bool
	// attempt is what the poller calls when the socket may be readable; it fills into, n and err. It is made
	// once, because a new closure for every wait would be garbage.
	attempt func(uintptr) bool
	into    []Datagram
	n       int
	err     error
}

func (r *receiver) init(c *udpConn) {
	r.attempt = func(uintptr) bool {
		r.n, r.err = c.receive(r.into)
		return r.n > 0 || r.err != nil || c.woken.Load()
	}
	r.buffers = make([]byte, recvBatch*recvBufferBytes)
	for i := range r.msgs {
		r.iovs[i].Base = &r.buffers[i*recvBufferBytes]
		r.iovs[i].SetLen(recvBufferBytes)
		r.msgs[i].hdr.Name = &r.names[i][0]
		r.msgs[i].hdr.Iov = &r.iovs[i]
		r.msgs[i].hdr.SetIovlen(1)
	}
}

func (c *udpConn) Recv(into []Datagram, wait time.Duration) (int, error) {
	c.open.RLock()
	defer c.open.RUnlock()
	// A wake is answered by returning, whatever the reason for it.
	defer c.woken.Store(false)
	if wait <= 0 {
		return c.receive(into)
	}
	if c.recv.busy {
		if n, err := c.receive(into); n > 0 || err != nil {
			return n, err
		}
	}
	return c.sleep(into, wait)
}

// sleep waits until something has arrived, somebody wakes it, or the time has passed.
func (c *udpConn) sleep(into []Datagram, wait time.Duration) (int, error) {
	r := &c.recv
	if err := c.file.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return 0, c.errClosed("receive")
	}
	c.sleeping.Store(true)
	defer c.sleeping.Store(false)
	if c.woken.Load() || c.closed.Load() {
		return c.receive(into)
	}
	c.counters.waitCalls.Add(1)
	r.into, r.n, r.err = into, 0, nil
	err := c.raw.Read(r.attempt)
	r.into = nil
	passed := err == nil || errors.Is(err, os.ErrDeadlineExceeded)
	if passed && r.n == 0 && r.err == nil {
		// When the process was stopped, the poller's clock may tell first that the time has passed, and not that something
		// has arrived meanwhile. Who hears nothing then takes the others for dead.
		return c.receive(into)
	}
	if r.n > 0 || r.err != nil || passed && !c.closed.Load() {
		return r.n, r.err
	}
	return 0, c.errClosed("receive")
}

// receive takes what has arrived and does not wait.
func (c *udpConn) receive(into []Datagram) (int, error) {
	if c.closed.Load() {
		return 0, c.errClosed("receive")
	}
	r := &c.recv
	want := min(len(into), recvBatch)
	if want == 0 {
		return 0, nil
	}
	for i := range want {
		r.msgs[i].hdr.Namelen = uint32(len(r.names[i]))
	}
	c.counters.recvCalls.Add(1)
	got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&r.msgs)),
		uintptr(want), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		r.busy = false
		return 0, c.recvError(errno)
	}
	r.busy = got > 1
	for i := range into[:got] {
		start := i * recvBufferBytes
		end := start + int(r.msgs[i].n)
		into[i] = Datagram{Addr: r.names[i].get(), Data: r.buffers[start:end:end]}
	}
	c.counters.countReceived(into[:got])
	return int(got), nil
}

// recvError tells errors from "nothing has arrived", which is what a signal means, and what an ICMP message
// means that answers an earlier datagram of ours.
func (c *udpConn) recvError(errno unix.Errno) error {
	switch errno {
	case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOMEM, unix.ENOBUFS:
		return nil
	}
	return fmt.Errorf("receive on udp %v: %w", c.local, errno)
}
