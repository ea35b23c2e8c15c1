package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// Bounds of the streams of one Conn.
const (
	// maxStreams bounds the open connections, maxStreamsPerHost those that one address has opened to us: a
	// machine with many clients. Beyond them, the one that has been still for longest makes room.
	maxStreams        = 256
	maxStreamsPerHost = 64
	// maxPeers bounds the addresses to which something waits to be sent, or that have a connection.
	maxPeers = 2 * maxStreams
	// maxPeerBytes bounds what waits to be sent to one address: two of the largest. Whoever has not taken them
	// does not gain by a third.
	maxPeerBytes = 2 * MaxStreamed
	// maxQueuedBytes bounds what waits to be sent in all: one of the largest to each of the other replicas.
	maxQueuedBytes = wire.MaxReplicas * MaxStreamed
	// maxInboxBytes bounds what is being received, or is received and not yet handed out: and one address has
	// no more than half of it.
	maxInboxBytes = 6 * MaxStreamed
	// acceptPause is how long no connection is taken after one could not be, for lack of descriptors.
	acceptPause = 10 * time.Millisecond
)

// streamPatience is how long a connection is waited for. The defaults are generous: a connection that is
// closed costs its peer a new one, and the protocols repeat what was lost.
type streamPatience struct {
	dial  time.Duration // until it is open
	greet time.Duration // until its opener has said who it is
	step  time.Duration // for stepBytes of a frame
	frame time.Duration // for a whole frame, in either direction
	// idle is how long the side that opened it keeps a connection of which nothing comes. The other side
	// waits twice as long, so that hardly anything is sent into one that is being closed.
	idle time.Duration
}

var defaultPatience = streamPatience{
	dial: 2 * time.Second, greet: 2 * time.Second, step: 2 * time.Second, frame: 10 * time.Second, idle: 30 * time.Second,
}

// streams carries what is too large for datagrams, to any address and from any, over connections that are
// opened when there is something to send and are used in both directions. Nothing here ever makes the owner wait.
//
//	owner ─ Send ─► peer's queue ─► drain: connect, write ─►  stream  ─► read ─► inbox ─ Recv ─► owner
//	                (bounded)       (a goroutine while there              (budget)
//	                                 is something to write)
type streams struct {
	local    wire.Addr
	listener *net.TCPListener
	patience streamPatience
	inbox    *inbox
	counters streamCounters
	ctx      context.Context // ends when the Conn is closed
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	peers  map[wire.Addr]*peer
	open   map[*stream]struct{}
	hosts  map[netip.Addr]int // open connections by who opened them; our own are not in it
	queued int                // bytes, in all queues
}

// listenStreams takes streams at an address. wake is called when something has come.
func listenStreams(local wire.Addr, wake func(), p streamPatience) (*streams, error) {
	l, err := net.ListenTCP("tcp"+family(local.Addr()), net.TCPAddrFromAddrPort(local))
	if err != nil {
		return nil, fmt.Errorf("listen for streams: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &streams{
		local: local, listener: l, patience: p, inbox: newInbox(wake), ctx: ctx, cancel: cancel,
		peers: map[wire.Addr]*peer{}, open: map[*stream]struct{}{}, hosts: map[netip.Addr]int{},
	}
	s.wg.Go(s.accept)
	return s, nil
}

func family(ip netip.Addr) string {
	if ip.Unmap().Is4() {
		return "4"
	}
	return "6"
}

func (s *streams) accept() {
	for {
		conn, err := s.listener.AcceptTCP()
		switch {
		case err == nil:
			s.admit(conn)
		case s.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			select {
			case <-time.After(acceptPause):
			case <-s.ctx.Done():
			}
		}
	}
}

// admit takes a connection that somebody has opened. Who it is, it has yet to say.
func (s *streams) admit(conn *net.TCPConn) {
	s.counters.accepted.Add(1)
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok { // it is gone already
		_ = conn.Close()
		return
	}
	c := newStream(s, conn)
	c.host = remote.AddrPort().Addr().Unmap().WithZone("")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[c.host] >= maxStreamsPerHost {
		s.evict(func(other *stream) bool { return other.host == c.host })
	}
	if s.enter(c) {
		s.wg.Go(c.serve)
	}
}

// enter makes a connection one of ours, unless all is over. It is called with mu held.
func (s *streams) enter(c *stream) bool {
	if s.closed {
		_ = c.conn.Close()
		return false
	}
	if len(s.open) >= maxStreams {
		s.evict(func(*stream) bool { return true })
	}
	s.open[c] = struct{}{}
	if c.host.IsValid() {
		s.hosts[c.host]++
	}
	return true
}

// evict closes the one that has been still for longest, of some. It is called with mu held.
func (s *streams) evict(of func(*stream) bool) {
	var oldest *stream
	for c := range s.open {
		if of(c) && (oldest == nil || c.usedAt.Load() < oldest.usedAt.Load()) {
			oldest = c
		}
	}
	if oldest != nil {
		s.counters.evicted.Add(1)
		s.leave(oldest)
	}
}

// drop closes a connection.
func (s *streams) drop(c *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(c)
}

// leave closes a connection and forgets it. It is called with mu held, as often as anybody likes.
func (s *streams) leave(c *stream) {
	if _, ours := s.open[c]; !ours {
		return
	}
	_ = c.conn.Close() // what was not sent is lost, and repeated
	delete(s.open, c)
	if c.host.IsValid() {
		if s.hosts[c.host]--; s.hosts[c.host] == 0 {
			delete(s.hosts, c.host)
		}
	}
	if p := c.peer; p != nil && p.conn == c {
		p.conn = nil
		s.tidy(p)
	}
}

// attach lets a connection carry what is sent to an address, from now on: the newest one, because an older one
// may be a former life's. It is called with mu held, and reports false when there are too many addresses.
func (s *streams) attach(c *stream, addr wire.Addr) bool {
	p := s.peer(addr)
	if p == nil {
		return false
	}
	c.peer, c.addr, p.conn = p, addr, c
	return true
}

// peer returns what is known of an address, or nil when too many are known already. It is called with mu held.
func (s *streams) peer(addr wire.Addr) *peer {
	p := s.peers[addr]
	if p == nil && len(s.peers) < maxPeers {
		p = &peer{addr: addr}
		s.peers[addr] = p
	}
	return p
}

// tidy forgets an address of which nothing is left. It is called with mu held.
func (s *streams) tidy(p *peer) {
	if p.conn == nil && !p.busy && len(p.queue) == 0 && s.peers[p.addr] == p {
		delete(s.peers, p.addr)
	}
}

// close ends all connections and waits until nobody is at work on them.
func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	s.cancel()
	_ = s.listener.Close()
	for c := range s.open {
		s.leave(c)
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *streams) stats() StreamStats {
	out := s.counters.stats()
	out.Received, out.ReceivedBytes = s.inbox.counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Open, out.QueuedBytes = len(s.open), s.queued
	return out
}
