package runner

import (
	"context"
	"errors"

	"github.com/anodekv/anode/bench/workload"
)

// Store is one client's view of a store. It is called by one goroutine at a time.
type Store interface {
	// Do carries an operation out: all of its reads and writes as one transaction. The operation is not kept.
	Do(ctx context.Context, op *workload.Op) Outcome
}

// Outcome is how an operation went.
type Outcome struct {
	// Retries is how often the transaction was run again because another was faster.
	Retries int
	// Missing is how many keys were read that do not exist.
	Missing int
	// Err is nil if it is committed, [ErrAborted] if it was given up because others were faster, and anything else if it
	// failed or its outcome is unknown.
	Err error
}

// ErrAborted is the error of a transaction that was given up after conflicts; nothing of it happened.
var ErrAborted = errors.New("given up after conflicts")
