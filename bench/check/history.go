package check

import (
	"fmt"
	"math"
	"strings"
)

// Never is the end of a transaction whose end nobody saw.
const Never = math.MaxInt64

// Value is what a key holds: data, or nothing. The zero Value is absent.
type Value struct {
	Present bool
	Data    string
}

// Absent is the value of a key that was never written, or was deleted.
var Absent = Value{}

// Of is the value that holds data.
func Of(data string) Value { return Value{Present: true, Data: data} }

// shownBytes is as much of a value as reports show: long lists would bury the order of events.
const shownBytes = 96

func (v Value) String() string {
	switch {
	case !v.Present:
		return "absent"
	case len(v.Data) > shownBytes:
		return fmt.Sprintf("%.*q… (%d bytes)", shownBytes, v.Data, len(v.Data))
	default:
		return fmt.Sprintf("%q", v.Data)
	}
}

// Kind is what an operation does.
type Kind uint8

const (
	// KindRead saw Value; an absent Value means that the key was not there.
	KindRead Kind = iota + 1
	// KindWrite stored Value; an absent Value means a delete.
	KindWrite
	// KindAppend added the token Value.Data to the list that the key holds. A list is its tokens joined
	// by single spaces; a key that is ever appended to must not be written in another way.
	KindAppend
)

// Op is one operation of a transaction.
type Op struct {
	Kind  Kind
	Key   string
	Value Value
}

// Read is the operation that saw value.
func Read(key string, value Value) Op { return Op{Kind: KindRead, Key: key, Value: value} }

// Write is the operation that stored data.
func Write(key, data string) Op { return Op{Kind: KindWrite, Key: key, Value: Of(data)} }

// Delete is the operation that removed key.
func Delete(key string) Op { return Op{Kind: KindWrite, Key: key} }

// Append is the operation that added token to the list at key. Tokens are unique and hold no space.
func Append(key, token string) Op { return Op{Kind: KindAppend, Key: key, Value: Of(token)} }

// List is the value of a list: its tokens in order.
func List(tokens ...string) Value { return Of(strings.Join(tokens, " ")) }

func (o Op) String() string {
	switch {
	case o.Kind == KindRead:
		return fmt.Sprintf("read %q = %v", o.Key, o.Value)
	case o.Kind == KindAppend:
		return fmt.Sprintf("append %q += %v", o.Key, o.Value)
	case !o.Value.Present:
		return fmt.Sprintf("delete %q", o.Key)
	default:
		return fmt.Sprintf("write %q = %v", o.Key, o.Value)
	}
}

// Outcome is what the client was told at the end.
type Outcome uint8

const (
	// Committed: everything took effect between Start and End.
	Committed Outcome = iota + 1
	// Aborted: nothing took effect, ever. What an aborted transaction read is not judged.
	Aborted
	// Unknown: all or nothing takes effect, at any time after Start.
	Unknown
)

var outcomeNames = [...]string{"", "committed", "aborted", "unknown"}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) && o > 0 {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Txn is one transaction as its client saw it; a single Get or Put is a transaction of one operation.
// Start was taken before the first request left and End after the last answer came, in nanoseconds of one
// clock. A transaction is before another only if it ended strictly before the other began.
type Txn struct {
	Client  int
	Start   int64
	End     int64
	Ops     []Op
	Outcome Outcome
}

// readOnly tells that the transaction wrote nothing.
func (t *Txn) readOnly() bool {
	for _, op := range t.Ops {
		if op.Kind != KindRead {
			return false
		}
	}
	return true
}

// History is what all clients saw, in any order. Reports name a transaction by its index.
type History []Txn

// malformed finds the first transaction that no client can have seen.
func (h History) malformed() error {
	for i := range h {
		if err := h[i].malformed(); err != nil {
			return fmt.Errorf("transaction T%d: %w", i, err)
		}
	}
	return nil
}

func (t *Txn) malformed() error {
	if t.Outcome < Committed || t.Outcome > Unknown {
		return fmt.Errorf("it has no outcome (%d): record Committed, Aborted or Unknown", t.Outcome)
	}
	if t.End < t.Start {
		return fmt.Errorf("it ends (%d) before it starts (%d): take both instants from one clock", t.End, t.Start)
	}
	for _, op := range t.Ops {
		if op.Kind < KindRead || op.Kind > KindAppend {
			return fmt.Errorf("operation on %q has no kind (%d)", op.Key, op.Kind)
		}
		if op.Kind == KindAppend && (op.Value.Data == "" || strings.Contains(op.Value.Data, " ")) {
			return fmt.Errorf("token %q of key %q is empty or holds a space: a read could not be cut into tokens", op.Value.Data, op.Key)
		}
	}
	return nil
}
