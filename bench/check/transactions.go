package check

// Transactions checks that the committed transactions of a history are strictly serializable: that one
// order of them explains every read and agrees with real time. See the package comment for how. Checked
// counts the transactions that were judged; Note tells what was left out, and what could not be matched.
func Transactions(h History) Verdict {
	if err := h.malformed(); err != nil {
		return malformedVerdict(err)
	}
	c := newChecker(h)
	c.proveReadWrites()
	c.orderKeys()
	c.reportInternal()
	c.reportCycles()
	return c.verdict()
}

// noTxn stands for the writer of the state before all writes.
const noTxn = -1

// checker judges one history.
type checker struct {
	h    History
	keys []*keyHistory // in the order in which the history names them

	// in marks the transactions that count as committed.
	in []bool
	// internal holds the contradictions inside of transactions; only those of committed ones count.
	internal []contradiction

	orders []*order // of keys, one each
	f      findings
}

func newChecker(h History) *checker {
	c := &checker{h: h, in: make([]bool, len(h))}
	for i := range h {
		c.in[i] = h[i].Outcome == Committed
	}
	c.project()
	return c
}

// orderKeys finds what is known about the order of versions of every key. A match may prove that a
// transaction of unknown outcome committed; then its other writes exist too, and all is done anew.
func (c *checker) orderKeys() {
	for {
		c.f = findings{}
		c.orders = c.orders[:0]
		var proven []int32
		for _, k := range c.keys {
			o := c.newOrder(k)
			proven = append(proven, o.match()...)
			c.orders = append(c.orders, o)
		}
		if len(proven) == 0 {
			return
		}
		for _, t := range proven {
			c.in[t] = true
		}
		c.proveReadWrites()
	}
}

func (c *checker) reportInternal() {
	for _, x := range c.internal {
		if c.in[x.txn] {
			c.f.add(Internal, []int{int(x.txn)}, "%s\n  %s", describe(c.h, int(x.txn)), x.text)
		}
	}
}

func (c *checker) verdict() Verdict {
	checked, maybe := 0, 0
	for i := range c.h {
		if c.in[i] {
			checked++
		} else if c.h[i].Outcome == Unknown && !c.h[i].readOnly() {
			maybe++
		}
	}
	if maybe > 0 {
		c.f.note("%d of unknown outcome, with no effect seen, left out", maybe)
	}
	unmatched, loose := 0, 0
	for _, o := range c.orders {
		unmatched += len(o.pending)
		if !o.total() {
			loose++
		}
	}
	if unmatched > 0 {
		c.f.note("%d reads not checkable: several writes would explain each", unmatched)
	}
	if loose > 0 {
		c.f.note("%d keys have writes whose order nothing tells", loose)
	}
	return c.f.verdict(checked)
}
