package paxos

// oplog is the contiguous log of one replica, in memory.
//
// Invariant: base <= chosen <= last(). Entries up to chosen are never replaced.
type oplog struct {
	base   Op // entries up to base are no longer held
	chosen Op // entries up to chosen are chosen
	bodies [][]byte
	pages  pages // where bodies live that were appended one by one
}

func (l *oplog) last() Op { return l.base + Op(len(l.bodies)) }

// at returns the body of an op that is held.
func (l *oplog) at(op Op) []byte { return l.bodies[op-l.base-1] }

// append gives a copy of a body the next op.
func (l *oplog) append(body []byte) Op { return l.own(append(l.cut(len(body)), body...)) }

// cut returns an empty slice with room for the next body.
func (l *oplog) cut(n int) []byte { return l.pages.cut(n, l.last()+1) }

// own takes ownership of a body and gives it the next op.
func (l *oplog) own(body []byte) Op {
	l.bodies = append(l.bodies, body)
	return l.last()
}

// replaceTail replaces everything above op, which must not be below chosen.
func (l *oplog) replaceTail(op Op, bodies [][]byte) {
	assert(op >= l.chosen, "the tail above op %d is replaced below chosen %d", op, l.chosen)
	l.pages.forget()
	keep := l.bodies[: op-l.base : op-l.base]
	l.bodies = append(keep, bodies...)
}
