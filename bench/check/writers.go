package check

func (c *checker) indexWriters(k *keyHistory) {
	if k.list {
		k.indexTokens()
		return
	}
	k.wrote = make(map[Value][]writer)
	for i := range k.accesses {
		a := &k.accesses[i]
		for _, v := range a.between {
			k.wrote[v] = append(k.wrote[v], writer{txn: a.txn, between: true})
		}
		if a.write {
			k.wrote[a.final] = append(k.wrote[a.final], writer{txn: a.txn})
		}
	}
}

func (k *keyHistory) indexTokens() {
	k.appended = make(map[string][]writer)
	for i := range k.accesses {
		a := &k.accesses[i]
		for j, token := range a.tokens {
			w := writer{txn: a.txn, between: j < len(a.tokens)-1}
			k.appended[token] = append(k.appended[token], w)
		}
	}
}

// proveReadWrites marks as committed every transaction of unknown outcome that alone can have written what
// a committed one read, and then those whose writes it read, and so on.
func (c *checker) proveReadWrites() {
	for again := true; again; {
		again = false
		for _, k := range c.keys {
			for i := range k.accesses {
				if a := &k.accesses[i]; a.read && c.in[a.txn] {
					again = c.proveWriters(k, a) || again
				}
			}
		}
	}
}

func (c *checker) proveWriters(k *keyHistory, a *access) bool {
	if !k.list {
		return a.seen.Present && c.proveWriter(a.txn, k.wrote[a.seen])
	}
	news := false
	for token := range tokensOf(a.seen) {
		news = c.proveWriter(a.txn, k.appended[token]) || news
	}
	return news
}

// proveWriter marks the only one of the writers that a reader can have read from, and tells if that is news.
func (c *checker) proveWriter(reader int32, writers []writer) bool {
	only := int32(noTxn)
	for _, w := range writers {
		switch {
		case w.txn == reader || c.h[w.txn].Outcome == Aborted:
		case only != noTxn:
			return false
		default:
			only = w.txn
		}
	}
	if only == noTxn || c.in[only] {
		return false
	}
	c.in[only] = true
	return true
}

// reportUnwritten explains a read of a value that no transaction left behind.
func (c *checker) reportUnwritten(k *keyHistory, reader int32, value Value, writers []writer) {
	r := int(reader)
	for _, w := range writers {
		if w.txn != reader && w.between && c.h[w.txn].Outcome != Aborted {
			c.f.add(G1b, []int{r, int(w.txn)}, "%s\n  read %q = %v, which %s wrote and then overwrote itself",
				describe(c.h, r), k.name, value, describe(c.h, int(w.txn)))
			return
		}
	}
	for _, w := range writers {
		if c.h[w.txn].Outcome == Aborted {
			c.f.add(G1a, []int{r, int(w.txn)}, "%s\n  read %q = %v, which %s wrote",
				describe(c.h, r), k.name, value, describe(c.h, int(w.txn)))
			return
		}
	}
	if len(writers) > 0 {
		c.f.add(DirtyRead, []int{r}, "%s\n  read %q = %v, which it wrote itself only later",
			describe(c.h, r), k.name, value)
		return
	}
	c.f.add(DirtyRead, []int{r}, "%s\n  read %q = %v, which nobody wrote", describe(c.h, r), k.name, value)
}
