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

// firstBuffers is for how many datagrams there is room to begin with.
const firstBuffers = 2

// mmsghdr is the system's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// receiver is what recvmmsg needs. It is not allocated again and again.
type receiver struct {
	msgs  [recvBatch]mmsghdr
	iovs  [recvBatch]unix.Iovec
	names [recvBatch]sockaddr
	// buffers are for one datagram each. There are few to begin with, and twice as many after a call that has filled all there
	// are: a client that waits for one answer at a time would keep 2 MB for nothing.
	buffers [][]byte
	// busy says that the last round found more than one datagram: more are likely to have come meanwhile.
	busy bool
	// attempt is what the poller calls when the socket may be readable; it fills into, n and err. It is made
	// once, because a new closure for every wait would be garbage.
	attempt func(uintptr) bool
	into    []Datagram
	n       int
	err     error
	// armed is the read deadline that was set last, but for those by which a sleeper is woken.
	armed time.Time
}

func (r *receiver) init(c *udpConn) {
	r.attempt = func(uintptr) bool {
		r.n, r.err = c.receive(r.into)
		return r.n > 0 || r.err != nil || c.woken.Load()
	}
	r.grow(firstBuffers)
}

// grow makes room for so many more datagrams, as far as a batch goes.
func (r *receiver) grow(more int) {
	for range min(more, recvBatch-len(r.buffers)) {
		i, b := len(r.buffers), make([]byte, recvBufferBytes)
		r.buffers = append(r.buffers, b)
		r.iovs[i].Base = &b[0]
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
	now := time.Now()
	until := now.Add(wait)
	c.sleeping.Store(true)
	defer c.sleeping.Store(false)
	for {
		if err := c.arm(now, until); err != nil {
			return 0, c.errClosed("receive")
		}
		if c.woken.Load() || c.closed.Load() {
			return c.receive(into)
		}
		n, passed, err := c.await(into)
		if n > 0 || err != nil || !passed || c.woken.Load() || c.closed.Load() {
			return n, err
		}
		c.recv.armed = time.Time{}
		if now = time.Now(); !now.Before(until) {
			return 0, nil
		}
	}
}

// arm sees to it that a wait ends by a time. A deadline that was set for an earlier wait, and ends this one too early, is left
// as it is: to set one costs as much as a tenth of a lone request, and a few useless wakes in a second do not.
func (c *udpConn) arm(now, until time.Time) error {
	if r := &c.recv; r.armed.After(until) || !r.armed.After(now) {
		r.armed = until
		return c.file.SetReadDeadline(until)
	}
	return nil
}

// await waits in the poller until something has arrived, or until the deadline has passed.
func (c *udpConn) await(into []Datagram) (n int, passed bool, err error) {
	c.counters.waitCalls.Add(1)
	r := &c.recv
	r.into, r.n, r.err = into, 0, nil
	err = c.raw.Read(r.attempt)
	r.into = nil
	passed = errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case r.n > 0 || r.err != nil:
		return r.n, false, r.err
	case passed, err == nil:
		// When the process was stopped, the poller's clock may tell first that the time has passed, and not that something
		// has arrived meanwhile. Who hears nothing then takes the others for dead.
		n, err = c.receive(into)
		return n, passed, err
	}
	return 0, false, c.errClosed("receive")
}

// receive takes what has arrived and does not wait.
func (c *udpConn) receive(into []Datagram) (int, error) {
	if c.closed.Load() {
		return 0, c.errClosed("receive")
	}
	r := &c.recv
	want := min(len(into), len(r.buffers))
	if want == 0 {
		return 0, nil
	}
	for i := range want {
		r.msgs[i].hdr.Namelen = uint32(len(r.names[i]))
	}
	c.counters.recvCalls.Add(1)
	// It does not wait, and so the scheduler need not be told of it, as with sending. It would take the processor away from a
	// call that lasts longer than 20 µs, as one of many datagrams does, and wake a thread that finds nothing to do.
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&r.msgs)),
		uintptr(want), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		r.busy = false
		return 0, c.recvError(errno)
	}
	r.busy = got > 1
	for i := range into[:got] {
		n := int(r.msgs[i].n)
		into[i] = Datagram{Addr: r.names[i].get(), Data: r.buffers[i][:n:n]}
	}
	if int(got) == len(r.buffers) {
		r.grow(len(r.buffers))
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
