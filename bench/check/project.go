package check

import (
	"fmt"
	"strings"
)

// keyHistory is all that happened to one key.
type keyHistory struct {
	id       int32
	name     string
	list     bool     // it is appended to
	accesses []access // one for each transaction that touched it, in the order of the history

	// wrote tells who wrote a value, and appended who appended a token, transactions that aborted
	// included. A list key has only the second, any other key only the first.
	wrote    map[Value][]writer
	appended map[string][]writer
}

type writer struct {
	txn int32
	// between says that the same transaction wrote the key again, so that nobody else may see this.
	between bool
}

// access is one transaction's use of one key, seen from outside: the value it found before it wrote, and
// the one it left behind.
type access struct {
	txn int32

	read bool
	seen Value

	write      bool
	final      Value
	finalKnown bool // false for an append by a transaction that never read the list

	between []Value  // written, and overwritten in the same transaction
	tokens  []string // appended, in order

	// view is what the transaction must see in the key from now on, where that is known.
	view      Value
	viewKnown bool
	torn      bool // it did not, so it cannot rightly have committed
}

// contradiction is a transaction that disagrees with itself.
type contradiction struct {
	txn  int32
	text string
}

// project cuts the history into keys.
func (c *checker) project() {
	byName := make(map[string]*keyHistory)
	for i := range c.h {
		for _, op := range c.h[i].Ops {
			k := byName[op.Key]
			if k == nil {
				k = &keyHistory{id: int32(len(c.keys)), name: op.Key}
				byName[op.Key] = k
				c.keys = append(c.keys, k)
			}
			k.list = k.list || op.Kind == KindAppend
		}
	}
	for i := range c.h {
		for _, op := range c.h[i].Ops {
			c.apply(byName[op.Key], int32(i), op)
		}
	}
	for _, k := range c.keys {
		c.indexWriters(k)
	}
}

// apply adds one operation to the transaction's access of the key.
func (c *checker) apply(k *keyHistory, txn int32, op Op) {
	if n := len(k.accesses); n == 0 || k.accesses[n-1].txn != txn {
		k.accesses = append(k.accesses, access{txn: txn})
	}
	a := &k.accesses[len(k.accesses)-1]
	switch op.Kind {
	case KindRead:
		if k.list {
			op.Value = canonicalList(op.Value)
		}
		if err := a.applyRead(op.Value); err != nil {
			a.torn = true
			c.internal = append(c.internal, contradiction{txn, fmt.Sprintf("key %q: %v", k.name, err)})
		}
	case KindWrite:
		a.applyWrite(op.Value)
	case KindAppend:
		a.applyAppend(op.Value.Data)
	}
}

func (a *access) applyRead(v Value) error {
	switch {
	case a.viewKnown && a.view != v:
		what := "earlier read"
		if a.write {
			what = "own write"
		}
		return fmt.Errorf("read %v after its %s of %v", v, what, a.view)
	case a.viewKnown:
		return nil
	case a.write: // it appended before it read: the list ends in its own tokens
		before, ok := trimTokens(v, a.tokens)
		if !ok {
			return fmt.Errorf("read %v, which does not end in its own %q", v, strings.Join(a.tokens, " "))
		}
		a.read, a.seen = true, before
		a.final, a.finalKnown = v, true
	default:
		a.read, a.seen = true, v
	}
	a.view, a.viewKnown = v, true
	return nil
}

func (a *access) applyWrite(v Value) {
	if a.write {
		a.between = append(a.between, a.final)
	}
	a.write, a.final, a.finalKnown = true, v, true
	a.view, a.viewKnown = v, true
}

func (a *access) applyAppend(token string) {
	a.tokens = append(a.tokens, token)
	a.write = true
	if a.viewKnown {
		a.view = joinToken(a.view, token)
		a.final, a.finalKnown = a.view, true
	}
}

// canonicalList makes the empty list absent: before the first token there is no difference.
func canonicalList(v Value) Value {
	if v.Data == "" {
		return Absent
	}
	return v
}

func joinToken(list Value, token string) Value {
	if list.Data == "" {
		return Of(token)
	}
	return Of(list.Data + " " + token)
}

// trimTokens takes the tokens off the end of the list.
func trimTokens(list Value, tokens []string) (Value, bool) {
	own := strings.Join(tokens, " ")
	if list.Data == own {
		return Absent, true
	}
	before, ok := strings.CutSuffix(list.Data, " "+own)
	return Of(before), ok
}
