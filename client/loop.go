package client

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

const (
	// idleWait is how long the loop sleeps when nothing is due; requests wake it.
	idleWait = time.Second
	// lull is how long it sleeps instead after something has arrived. It is no longer than a coordinator waits before it asks
	// again, so that a caller who makes its own turn seldom has to wake the loop for what becomes due.
	lull = 20 * time.Millisecond
	// assembleWait is how long it gives way to callers at most: several times what 64 of them need who ask at once. A scheduler
	// that is full of other work would otherwise have all wait for the last.
	assembleWait = 200 * time.Microsecond
)

// endWait is how long a client that is being closed waits for shards to take note that its sessions end: enough for a
// lost datagram or two.
const endWait = 100 * time.Millisecond

// errand is what a call asks of the loop.
type errand uint8

const (
	errandRead errand = iota
	errandCommit
	errandOutcome
	errandScan
)

// call is one request of one goroutine. It is the loop's from when it is queued until done is signalled, and
// is signalled exactly once; then its goroutine reads the result, and releases it to be used again.
type call struct {
	errand  errand
	keys    [][]byte
	reading reading
	pages   []twopc.Page
	work    txn.Work
	scanned []twopc.Part // what work saw by scanning, by group
	about   txn.ID
	// text holds the keys of all this. It may move while it grows, for the keys keep what they are in.
	text []byte

	token  uint64
	result twopc.Completion
	values []txn.Value   // of the result
	done   chan struct{} // has room for one
}

// reading is how keys are to be read.
type reading struct {
	// linearizable: as they are now.
	linearizable bool
	// at, if not zero: as they were then.
	at txn.Timestamp
}

// loop owns the coordinator and the socket. One turn takes all datagrams and all requests that have come,
// and sends all that follows in as few datagrams as it fits.
type loop struct {
	conn    transport.Conn
	keys    wire.Keys
	cluster wire.ClusterID
	addrs   [][]wire.Addr
	epoch   time.Time

	orders  queue
	closing atomic.Bool
	stopped chan struct{} // closed when the loop has ended

	// turns is held by who makes a turn, which is the loop's goroutine but for [loop.serve]. It guards what follows.
	turns   sync.Mutex
	coord   *twopc.Coordinator
	out     *transport.Outbox
	token   uint64
	pending map[uint64]*call
	taken   []order // memory for those that a turn takes
	// answered is how many callers were answered and have not asked again since. It is a guess: some never will.
	answered int

	idle      time.Duration // idleWait but in tests
	asleep    wire.Time     // until when the loop sleeps if nothing arrives
	closeWait time.Duration
	closeAt   time.Time // zero until the client is being closed
	ended     bool      // the sessions have been given up
	over      bool      // no turn follows
}

// run turns until the client is closed, and everything is finished or may be left.
func (l *loop) run() {
	defer close(l.stopped)
	defer l.conn.Close()
	in := make([]transport.Datagram, recvBatch)
	wait := time.Duration(0)
	for {
		n, err := l.conn.Recv(in, wait)
		if err != nil { // only a closed or broken socket fails
			break
		}
		var over bool
		if wait, over = l.turn(in[:n]); over {
			break
		}
	}
	l.cancelAll()
}

// serve makes a turn for a call in its caller's goroutine, if nothing else is under way: the loop sleeps then, and to wake it
// would cost more than the turn does. Among others a call is queued, so that what is asked at the same time leaves in
// one datagram. It reports whether the call was begun.
func (l *loop) serve(c *call) bool {
	if !l.turns.TryLock() {
		return false
	}
	defer l.turns.Unlock()
	if l.over || l.closing.Load() || len(l.pending) > 0 || !l.orders.empty() {
		return false
	}
	l.answered = 0
	now := l.now()
	l.begin(now, c)
	l.coord.Tick(now)
	l.flush()
	if due, ok := l.coord.NextDeadline(); ok && due < l.asleep {
		l.conn.Wake()
	}
	return true
}

// finished reports whether a client that is being closed is done. When nothing is under way any more it gives up its
// sessions, for which it waits a little: they are only a convenience for the shards, which let them expire.
func (l *loop) finished() bool {
	if len(l.pending) > 0 || !l.orders.empty() || l.coord.Unfinished() > 0 {
		return false
	}
	if !l.ended {
		l.ended = true
		l.coord.End(l.now())
		l.flush()
		if limit := time.Now().Add(min(endWait, l.closeWait)); limit.Before(l.closeAt) {
			l.closeAt = limit
		}
	}
	return l.coord.Ending() == 0
}

func (l *loop) now() wire.Time { return wire.Time(time.Since(l.epoch)) }

// wait is how long nothing will be due. After something has arrived the loop sleeps lightly.
func (l *loop) wait(now wire.Time, arrived bool) time.Duration {
	if !l.orders.empty() {
		return 0
	}
	longest := l.idle
	if arrived {
		longest = min(longest, lull)
	}
	if l.closing.Load() {
		longest = min(longest, l.closeWait/16+time.Millisecond)
	}
	if due, ok := l.coord.NextDeadline(); ok {
		longest = min(longest, time.Duration(due.Sub(now)))
	}
	return max(0, longest)
}

// turn takes what has come. It tells for how long the next one may wait, and whether there is none.
func (l *loop) turn(in []transport.Datagram) (wait time.Duration, over bool) {
	l.turns.Lock()
	defer l.turns.Unlock()
	now := l.now()
	for i := range in {
		transport.Each(in[i].Data, l.keys, func(f wire.Frame) { l.receive(now, &f) })
	}
	if l.assemble() {
		now = l.now()
	}
	l.takeOrders(now)
	l.coord.Tick(now)
	l.flush()
	if l.closing.Load() {
		if l.closeAt.IsZero() {
			l.closeAt = time.Now().Add(l.closeWait)
		}
		if !time.Now().Before(l.closeAt) || l.finished() {
			return 0, true
		}
	}
	wait = l.wait(now, len(in) > 0)
	l.asleep = now.Add(wire.Duration(wait))
	return wait, false
}

// receive hands a frame to the coordinator, if it is one for this cluster's clients.
func (l *loop) receive(now wire.Time, f *wire.Frame) {
	if f.Cluster != l.cluster || int64(f.Group) >= int64(len(l.addrs)) || int(f.Sender) >= len(l.addrs[f.Group]) {
		return
	}
	l.coord.Step(now, twopc.Target{Group: f.Group, Replica: f.Sender}, f.Kind, f.Body)
}

// assemble lets callers who were answered a moment ago ask again before their requests are taken. The first of them wakes
// the loop, and would be sent alone, at the price of a datagram here and of a turn at the leader, where all of
// them can share one. It waits for as long as more of them come with each turn of the scheduler, which is a microsecond or two
// each, and no longer than assembleWait: answers, deadlines and copies that are due wait too. It reports whether time has passed.
func (l *loop) assemble() bool {
	n := l.orders.len()
	if n == 0 || n >= l.answered {
		return false
	}
	for began := l.now(); n < l.answered && time.Duration(l.now().Sub(began)) < assembleWait; {
		runtime.Gosched()
		before := n
		if n = l.orders.len(); n == before {
			break
		}
	}
	return true
}

// takeOrders takes what is queued now, and no more: a turn must end.
func (l *loop) takeOrders(now wire.Time) {
	l.taken = l.orders.take(l.taken)
	l.answered = max(0, l.answered-len(l.taken))
	defer clear(l.taken)
	for _, o := range l.taken {
		if o.cancel {
			l.coord.Cancel(now, o.call.token)
			continue
		}
		l.begin(now, o.call)
	}
}

func (l *loop) begin(now wire.Time, c *call) {
	l.token++
	c.token = l.token
	l.pending[c.token] = c
	switch c.errand {
	case errandRead:
		if c.reading.at != 0 {
			l.coord.ReadAt(now, c.token, c.keys, c.reading.at)
		} else {
			l.coord.Read(now, c.token, c.keys, c.reading.linearizable)
		}
	case errandScan:
		l.coord.Scan(now, c.token, c.pages)
	case errandCommit:
		l.coord.CommitScanned(now, c.token, c.work, c.scanned)
	case errandOutcome:
		l.coord.Outcome(now, c.token, c.about)
	}
}

// flush sends what the coordinator wants sent, and wakes those whose answers are in.
func (l *loop) flush() {
	r := l.coord.Ready()
	for i := range r.Send {
		m := &r.Send[i]
		f := wire.Frame{
			Header: wire.Header{Kind: m.Kind, Cluster: l.cluster, Group: m.To.Group, Sender: wire.ClientSender},
			Body:   m.Body,
		}
		// What does not fit is lost, as it may be on the network, and is sent again.
		_ = l.out.Put(l.addrs[m.To.Group][m.To.Replica], &f, l.keys.Client)
	}
	_ = l.out.Flush(l.conn) // the same: what cannot be sent is lost
	for i := range r.Done {
		l.deliver(&r.Done[i])
	}
	l.answered = min(l.answered+len(r.Done), queueLength)
	if len(r.Done) > 1 {
		// Those who were answered often ask again at once: let them, before looking for more, so that what they ask
		// leaves in one datagram. For one alone that would only cost a turn of the scheduler.
		runtime.Gosched()
	}
}

func (l *loop) deliver(done *twopc.Completion) {
	c := l.pending[done.Token]
	delete(l.pending, done.Token)
	c.result = *done
	c.values = append(c.values[:0], done.Values...)
	c.result.Values = c.values
	c.done <- struct{}{}
}

// cancelAll ends what is still waiting when the loop ends.
func (l *loop) cancelAll() {
	l.turns.Lock()
	defer l.turns.Unlock()
	l.over = true
	l.orders.close()
	now := l.now()
	l.takeOrders(now)
	for token := range l.pending {
		l.coord.Cancel(now, token)
	}
	for _, done := range l.coord.Ready().Done {
		l.deliver(&done)
	}
}
