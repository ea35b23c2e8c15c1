package paxos

// oplog is the contiguous log of one replica, in memory.
//
// Invariant: base <= chosen <= last(). Entries up to chosen are never replaced.
type oplog struct {
	base   Op // entries up to base are no longer held
	chosen Op // entries up to chosen are chosen
	bodies [][]byte
}

func (l *oplog) last() Op { return l.base + Op(len(l.bodies)) }

// at returns the body of an op that is held.
func (l *oplog) at(op Op) []byte { return l.bodies[op-l.base-1] }

// append takes ownership of body and gives it the next op.
func (l *oplog) append(body []byte) Op {
	l.bodies = append(l.bodies, body)
	return l.last()
}

// replaceTail replaces everything above op, which must not be below chosen.
func (l *oplog) replaceTail(op Op, bodies [][]byte) {
	assert(op >= l.chosen, "the tail above op %d is replaced below chosen %d", op, l.chosen)
	keep := l.bodies[: op-l.base : op-l.base]
	l.bodies = append(keep, bodies...)
}
