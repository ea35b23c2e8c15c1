package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// What can go wrong. Errors of this package wrap one of these: test for them with errors.Is.
var (
	// ErrNotFound: the key does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict: another transaction was faster. Nothing was applied; try again as a new transaction.
	ErrConflict = errors.New("conflict with another transaction")
	// ErrOutcomeUnknown: the transaction may have committed, or may yet. See [Client.Outcome].
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrTooLarge: a key, a value or a transaction exceeds a limit. Nothing was applied.
	ErrTooLarge = errors.New("too large")
	// ErrInvalid: the request makes no sense, such as an empty key. Nothing was applied.
	ErrInvalid = errors.New("invalid request")
	// ErrTxnDone: the transaction was committed or rolled back before.
	ErrTxnDone = errors.New("transaction is done")
	// ErrReadOnly: a write inside View.
	ErrReadOnly = errors.New("read-only transaction")
	// ErrUnavailable: the shard could not be reached, or could not serve, in the time that the context
	// allowed. Nothing was applied.
	ErrUnavailable = errors.New("unavailable")
	// ErrOverloaded: a limit of this client or of a shard turned it away. Nothing was applied.
	ErrOverloaded = errors.New("overloaded")
	// ErrTooOld: the time of a snapshot lies further back than old values are kept.
	ErrTooOld = errors.New("too old")
	// ErrClosed: the client is closed. Nothing was applied.
	ErrClosed = errors.New("client is closed")
	// ErrInternal: the servers contradict this client: a bug, or another client with the same identity.
	ErrInternal = errors.New("internal error")
)

// Error is what every failing call of this package returns.
type Error struct {
	// Op is what was attempted: "get", "put", "commit", ...
	Op string
	// Key is the key concerned, or the one on which a conflict was found; it may be empty.
	Key string
	// Shard is where it failed, or -1 where no one shard can be named.
	Shard int64
	// Txn names the transaction, once it had been sent. Ask [Client.Outcome] about it.
	Txn txn.ID
	// Attempts counts the transactions tried.
	Attempts int
	// Kind is one of this package's sentinels, or the error of a context that was cancelled.
	Kind error
	// Cause is the last real obstacle, such as "group 2: leader not ready", or nil.
	Cause error
	// Context is why the waiting ended, when it was the context that ended it.
	Context error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "anode: %s", e.Op)
	if e.Key != "" {
		fmt.Fprintf(&b, " %.64q", e.Key)
	}
	if e.Shard >= 0 {
		fmt.Fprintf(&b, " at %v", shard.ID(e.Shard))
	}
	fmt.Fprintf(&b, ": %v", e.Kind)
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	if e.Txn != (txn.ID{}) && errors.Is(e.Kind, ErrOutcomeUnknown) {
		fmt.Fprintf(&b, " (transaction %v)", e.Txn)
	}
	for _, more := range []error{e.Cause, e.Context} {
		if more != nil && !errors.Is(e.Kind, more) {
			fmt.Fprintf(&b, ": %v", more)
		}
	}
	return b.String()
}

// Unwrap makes errors.Is and errors.As see the kind, the cause and the context's error.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Cause, e.Context} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func newError(op, key string, kind, cause error) *Error {
	return &Error{Op: op, Key: key, Shard: -1, Kind: kind, Cause: cause}
}

// Obstacle is the cause that a server or the network gave.
type Obstacle struct{ twopc.Cause }

func (o Obstacle) Error() string { return o.String() }

// failure turns a completion that is no success into an error.
func failure(op, key string, done *twopc.Completion, ctxErr error) *Error {
	e := newError(op, key, kindOf(done, ctxErr), nil)
	e.Txn, e.Context = done.ID, ctxErr
	if done.Cause != (twopc.Cause{}) {
		e.Cause = Obstacle{done.Cause}
		e.Shard = int64(done.Cause.Group)
	}
	if len(done.Key) > 0 {
		e.Key, e.Shard = string(done.Key), int64(done.Group)
	}
	return e
}

func kindOf(done *twopc.Completion, ctxErr error) error {
	switch done.Result {
	case twopc.ResultConflict:
		return ErrConflict
	case twopc.ResultUnknown:
		return ErrOutcomeUnknown
	case twopc.ResultOverloaded:
		return ErrOverloaded
	case twopc.ResultMismatch:
		return ErrInternal
	case twopc.ResultRejected:
		return rejection(done.Cause.Reason)
	}
	return interruption(ctxErr)
}

func rejection(reason txn.Reason) error {
	switch reason {
	case txn.ReasonTooLarge:
		return ErrTooLarge
	case txn.ReasonMalformed:
		return ErrInvalid
	case txn.ReasonTooOld:
		return ErrTooOld
	}
	return ErrUnavailable // the shard moved: this client's layout of the cluster is out of date
}
