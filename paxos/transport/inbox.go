package transport

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// turnBytes bounds what one Recv hands out of an inbox, unless a single one is larger, so that small datagrams
// and the time are not kept waiting for long.
const turnBytes = 1 << 20

// inbox holds what streams have brought until the owner takes it, and bounds the memory that this takes. A
// frame's room is reserved before it is read: a reader that finds none waits, and with it, in the end, whoever
// sends.
//
// Invariant: taken is the sum of hosts, at most maxInboxBytes, each of them at most half of that.
type inbox struct {
	wake            func()
	received, bytes atomic.Uint64
	// some is the length of items, to be read without the lock.
	some atomic.Int32

	mu    sync.Mutex
	items []Datagram
	taken int
	hosts map[netip.Addr]int
	freed chan struct{} // closed when there is more room
}

func newInbox(wake func()) *inbox {
	return &inbox{wake: wake, hosts: map[netip.Addr]int{}, freed: make(chan struct{})}
}

// reserve waits for room for n bytes from a host, and reports false if there was none in time.
func (b *inbox) reserve(ctx context.Context, host netip.Addr, n int, limit time.Time) bool {
	freed, ok := b.tryReserve(host, n)
	if ok {
		return true
	}
	timer := time.NewTimer(time.Until(limit))
	defer timer.Stop()
	for {
		select {
		case <-freed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
		if freed, ok = b.tryReserve(host, n); ok {
			return true
		}
	}
}

func (b *inbox) tryReserve(host netip.Addr, n int) (freed <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken+n > maxInboxBytes || b.hosts[host]+n > maxInboxBytes/2 {
		return b.freed, false
	}
	b.taken += n
	b.hosts[host] += n
	return nil, true
}

// release gives room back.
func (b *inbox) release(host netip.Addr, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free(host, n)
}

func (b *inbox) free(host netip.Addr, n int) {
	b.taken -= n
	if b.hosts[host] -= n; b.hosts[host] == 0 {
		delete(b.hosts, host)
	}
	close(b.freed)
	b.freed = make(chan struct{})
}

// push adds what has been received, for which there is room.
func (b *inbox) push(d Datagram) {
	b.mu.Lock()
	b.items = append(b.items, d)
	b.some.Add(1)
	b.mu.Unlock()
	b.wake()
}

// pop hands out what has come, in order, and its room with it.
func (b *inbox) pop(into []Datagram) (n int) {
	if b.some.Load() == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for size := 0; n < min(len(into), len(b.items)); n++ {
		d := b.items[n]
		if size += len(d.Data); n > 0 && size > turnBytes {
			break
		}
		into[n] = d
		b.items[n] = Datagram{}
		b.free(d.Addr.Addr(), len(d.Data))
		b.bytes.Add(uint64(len(d.Data)))
	}
	b.received.Add(uint64(n))
	b.some.Add(int32(-n))
	b.items = append(b.items[:0], b.items[n:]...)
	return n
}

func (b *inbox) counts() (received, bytes uint64) { return b.received.Load(), b.bytes.Load() }
