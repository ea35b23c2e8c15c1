package mvcc

import (
	"fmt"
	"math"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/txn"
)

// Collect removes what no reader at or above time below can see: versions that were superseded by then,
// and tombstones that were the newest by then. It raises the horizon to that time, and the floor to the
// highest tombstone that went, and returns how many versions did. Replicas must collect at the same place
// of their log.
func (s *Store) Collect(below txn.Timestamp) (removed int) {
	return s.CollectSome(below, math.MaxInt)
}

// CollectSome is Collect that removes the oldest first and stops once it has removed that many versions, or
// a few more that belong to the last key. What it removes follows from the state alone, so that replicas which
// were loaded from an image remove the same.
func (s *Store) CollectSome(below txn.Timestamp, limit int) (removed int) {
	s.horizon = max(s.horizon, below)
	for removed < limit {
		c, ok := s.garbage.oldest()
		if !ok || c.time > below {
			break
		}
		removed += s.trim(s.current(c.chain), below)
	}
	return removed
}

// Garbage tells how many versions nobody needs who reads at or above a time: all that [Store.Collect] would
// remove, but it counts no further than limit. It tells as well the time up to which it counted.
func (s *Store) Garbage(below txn.Timestamp, limit int) (n int, upTo txn.Timestamp) {
	return s.garbage.count(below, limit)
}

// current returns the chain, of the store's own, of the key that a candidate's chain has. One that is not gone and has
// the store's age is the current one: it is replaced only by a copy of a later age.
func (s *Store) current(c *chain) *chain {
	if c.age == s.age {
		return c
	}
	return s.own(s.get(c.key))
}

// trim removes from one chain what Collect promises.
func (s *Store) trim(c *chain, below txn.Timestamp) int {
	n := superseded(c, below)
	if n == 0 {
		panic(fmt.Sprintf("mvcc: %q is queued, and holds nothing to collect below %d", c.key, below))
	}
	for i := range n {
		s.remove(c, i)
	}
	if n == c.len() {
		s.bury(c)
	} else {
		s.drop(c, n)
	}
	return n
}

// superseded counts the versions at the front of a chain that a reader at or above a time cannot see.
func superseded(c *chain, below txn.Timestamp) int {
	for i := c.len() - 1; i >= 0; i-- {
		v := c.version(i)
		if v.Time > below {
			continue
		}
		if v.Deleted {
			return i + 1
		}
		return i
	}
	return 0
}

// remove takes a version at the front of a chain off the accounts, its value away, and what made it garbage off the queue: the
// version after it, or itself if it is a tombstone. Invariant: the queue holds every tombstone and every
// version that has one before it, and nothing else. So one at the front that is no tombstone is not in it.
func (s *Store) remove(c *chain, i int) {
	v := c.version(i)
	s.count(v, -1)
	if v.Deleted {
		s.garbage.remove(candidate{time: v.Time, chain: c})
	}
	s.discard(v)
	if i+1 == c.len() {
		return
	}
	if next := c.version(i + 1); !next.Deleted {
		s.garbage.remove(candidate{time: next.Time, chain: c})
	}
}

// bury forgets a key whose newest version, a tombstone, has gone. From now on the store cannot tell when the
// key was there last: that is what the floor is for. A version with a newer one above it leaves no such doubt.
func (s *Store) bury(c *chain) {
	s.keys.Delete(entryOf(c))
	s.index.remove(c)
	s.stats.Bytes -= int64(len(c.key))
	if last := &c.newest; last.At.Compare(s.floor) > 0 && !mutant.On("floor-stays") {
		s.floor = last.At
	}
}
