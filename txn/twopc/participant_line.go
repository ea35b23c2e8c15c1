package twopc

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	// copyAfter is how long a question stands in line before a second one like it is taken for a copy, and dropped. It is
	// less than what a client waits before it asks again, and more than a round takes, so that nobody is searched for as
	// long as rounds end in time. A copy that the network made is answered twice, which is harmless.
	copyAfter = 5 * wire.Millisecond
	// keptCohorts bounds the cohorts whose memory is kept, keptQuestions the questions of one and keptKeyBytes the bytes
	// of its keys: what a turn under load brings.
	keptCohorts   = 16
	keptQuestions = 256
	keptKeyBytes  = 16 << 10
)

// Ticket stands for questions that want a round in which followers confirm the leadership, begun after the ticket was
// handed out.
type Ticket struct {
	Number uint64
	// Reads is how many questions there are; none, and there is no ticket.
	Reads int
}

// line holds the questions that wait for the leader's round, in order of arrival, which is that of their deadlines too.
//
// Those that came between one Ready and the next are a cohort: they share a ticket. A round confirms only what had come when
// it began, so a cohort is closed when its ticket is handed out.
//
// Invariant: all cohorts but the last have a ticket, and tickets rise.
type line struct {
	cohorts    []*cohort
	idle       []*cohort // their memory is used again
	len, bytes int       // of the questions
}

// cohort is a list of questions that came together. It holds their keys.
type cohort struct {
	ticket    uint64    // 0 until it is handed out
	since     wire.Time // when the first came
	bytes     int
	questions []question
	keys      [][]byte
	text      []byte
}

// join puts a question at the end of the line. Its keys are copied.
func (l *line) join(q *question) {
	g := l.last()
	if g == nil || g.ticket != 0 && !mutant.On("joins-late") {
		g = l.open(q.since)
	}
	own, first, bytes := *q, len(g.keys), q.bytes()
	g.keys, g.text = copyKeys(g.keys, g.text, q.keys)
	own.keys = g.keys[first:]
	g.questions = append(g.questions, own)
	g.bytes += bytes
	l.bytes += bytes
	l.len++
}

func (l *line) last() *cohort {
	if len(l.cohorts) == 0 {
		return nil
	}
	return l.cohorts[len(l.cohorts)-1]
}

// open begins a new cohort.
func (l *line) open(now wire.Time) *cohort {
	var g *cohort
	if n := len(l.idle); n > 0 {
		g, l.idle = l.idle[n-1], l.idle[:n-1]
	} else {
		g = new(cohort)
	}
	g.since = now
	l.cohorts = append(l.cohorts, g)
	return g
}

// release takes cohorts out of the line, as long as the first one is due, and does something with each question, which must
// not join the line meanwhile and is not kept.
func (l *line) release(due func(*cohort) bool, do func(*question)) {
	n := 0
	for ; n < len(l.cohorts) && due(l.cohorts[n]); n++ {
		g := l.cohorts[n]
		l.len -= len(g.questions)
		l.bytes -= g.bytes
		for i := range g.questions {
			do(&g.questions[i])
		}
		l.retire(g)
	}
	l.cohorts = slices.Delete(l.cohorts, 0, n)
}

// retire keeps the memory of a cohort that has left.
func (l *line) retire(g *cohort) {
	if len(l.idle) == keptCohorts || len(g.questions) > keptQuestions || len(g.keys) > keptQuestions || len(g.text) > keptKeyBytes {
		return
	}
	clear(g.questions)
	clear(g.keys)
	*g = cohort{questions: g.questions[:0], keys: g.keys[:0], text: g.text[:0]}
	l.idle = append(l.idle, g)
}

// holds reports whether a question stands in line that came before a time.
func (l *line) holds(id questionID, before wire.Time) bool {
	for _, g := range l.cohorts {
		if g.since >= before {
			break
		}
		if slices.ContainsFunc(g.questions, func(q question) bool { return q.nonce == id.nonce && q.questionID == id }) {
			return true
		}
	}
	return false
}

// handOut closes the cohort that is open, if there is one.
func (d *desk) handOut() Ticket {
	g := d.room.line.last()
	if g == nil || g.ticket != 0 {
		return Ticket{}
	}
	d.tickets++
	g.ticket = d.tickets
	return Ticket{g.ticket, len(g.questions)}
}

// Confirmed says that the round which a ticket wanted is done: this replica led when it was begun, and
// has applied all that was chosen by then. The same holds for all tickets handed out before.
func (p *Participant) Confirmed(_ wire.Time, ticket uint64) {
	p.room.line.release(func(g *cohort) bool { return g.ticket != 0 && g.ticket <= ticket }, func(q *question) { p.ask(q, nil) })
}
