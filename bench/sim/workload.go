package sim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/anodekv/anode/bench/check"
)

// The keys of the workload, beside those of which a plan says how many. Few, so that transactions meet.
const (
	opening  = 100 // what an account holds at first
	pairs    = 3
	counters = 2
)

func register(i int) string { return "r" + strconv.Itoa(i) }
func list(i int) string     { return "l" + strconv.Itoa(i) }
func account(i int) string  { return "a" + strconv.Itoa(i) }
func counter(i int) string  { return "n" + strconv.Itoa(i) }

// next begins the client's next transaction. While faults go on there is always a next one.
func (c *client) next() {
	if c.s.stopping || c.busy {
		return
	}
	r := c.s.w.rand
	switch n := r.Intn(100); {
	case n < 20:
		a := c.begin()
		a.read(true, func() { a.end(check.Committed) }, register(r.Intn(c.s.plan().Registers)))
	case n < 34:
		a := c.begin()
		a.put(register(r.Intn(c.s.plan().Registers)), c.unique())
		a.commit()
	case n < 38:
		a := c.begin()
		a.delete(register(r.Intn(c.s.plan().Registers)))
		a.commit()
	case n < 53:
		c.transfer()
	case n < 58:
		c.audit()
	case n < 70:
		c.appendLists()
	case n < 78:
		c.skew()
	case n < 90:
		c.enrol()
	case n < 94:
		c.recall()
	default:
		c.increment()
	}
}

// transfer moves money between two accounts, most often of different shards.
func (c *client) transfer() {
	r, accounts := c.s.w.rand, c.s.plan().Accounts
	from := r.Intn(accounts)
	to := (from + 1 + r.Intn(accounts-1)) % accounts
	a := c.begin()
	a.read(false, func() {
		amount := int64(1 + r.Intn(5))
		a.put(account(from), fmt.Sprint(balance(a.value[account(from)])-amount, " ", c.unique()))
		a.put(account(to), fmt.Sprint(balance(a.value[account(to)])+amount, " ", c.unique()))
		a.commit()
	}, account(from), account(to))
}

// balance reads an account: an amount, and a token that makes the value unique. One that was never
// written holds its opening balance.
func balance(v check.Value) int64 {
	n, err := parseBalance(v)
	if err != nil {
		panic(err)
	}
	return n
}

func parseBalance(v check.Value) (int64, error) {
	if !v.Present {
		return opening, nil
	}
	amount, _, _ := strings.Cut(v.Data, " ")
	n, err := strconv.ParseInt(amount, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("an account holds %q: %w", v.Data, err)
	}
	return n, nil
}

// audit reads all accounts in one read-only transaction.
func (c *client) audit() {
	keys := make([]string, c.s.plan().Accounts)
	for i := range keys {
		keys[i] = account(i)
	}
	a := c.begin()
	a.read(false, a.commit, keys...)
}

// appendLists appends one token to one or two lists.
func (c *client) appendLists() {
	r, lists := c.s.w.rand, c.s.plan().Lists
	first := r.Intn(lists)
	keys := []string{list(first)}
	if r.Intn(2) == 0 {
		keys = append(keys, list((first+1+r.Intn(lists-1))%lists))
	}
	a := c.begin()
	a.read(false, func() {
		for _, k := range keys {
			a.append(k, c.unique())
		}
		a.commit()
	}, keys...)
}

// skew keeps at most one key of a pair: it reads both, and writes one only if the other is absent, or
// deletes it. Both present is the anomaly that only the validation of absent keys prevents.
func (c *client) skew() {
	r := c.s.w.rand
	p := r.Intn(pairs)
	one, other := fmt.Sprintf("s%d-0", p), fmt.Sprintf("s%d-1", p)
	if r.Intn(2) == 0 {
		one, other = other, one
	}
	a := c.begin()
	a.read(false, func() {
		switch {
		case a.value[one].Present && a.value[other].Present:
			a.forbidden = "a transaction that saw both keys of a pair" // one that then fails may
		case a.value[one].Present:
			a.delete(one)
		case !a.value[other].Present:
			a.put(one, c.unique())
		}
		a.commit()
	}, one, other)
}

// increment adds one to a counter; retried requests must not add two.
func (c *client) increment() {
	key := counter(c.s.w.rand.Intn(counters))
	a := c.begin()
	a.read(false, func() {
		n := int64(0)
		if v := a.value[key]; v.Present {
			n, _ = strconv.ParseInt(v.Data, 10, 64)
		}
		a.put(key, strconv.FormatInt(n+1, 10))
		a.commit()
	}, key)
}

// readAll reads every key of the workload at the end, in a linearizable way.
func (c *client) readAll(then func(map[string]check.Value)) {
	var keys []string
	p := c.s.plan()
	for _, group := range []struct {
		n   int
		key func(int) string
	}{{p.Registers, register}, {p.Lists, list}, {p.Accounts, account}, {counters, counter}} {
		for i := range group.n {
			keys = append(keys, group.key(i))
		}
	}
	a := c.begin()
	a.read(true, func() {
		values := a.value
		a.commit()
		then(values)
	}, keys...)
}
