package main

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// table is the state machine under raft: a map of values with their versions, which are the indices of the entries
// that wrote them. Raft applies to it from one goroutine, and others read.
type table struct {
	mu    sync.RWMutex
	cells map[string]cell
}

type cell struct {
	version uint64
	value   []byte
}

func newTable() *table { return &table{cells: map[string]cell{}} }

// errConflict is the answer to a write of which something that it had read has changed.
var errConflict = errors.New("what was read has changed")

func (t *table) Apply(entry *raft.Log) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.apply(entry)
}

// ApplyBatch saves raft a channel operation per entry.
func (t *table) ApplyBatch(entries []*raft.Log) []any {
	t.mu.Lock()
	defer t.mu.Unlock()
	answers := make([]any, len(entries))
	for i, entry := range entries {
		answers[i] = t.apply(entry)
	}
	return answers
}

func (t *table) apply(entry *raft.Log) any {
	if entry.Type != raft.LogCommand {
		return nil
	}
	c := cursor{rest: entry.Data}
	if c.byte() != askWrite {
		return errFrame
	}
	changed := false
	for range c.uint16() {
		key := c.string()
		changed = t.cells[string(key)].version != c.uint64() || changed
	}
	writes := c
	for range c.uint16() {
		c.string()
		c.string()
	}
	if err := c.end(); err != nil {
		return err
	}
	if changed {
		return errConflict
	}
	for range writes.uint16() {
		key := string(writes.string())
		t.cells[key] = cell{entry.Index, writes.string()}
	}
	return nil
}

// read answers a read request from what is applied, all of one moment.
func (t *table) read(request []byte) ([]byte, error) {
	c := cursor{rest: request[1:]}
	t.mu.RLock()
	defer t.mu.RUnlock()
	b := []byte{statusDone}
	for range c.uint16() {
		at := t.cells[string(c.string())]
		b = appendString(binary.LittleEndian.AppendUint64(b, at.version), at.value)
	}
	return b, c.end()
}

var errNoSnapshots = errors.New("a benchmark run is too short for snapshots")

// Snapshot is never asked for: see snapshotThreshold.
func (t *table) Snapshot() (raft.FSMSnapshot, error) { return nil, errNoSnapshots }

func (t *table) Restore(snapshot io.ReadCloser) error {
	return errors.Join(errNoSnapshots, snapshot.Close())
}
