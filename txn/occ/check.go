package occ

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

// Check decides whether work, of transaction id, may be ordered now: all that it read still holds in the
// store, and no lock of another prepared transaction is in its way. If not, it returns a key that shows
// it. The answer depends on nothing but the arguments and the set.
func (s *Set) Check(store *mvcc.Store, id txn.ID, work *txn.Work) (ok bool, key []byte) {
	if ok, key := Holds(store, work); !ok {
		return false, key
	}
	key, blocked := s.Blocker(id, work)
	return !blocked, key
}

// Holds is the first half of Check: whether all that work read is still so in the store. Once it fails it
// fails for ever, whatever becomes of the locks.
func Holds(store *mvcc.Store, work *txn.Work) (ok bool, key []byte) {
	for i := range work.Reads {
		if r := &work.Reads[i]; !readHolds(store, r) {
			return false, r.Key
		}
	}
	for i := range work.Ranges {
		if ok, key := rangeHolds(store, &work.Ranges[i]); !ok {
			return false, key
		}
	}
	return true, nil
}

// readHolds: a version that was read must be the newest one still. A key that was absent must have no
// version since, and since must not lie below the floor, where a key could have come and gone unseen.
func readHolds(store *mvcc.Store, r *txn.Read) bool {
	v, ok := store.Latest(r.Key)
	if r.Found {
		return ok && !v.Deleted && v.At == r.At
	}
	if mutant.On("absent-unvalidated") || mutant.On("deleted-unvalidated") && wasDeleted(store, r) {
		return true
	}
	if ok && (!v.Deleted || v.At.Compare(r.At) > 0) {
		return false
	}
	return r.At.Compare(store.Floor()) >= 0
}

// wasDeleted: the key was read as absent because it had been deleted. Only a mutant makes a difference of it.
func wasDeleted(store *mvcc.Store, r *txn.Read) bool {
	v, ok := store.At(r.Key, r.At)
	return ok && v.Deleted
}

// rangeHolds: nothing in the range, tombstones included, may be newer than the scan.
func rangeHolds(store *mvcc.Store, r *txn.Range) (ok bool, key []byte) {
	if mutant.On("range-unvalidated") {
		return true, nil
	}
	if r.At.Compare(store.Floor()) < 0 {
		return false, r.Start
	}
	key, changed := store.ChangedIn(r.Start, r.End, r.At)
	return !changed, key
}
