package sim

import (
	"fmt"
	"strings"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// Reads of the past are not in the history: they are serializable, and not strictly. What must hold of them is
// checked at once: all accounts of one moment hold what they always hold together, the past never changes and looks
// the same to a scan and to a read, and a transaction's writes are there at its commit time.

// Situations of reads of the past.
const (
	pastRead     = "read of the past"
	pastReread   = "read of the past, again"
	pastScan     = "scan of the past"
	pastOwn      = "read of the past at a commit"
	pastTooOld   = "read of the past, collected"
	pastAbandons = "read of the past, given up"
)

// proof is a transaction that committed, and when.
type proof struct {
	time   txn.Timestamp
	writes []txn.Write
}

// memory is what was seen of the past: by whom does not matter.
type memory struct {
	newest txn.Timestamp // the latest commit known
	times  []txn.Timestamp
	seen   map[txn.Timestamp]string
	// void: a group has lost its memory, and with it what others had prepared with it.
	void bool
}

// committed takes note of a commit.
func (c *client) committed(a *attempt, time txn.Timestamp) {
	if len(a.write) == 0 {
		return
	}
	c.s.memory.newest = max(c.s.memory.newest, time)
	c.proof = proof{time, a.write}
}

// recall reads something of the past.
func (c *client) recall() {
	m, r := &c.s.memory, c.s.w.rand
	switch n := r.Intn(4); {
	case m.newest == 0 || m.void:
		c.increment()
	case n == 0 && c.proof.time != 0:
		c.recallOwn()
	case n == 1:
		c.recallMembers(m.newest - txn.Timestamp(c.s.w.between(0, 20*wire.Millisecond)))
	case n == 2 && len(m.times) > 0:
		c.recallAccounts(m.times[r.Intn(len(m.times))])
	default:
		back := []wire.Duration{0, 20 * wire.Millisecond, wire.Second}[r.Intn(3)]
		c.recallAccounts(m.newest - txn.Timestamp(c.s.w.between(0, back)))
	}
}

// recallAccounts reads all accounts as they were.
func (c *client) recallAccounts(at txn.Timestamp) {
	keys := make([][]byte, c.s.plan().Accounts)
	for i := range keys {
		keys[i] = []byte(account(i))
	}
	c.readPast(at, keys, func(values []txn.Value) {
		m, sum, all := &c.s.memory, int64(0), strings.Builder{}
		for _, v := range values {
			sum += balance(check.Value{Present: v.Found, Data: string(v.Value)})
			fmt.Fprintf(&all, "%v %s;", v.Found, v.Value)
		}
		if sum != int64(c.s.plan().Accounts)*opening {
			c.s.w.fail("client %d: the accounts held %d at %d: %s", c.id, sum, at, &all)
		}
		before, again := m.seen[at]
		switch {
		case !again:
			m.times, m.seen[at] = append(m.times, at), all.String()
			c.s.c.situations[pastRead]++
		case before != all.String():
			c.s.w.fail("client %d: the past has changed at %d: %s, before it was %s", c.id, at, &all, before)
		default:
			c.s.c.situations[pastReread]++
		}
	})
}

// recallOwn reads what the client wrote last, at the time of that commit.
func (c *client) recallOwn() {
	p := c.proof
	keys := make([][]byte, len(p.writes))
	for i := range keys {
		keys[i] = p.writes[i].Key
	}
	c.readPast(p.time, keys, func(values []txn.Value) {
		for i, v := range values {
			if w := &p.writes[i]; v.Found == w.Delete || string(v.Value) != string(w.Value) {
				c.s.w.fail("client %d: committed %q = %q at %d, and reads %v %q there", c.id, w.Key, w.Value, p.time, v.Found, v.Value)
			}
		}
		c.s.c.situations[pastOwn]++
	})
}

// readPast reads keys as they were, and goes on with then if it was told.
func (c *client) readPast(at txn.Timestamp, keys [][]byte, then func([]txn.Value)) {
	c.busy = true
	token := c.await(func(done twopc.Completion) {
		if done.Result == twopc.ResultValues {
			if !c.s.memory.void {
				then(done.Values)
			}
		} else {
			c.missed(&done)
		}
		c.done()
	})
	c.coord.ReadAt(c.now(), token, keys, at)
	c.plan()
}

// missed counts a read of the past that was not answered.
func (c *client) missed(done *twopc.Completion) {
	if done.Cause.Reason == txn.ReasonTooOld {
		c.s.c.situations[pastTooOld]++
	} else {
		c.s.c.situations[pastAbandons]++
	}
}

// recallMembers scans the members as they were, which are no more than there may be, and reads them: one moment
// looks the same both ways.
func (c *client) recallMembers(at txn.Timestamp) {
	c.busy = true
	found := map[string]string{}
	c.scanPages(c.membersAt(at), found, func(wire.GroupID, txn.Range) {}, func(done twopc.Completion) {
		if done.Result != twopc.ResultValues {
			c.missed(&done)
			c.done()
			return
		}
		if len(found) > maxMembers {
			c.s.w.fail("client %d: %d members at %d", c.id, len(found), at)
		}
		keys := make([][]byte, candidates)
		for i := range keys {
			keys[i] = []byte(member(i))
		}
		c.readPast(at, keys, func(values []txn.Value) {
			for i, v := range values {
				if data, in := found[member(i)]; in != v.Found || data != string(v.Value) {
					c.s.w.fail("client %d: at %d a scan shows %q %v, a read %q %v", c.id, at, data, in, v.Value, v.Found)
				}
			}
			c.s.c.situations[pastScan]++
		})
	})
}
