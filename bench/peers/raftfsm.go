package main

import (
	"errors"
	"io"

	"github.com/hashicorp/raft"
)

// table is the state machine under raft: a plain map. Raft calls it from one goroutine.
type table map[string][]byte

func (t table) Apply(entry *raft.Log) any {
	if entry.Type != raft.LogCommand {
		return nil
	}
	key, value, err := parseCommand(entry.Data)
	if err != nil {
		return err
	}
	t[string(key)] = value
	return nil
}

// ApplyBatch saves raft a channel operation per entry.
func (t table) ApplyBatch(entries []*raft.Log) []any {
	answers := make([]any, len(entries))
	for i, entry := range entries {
		answers[i] = t.Apply(entry)
	}
	return answers
}

var errNoSnapshots = errors.New("a benchmark run is too short for snapshots")

// Snapshot is never asked for: see snapshotThreshold.
func (t table) Snapshot() (raft.FSMSnapshot, error) { return nil, errNoSnapshots }

func (t table) Restore(snapshot io.ReadCloser) error {
	return errors.Join(errNoSnapshots, snapshot.Close())
}
