package check

import (
	"errors"
	"sync"
)

// ErrFull says that a [Recorder] has no room for another transaction. The workload must end here: a
// transaction that ran unrecorded would show up as reads of values that nobody wrote.
var ErrFull = errors.New("history is full: stop the workload and check what was recorded")

// Recorder collects a history from many goroutines. Room is taken before a transaction starts, so that
// everything that ever reached the store is in the history.
type Recorder struct {
	mu      sync.Mutex
	limit   int
	records []*Record
}

// NewRecorder makes a recorder with room for limit transactions.
func NewRecorder(limit int) *Recorder {
	return &Recorder{limit: limit}
}

// Record is a transaction that is being recorded. It belongs to one goroutine until it is ended.
type Record struct {
	owner *Recorder
	ops   []Op
	txn   Txn
	ended bool
}

// Begin records that client starts a transaction now. The only error is [ErrFull].
func (r *Recorder) Begin(client int, now int64) (*Record, error) {
	rec := &Record{owner: r, txn: Txn{Client: client, Start: now, End: Never, Outcome: Unknown}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) >= r.limit {
		return nil, ErrFull
	}
	r.records = append(r.records, rec)
	return rec, nil
}

// Op records one operation. A write must be recorded before it is sent.
func (t *Record) Op(op Op) {
	t.owner.mu.Lock()
	defer t.owner.mu.Unlock()
	t.ops = append(t.ops, op)
}

// Reset forgets the operations so far, for a client that runs its function again after a conflict. The
// attempts before it must be known to have had no effect.
func (t *Record) Reset() {
	t.owner.mu.Lock()
	defer t.owner.mu.Unlock()
	t.ops = nil
}

// End records how the transaction ended, and when. It panics when called twice.
func (t *Record) End(now int64, outcome Outcome) {
	t.owner.mu.Lock()
	defer t.owner.mu.Unlock()
	if t.ended {
		panic("check: a transaction was ended twice")
	}
	t.ended = true
	t.txn.End, t.txn.Outcome = now, outcome
}

// Len tells how many transactions were begun.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.records)
}

// History copies what was recorded. A transaction that has not ended has an unknown outcome: its client may
// be gone for good.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := make(History, len(r.records))
	for i, rec := range r.records {
		h[i] = rec.txn
		h[i].Ops = append([]Op(nil), rec.ops...)
	}
	return h
}
