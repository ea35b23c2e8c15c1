package check

// none is no version, and no fragment.
const none = -1

// version is one state of a key.
type version struct {
	value  Value
	writer int32 // noTxn for the state before all writes
	// exists is false while nothing proves that the writer committed. Such a version has no place in
	// the order; it can only explain a read.
	exists bool
	// prev and next are the versions directly before and after, where that is known.
	prev, next int32
	fragment   int32
	readers    []int32

	// A transaction that ends before lower, or begins after deadline, cannot have read this version.
	lower, deadline int64
}

// order is what is known about the versions of one key.
// Invariant: versions[0] is the state before all writes.
type order struct {
	c        *checker
	k        *keyHistory
	versions []version
	own      []int32 // per access: the version that it made, or none
	byValue  map[Value][]int32
	chain    int32 // of a list: the last version that a read told the place of

	pending   []pendingRead
	fragments []fragment
	proven    []int32 // transactions that a match proved to have committed
}

// pendingRead is a read that several versions would explain.
type pendingRead struct {
	access int32
	value  Value
}

func (c *checker) newOrder(k *keyHistory) *order {
	o := &order{c: c, k: k, own: make([]int32, len(k.accesses))}
	o.addVersion(Absent, noTxn)
	if k.list {
		o.addList()
	} else {
		o.addWrites()
	}
	return o
}

func (o *order) addVersion(value Value, writer int32) int32 {
	exists := writer == noTxn || o.c.in[writer]
	o.versions = append(o.versions, version{
		value: value, writer: writer, exists: exists, prev: none, next: none, fragment: none,
	})
	return int32(len(o.versions) - 1)
}

func (o *order) addWrites() {
	o.byValue = map[Value][]int32{Absent: {0}}
	for i := range o.k.accesses {
		a := &o.k.accesses[i]
		o.own[i] = none
		if !a.write || o.c.h[a.txn].Outcome == Aborted {
			continue
		}
		v := o.addVersion(a.final, a.txn)
		o.own[i] = v
		o.byValue[a.final] = append(o.byValue[a.final], v)
	}
}

// match finds the version that each read saw, and returns the transactions which that proves to have
// committed.
func (o *order) match() []int32 {
	for i := range o.k.accesses {
		a := &o.k.accesses[i]
		if a.read && o.c.in[a.txn] {
			o.matchByValue(int32(i), a)
		}
	}
	o.resolve()
	return o.proven
}

// matchByValue matches a read whose value tells its version.
func (o *order) matchByValue(access int32, a *access) {
	if o.k.list {
		o.matchList(access, a)
		return
	}
	found, only := 0, int32(none)
	for _, v := range o.byValue[a.seen] {
		if o.versions[v].writer != a.txn {
			found, only = found+1, v
		}
	}
	switch found {
	case 0:
		o.c.reportUnwritten(o.k, a.txn, a.seen, o.k.wrote[a.seen])
	case 1:
		o.matched(access, only)
	default:
		o.pending = append(o.pending, pendingRead{access: access, value: a.seen})
	}
}

// matched records that a read saw version v; if the reader also wrote, its version comes right after.
func (o *order) matched(access, v int32) {
	a, seen := &o.k.accesses[access], &o.versions[v]
	if !seen.exists {
		o.proven = append(o.proven, seen.writer)
	}
	seen.readers = append(seen.readers, a.txn)
	own := o.own[access]
	switch {
	case own == none || o.versions[own].prev != none:
		// In a list that others read the order is known already. If this read contradicts it, the
		// graph has a cycle.
	case seen.next != none:
		o.reportLostUpdate(v, a.txn)
	default:
		seen.next, o.versions[own].prev = own, v
	}
}

// reportLostUpdate reports the transaction as the second one to replace version v.
func (o *order) reportLostUpdate(v, second int32) {
	first := o.versions[o.versions[v].next].writer
	if first == noTxn {
		return // its token was reported: nobody can have appended it
	}
	h := o.c.h
	o.c.f.add(LostUpdate, []int{int(first), int(second)},
		"both read %q = %v and replaced it\n  %s\n  %s", o.k.name, o.versions[v].value,
		describe(h, int(first))+wroteOf(o.k, first), describe(h, int(second))+wroteOf(o.k, second))
}

func wroteOf(k *keyHistory, txn int32) string {
	for i := range k.accesses {
		if a := &k.accesses[i]; a.txn == txn && a.write {
			if !a.finalKnown {
				return " appended " + Of(a.tokens[0]).String()
			}
			return " wrote " + a.final.String()
		}
	}
	return ""
}
