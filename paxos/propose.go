package paxos

import (
	"errors"

	"github.com/anodekv/anode/paxos/wire"
)

// Errors of Propose and Read. Nothing was appended or promised when they are returned.
var (
	ErrNotServing = errors.New("paxos: this replica does not serve")
	ErrFull       = errors.New("paxos: queue full")
	ErrTooLarge   = errors.New("paxos: command too large")
)

const (
	// commandOverhead and batchOverhead bound what MessagePack adds to a command and to a batch.
	commandOverhead = 5
	batchOverhead   = 16
	// entriesOverhead bounds what is added when a batch is sent among others to one who copies the log.
	entriesOverhead = 32
	// MaxCommand is the largest command in bytes: alone in its batch it must fit one frame.
	MaxCommand = wire.MaxStreamBody - entriesOverhead - batchOverhead - commandOverhead
)

// serving reports whether clients may be served: this replica leads, is not silent, and the log with
// which its view began is chosen in the view.
func (c *Core) serving() bool { return c.leads() && c.lead.taken && !c.lead.silent && !c.over }

// Propose queues a command for the log. wall is the caller's clock in Unix nanoseconds. The command is
// not copied. That it was queued promises nothing: it is chosen when it comes out of Ready.Chosen.
func (c *Core) Propose(now Time, wall int64, command []byte) error {
	c.now = now
	l := &c.lead
	switch {
	case !c.serving():
		return ErrNotServing
	case len(command) > MaxCommand:
		return ErrTooLarge
	case l.queue.len() >= c.cfg.Limits.QueueCommands || l.queue.bytes+len(command) > c.cfg.Limits.QueueBytes:
		return ErrFull
	}
	l.queue.push(command)
	l.wall = wall
	return nil
}

// flush turns queued commands into ops as far as the window allows, and waiting reads into a round.
// Ready calls it, so that everything that arrived together travels together.
func (c *Core) flush() {
	if !c.serving() {
		return
	}
	l := &c.lead
	for l.queue.len() > 0 && c.log.last()-c.log.chosen < Op(c.cfg.Limits.Window) && c.inFlight() < windowBytes {
		n, size := c.cut()
		l.batch = Batch{Proposed: l.wall, Commands: l.queue.front(n)}
		body := batchBody.Append(c.log.cut(size), &l.batch)
		l.batch = Batch{}
		l.queue.drop(n)
		c.appendEntry(body)
	}
	c.startRound()
}

// cut says how many queued commands fill the next batch, and its size in bytes at most.
func (c *Core) cut() (n, size int) {
	size = batchOverhead
	for _, command := range c.lead.queue.front(c.lead.queue.len()) {
		next := size + len(command) + commandOverhead
		if n > 0 && (next > c.cfg.Limits.BatchBytes || n == c.cfg.Limits.BatchCommands) {
			break
		}
		size = next
		n++
	}
	return n, size
}

// appendEntry appends one op as leader and sends it to all.
func (c *Core) appendEntry(body []byte) {
	op := c.log.own(body)
	c.lead.ops.note(uint64(op), c.now)
	c.send(Everyone, frame(wire.KindAccept, c.lastNormal, op, c.log.chosen, body))
	for r := range c.cfg.Replicas {
		c.lead.followers[r].sent(c.now, len(body))
	}
	c.choose()
}

// queue holds commands in the order of their arrival. It keeps its memory: what has left is skipped, and
// overwritten once it is the larger part.
type queue struct {
	commands [][]byte
	head     int // commands before it have left
	bytes    int
}

func (q *queue) len() int { return len(q.commands) - q.head }

func (q *queue) front(n int) [][]byte { return q.commands[q.head : q.head+n : q.head+n] }

func (q *queue) push(command []byte) {
	q.commands = append(q.commands, command)
	q.bytes += len(command)
}

func (q *queue) drop(n int) {
	for _, command := range q.front(n) {
		q.bytes -= len(command)
	}
	clear(q.front(n))
	q.head += n
	if q.head > len(q.commands)/2 {
		rest := copy(q.commands, q.commands[q.head:])
		clear(q.commands[rest:])
		q.commands, q.head = q.commands[:rest], 0
	}
}
