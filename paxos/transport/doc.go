// Package transport carries datagrams between processes, and frames in datagrams.
//
// A [Conn] sends and receives datagrams in batches. [Listen] opens one on a socket, [Network.Listen] one
// inside the process; both keep the same promises, which is little: a datagram arrives whole or not at all,
// and it may get lost. Everything above is built for that.
//
// What does not fit a datagram of the network travels over a stream, which nobody above sees: connections are
// opened when they are needed, reused in both directions, and closed when they rest. They are one more way for
// datagrams to arrive, and to be lost: everything that waits is bounded, and what exceeds a bound is dropped.
// [ListenUDP] opens a socket without streams.
//
// One goroutine owns a Conn's Recv and Send, as it owns the core that it drives; any other may call Wake to
// have its attention. The owner's round is
//
//	n, err := conn.Recv(batch, untilNextTick)
//	for _, d := range batch[:n] {
//		transport.Each(d.Data, keys, func(f wire.Frame) { ... }) // hand frames to the core
//	}
//	outbox.Put(to, frame, key) // what the core answers
//	outbox.Flush(conn)         // one system call, if there is but one datagram or a few dozen
//
// An [Outbox] packs what goes to one destination into few datagrams. It never holds anything back for
// company: frames share a datagram because they were ready in the same round.
package transport
