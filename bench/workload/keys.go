package workload

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Distribution says which keys come up how often.
type Distribution string

// The distributions: zipfian scatters the popular keys over all, latest prefers those inserted last.
const (
	Uniform Distribution = "uniform"
	Zipfian Distribution = "zipfian"
	Latest  Distribution = "latest"
)

// Distributions are all that there are.
var Distributions = []Distribution{Uniform, Zipfian, Latest}

// recent is how many inserts may be on their way at once before the next one has to wait for the oldest.
const recent = 1 << 16

// keyspace is the keys that exist. It is shared by all clients.
type keyspace struct {
	next atomic.Uint64 // number of the next key to insert
	done atomic.Uint64 // all below have been inserted

	mu      sync.Mutex
	settled map[uint64]struct{} // inserted, not below done
}

func newKeyspace(keys uint64) *keyspace {
	k := &keyspace{settled: map[uint64]struct{}{}}
	k.next.Store(keys)
	k.done.Store(keys)
	return k
}

// claim gives the number of a new key, or false if too many are on their way.
func (k *keyspace) claim() (uint64, bool) {
	for {
		n := k.next.Load()
		if n-k.done.Load() >= recent {
			return 0, false
		}
		if k.next.CompareAndSwap(n, n+1) {
			return n, true
		}
	}
}

// settle says that an insert has ended, well or not: readers of a key that was not inserted find nothing.
func (k *keyspace) settle(n uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.settled[n] = struct{}{}
	done := k.done.Load()
	for {
		if _, ok := k.settled[done]; !ok {
			break
		}
		delete(k.settled, done)
		done++
	}
	k.done.Store(done)
}

// chooser draws the number of a key that exists, for one client.
type chooser func(*rand.Rand) uint64

// newChooser draws from the keys that exist at first and, if the workload inserts, from those that come later.
func (w *Workload) newChooser() chooser {
	space, keys := w.space, uint64(w.cfg.Keys)
	switch w.cfg.Distribution {
	case Uniform:
		return func(rng *rand.Rand) uint64 { return rng.Uint64N(keys) }
	case Latest:
		z := w.ranks
		return func(rng *rand.Rand) uint64 {
			newest := space.done.Load()
			z.grow(newest)
			return newest - 1 - z.Next(rng)
		}
	}
	// YCSB draws from more keys than there are if some will be inserted, and again when it meets one that is not
	// there yet: popular keys stay the same while the number of keys grows. It sizes the space by the number of
	// operations, which is not known here: twice the keys leave as much room.
	items := keys
	if w.inserts() {
		items *= 2
	}
	s := newScrambled()
	return func(rng *rand.Rand) uint64 {
		for {
			if n := s.next(rng, items); n < space.done.Load() {
				return n
			}
		}
	}
}
