package transport

import "sync/atomic"

// Stats are a Conn's counters since it was opened.
type Stats struct {
	Received, ReceivedBytes uint64
	Sent, SentBytes         uint64
	// RecvDrops counts datagrams lost because this Conn's receive queue was full.
	RecvDrops uint64
	// SendDrops counts datagrams that the system did not take: buffers full, no route, a firewall.
	SendDrops uint64
	// RecvCalls, SendCalls and WaitCalls count system calls; in memory, where there are none, calls that
	// would have been one.
	RecvCalls, SendCalls, WaitCalls uint64
	// RecvBufferBytes and SendBufferBytes are the buffers that were granted, which may be less than asked for.
	RecvBufferBytes, SendBufferBytes int
	// Stream tells about the streams alone; the counts above include it.
	Stream StreamStats
}

// StreamStats are the counters of a Conn's streams.
type StreamStats struct {
	// Open counts the connections that there are, QueuedBytes what waits to be sent.
	Open, QueuedBytes int
	// Dialed and Accepted count connections that we and that others have opened.
	Dialed, Accepted        uint64
	Sent, SentBytes         uint64
	Received, ReceivedBytes uint64
	// SendDrops counts what found no room in a queue, was in it already, or could not be delivered.
	SendDrops uint64
	// DialErrors counts addresses that could not be reached.
	DialErrors uint64
	// Refused counts connections that did not speak as they should, Expired those that were too slow, and
	// Evicted those that made room for others.
	Refused, Expired, Evicted uint64
}

// streamCounters are written by many goroutines.
type streamCounters struct {
	dialed, accepted, dialErrors atomic.Uint64
	sent, sentBytes, sendDrops   atomic.Uint64
	refused, expired, evicted    atomic.Uint64
}

func (c *streamCounters) stats() StreamStats {
	return StreamStats{
		Dialed: c.dialed.Load(), Accepted: c.accepted.Load(), DialErrors: c.dialErrors.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(), SendDrops: c.sendDrops.Load(),
		Refused: c.refused.Load(), Expired: c.expired.Load(), Evicted: c.evicted.Load(),
	}
}

// counters are written by the goroutine that owns the Conn and read by any.
type counters struct {
	received, receivedBytes         atomic.Uint64
	sent, sentBytes                 atomic.Uint64
	recvDrops, sendDrops            atomic.Uint64
	recvCalls, sendCalls, waitCalls atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(),
		Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(),
		RecvDrops: c.recvDrops.Load(), SendDrops: c.sendDrops.Load(),
		RecvCalls: c.recvCalls.Load(), SendCalls: c.sendCalls.Load(), WaitCalls: c.waitCalls.Load(),
	}
}

// countSent counts a batch that was taken.
func (c *counters) countSent(batch []Datagram) {
	bytes := 0
	for i := range batch {
		bytes += len(batch[i].Data)
	}
	c.sent.Add(uint64(len(batch)))
	c.sentBytes.Add(uint64(bytes))
}

// countReceived counts a batch that is handed out.
func (c *counters) countReceived(batch []Datagram) {
	bytes := 0
	for i := range batch {
		bytes += len(batch[i].Data)
	}
	c.received.Add(uint64(len(batch)))
	c.receivedBytes.Add(uint64(bytes))
}
