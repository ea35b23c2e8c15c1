package client

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/anodekv/anode/txn"
)

// fewEntries is up to how many keys looking through a list is faster than a map.
const fewEntries = 12

// Txn is a transaction in the making. It reads from the cluster and keeps what it read: reading a key again
// gives the same value, and reading a key that it wrote gives what it wrote. Writes stay in the client until
// the commit. It belongs to one goroutine.
type Txn struct {
	c        *Client
	readOnly bool
	done     bool
	// at, if not zero, is the moment of the past that the transaction shows: nothing is validated then.
	at txn.Timestamp
	// failed is the first error that left the transaction without something that it asked for. Its
	// commit fails with the same error, even if the caller thought nothing of it. unwritten is that of the first write
	// that was refused, which does not keep the transaction from reading on.
	failed    error
	unwritten error
	entries   []entry
	room      *room          // memory of the entries, if it goes back at the end
	index     map[string]int // of entries, once there are more than a few
	walks     []*walk        // the scans that were begun
	sorted    []string       // the keys of the first entries, in order; see ordered
	// sure: all that was read came in one linearizable answer of one shard. It is of one moment, which lies within
	// the call, so that nothing is left to validate.
	sure bool
}

// entry is what the transaction knows of one key.
type entry struct {
	key     string
	read    bool
	found   bool
	at      txn.Position
	written bool
	deleted bool
	value   []byte // written, or else read
}

// Begin starts a transaction that the caller ends with Commit or Rollback. Nothing is held anywhere for a
// transaction that was begun: it may be forgotten.
func (c *Client) Begin() *Txn { return &Txn{c: c} }

// room is memory for the entries of one transaction after another. A transaction refers to it by its entries alone, and Rollback
// takes those away from it before the room is used again: one that is kept for longer finds nothing.
type room struct{ entries []entry }

// begin starts a transaction whose end is sure to come by Rollback.
func (c *Client) begin(readOnly bool, at txn.Timestamp) *Txn {
	r := c.rooms.Get().(*room)
	return &Txn{c: c, readOnly: readOnly, at: at, room: r, entries: r.entries}
}

// Get returns the value of a key, or [ErrNotFound]. The result is the transaction's own: do not change it.
//
// What the transaction has read so far is made sure of at its end: until then two keys may show two moments.
func (t *Txn) Get(ctx context.Context, key string) ([]byte, error) {
	if err := t.usable("get", key); err != nil {
		return nil, err
	}
	if err := t.fetch(ctx, "get", key); err != nil {
		return nil, err
	}
	if e := t.find(key); e.deleted || !e.written && !e.found {
		return nil, newError("get", key, ErrNotFound, nil)
	} else {
		return e.value, nil
	}
}

// GetAll returns the values of several keys, asking all shards at once; nil stands for a key that does not
// exist.
func (t *Txn) GetAll(ctx context.Context, keys ...string) ([][]byte, error) {
	for _, key := range keys {
		if err := t.usable("get", key); err != nil {
			return nil, err
		}
	}
	if err := t.fetch(ctx, "get", keys...); err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if e := t.find(key); !e.deleted && (e.written || e.found) {
			values[i] = e.value
			if values[i] == nil {
				values[i] = []byte{} // empty, but there
			}
		}
	}
	return values, nil
}

// Put sets a key at the commit. The value is kept until then: do not change it. A transaction that was refused a write
// fails with the same error at its end, also where the caller thought nothing of it.
func (t *Txn) Put(_ context.Context, key string, value []byte) error {
	if err := t.writable("put", key); err != nil {
		return t.missesWrite(err)
	}
	if err := checkWrite("put", key, value); err != nil {
		return t.missesWrite(err)
	}
	e := t.enter(key)
	e.written, e.deleted, e.value = true, false, value
	return nil
}

// Delete removes a key at the commit. It is no error if there is none.
func (t *Txn) Delete(_ context.Context, key string) error {
	if err := t.writable("delete", key); err != nil {
		return t.missesWrite(err)
	}
	e := t.enter(key)
	e.written, e.deleted, e.value = true, true, nil
	return nil
}

// Commit makes the transaction happen, or tells why it did not: with [ErrConflict] if what it read is no
// longer so. A transaction that only read is checked in the same way.
func (t *Txn) Commit(ctx context.Context) error {
	if t.done {
		return newError("commit", "", ErrTxnDone, nil)
	}
	t.done = true
	if err := cmp.Or(t.failed, t.unwritten); err != nil {
		return err
	}
	if t.sure {
		return nil
	}
	k := t.c.take(errandCommit)
	t.fill(k, true)
	return t.c.commit(ctx, k, "")
}

// Rollback forgets the transaction. After the end of a transaction it does nothing, so that it can be
// deferred.
func (t *Txn) Rollback() {
	t.done = true
	if r := t.room; r != nil && cap(t.entries) <= keptKeys {
		clear(t.entries)
		r.entries = t.entries[:0]
		t.c.rooms.Put(r)
	}
	t.entries, t.index, t.walks, t.sorted, t.room = nil, nil, nil, nil, nil
}

// usable checks what every call about a key needs.
func (t *Txn) usable(op, key string) error {
	if err := t.open(op, key); err != nil {
		return err
	}
	return checkKey(op, key)
}

// open checks that the transaction can go on.
func (t *Txn) open(op, key string) error {
	switch {
	case t.done:
		return newError(op, key, ErrTxnDone, nil)
	case t.failed != nil:
		return t.failed
	}
	return nil
}

func (t *Txn) writable(op, key string) error {
	if err := t.usable(op, key); err != nil {
		return err
	}
	if t.readOnly {
		return newError(op, key, ErrReadOnly, errors.New("use Update to write"))
	}
	return nil
}

// missesWrite notes that the transaction lacks a write, for its commit.
func (t *Txn) missesWrite(err error) error {
	t.unwritten = cmp.Or(t.unwritten, err)
	return err
}

// fetch reads the keys that are not known yet, as many in one request as a shard answers.
func (t *Txn) fetch(ctx context.Context, op string, keys ...string) error {
	var few [fewEntries]string
	missing := few[:0]
	for _, key := range keys {
		if t.find(key) == nil {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// Of a transaction that only reads, the first request may turn out to be the only one.
	t.sure = t.readOnly && t.at == 0 && len(t.entries) == 0 && len(t.walks) == 0 && len(missing) <= txn.MaxReadKeys && t.c.together(missing)
	for rest := missing; len(rest) > 0; { // slices.Chunk would move few to the heap
		some := rest[:min(len(rest), txn.MaxReadKeys)]
		rest = rest[len(some):]
		k, err := t.c.read(ctx, op, reading{at: t.at, linearizable: t.sure}, some...)
		if err != nil {
			t.failed = err
			return err
		}
		for i, key := range some {
			e, v := t.enter(key), &k.values[i]
			e.read, e.found, e.at, e.value = true, v.Found, v.At, v.Value
		}
		t.c.release(k)
	}
	return nil
}

// together reports whether keys belong to one shard.
func (c *Client) together(keys []string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return c.ShardOf(key) != c.ShardOf(keys[0]) })
}

// find returns the entry of a key, or nil. It is good until the next enter.
func (t *Txn) find(key string) *entry {
	if t.index != nil {
		if i, ok := t.index[key]; ok {
			return &t.entries[i]
		}
		return nil
	}
	for i := range t.entries {
		if t.entries[i].key == key {
			return &t.entries[i]
		}
	}
	return nil
}

// enter returns the entry of a key, and makes one if there is none.
func (t *Txn) enter(key string) *entry {
	if e := t.find(key); e != nil {
		return e
	}
	t.entries = append(t.entries, entry{key: key})
	switch last := len(t.entries) - 1; {
	case t.index != nil:
		t.index[key] = last
	case last >= fewEntries:
		t.index = make(map[string]int, 2*len(t.entries))
		for i := range t.entries {
			t.index[t.entries[i].key] = i
		}
	}
	return &t.entries[len(t.entries)-1]
}

// ordered returns the keys of all entries in ascending order.
func (t *Txn) ordered() []string {
	for _, e := range t.entries[len(t.sorted):] {
		i, _ := slices.BinarySearch(t.sorted, e.key)
		t.sorted = slices.Insert(t.sorted, i, e.key)
	}
	return t.sorted
}

// fill writes into a call what the transaction has read, and if it is to happen what it writes.
func (t *Txn) fill(k *call, writes bool) {
	for i := range t.entries {
		e := &t.entries[i]
		reads := e.read && t.at == 0
		if !reads && !(writes && e.written) {
			continue
		}
		key := k.key(e.key)
		if reads {
			k.work.Reads = append(k.work.Reads, txn.Read{Key: key, Found: e.found, At: e.at})
		}
		if writes && e.written {
			k.write(key, e.value, e.deleted)
		}
	}
	k.scanned = t.scanned()
}
