package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/anodekv/anode/txn"
)

// Option changes how [Client.Update], [Client.View] and what is built on them go about it.
type Option func(*options)

type options struct {
	attempts  int // 0 is no bound
	priority  Urgency
	staleness time.Duration
}

// Attempts bounds how often the function is run; it must be 1 or more. Without it the context alone does. When the
// last attempt met a conflict too, the error is [ErrConflict].
func Attempts(n int) Option {
	return func(o *options) {
		o.attempts = n
		if n == 0 {
			o.attempts = -1 // told apart from "not given", and refused
		}
	}
}

// Urgency says how a transaction behaves among others that want the same keys.
type Urgency int8

// The urgencies, for [Priority].
const (
	Low    Urgency = -1
	Normal Urgency = 0
	High   Urgency = 1
)

// urgencyFactor is by how much pauses differ from one urgency to the next: enough that a transaction of high
// priority mostly finds those of low priority asleep.
const urgencyFactor = 4

// Priority sets how long a transaction pauses after a conflict: a quarter of the normal time with [High], four times
// as long with [Low]. It is a matter between clients: servers treat all transactions alike, so that none is
// ever ended for the sake of another. Give Low to what runs in the background, and High to few.
func Priority(u Urgency) Option { return func(o *options) { o.priority = u } }

// Staleness lets [Client.View] show the database as it was d ago: all of one moment, without validation, so that it
// conflicts with nothing and costs one round per shard. It is for View alone; [Client.Update] refuses it with
// [ErrInvalid]. See [Client.SnapshotAt] for what is promised of the past, and for how long it is kept: more
// than that fails with [ErrTooOld].
func Staleness(d time.Duration) Option { return func(o *options) { o.staleness = d } }

// gather puts options together, or tells which of them makes no sense.
func gather(op string, readOnly bool, opts []Option) (options, error) {
	if len(opts) == 0 {
		return options{}, nil
	}
	return gatherSome(op, readOnly, opts)
}

// gatherSome is apart from [gather] because its options have to be allocated.
func gatherSome(op string, readOnly bool, opts []Option) (options, error) {
	var o options
	for _, opt := range opts {
		if opt == nil {
			return o, newError(op, "", ErrInvalid, errors.New("an option is nil"))
		}
		opt(&o)
	}
	var why error
	switch {
	case o.attempts < 0:
		why = errors.New("attempts must be 1 or more; leave the option out for no bound")
	case o.priority < Low || o.priority > High:
		why = fmt.Errorf("the priority is %d: choose Low, Normal or High", o.priority)
	case o.staleness < 0:
		why = fmt.Errorf("the staleness is %v: choose a time that is not negative", o.staleness)
	case o.staleness > 0 && !readOnly:
		why = fmt.Errorf("the staleness is %v: only View can do with the past", o.staleness)
	default:
		return o, nil
	}
	return o, newError(op, "", ErrInvalid, why)
}

// pause is the pause that the priority makes of the normal one.
func (o *options) pause(normal time.Duration) time.Duration {
	switch o.priority {
	case High:
		return normal / urgencyFactor
	case Low:
		return normal * urgencyFactor
	}
	return normal
}

// moment is the time that a transaction which begins now is to show; zero is the present.
func (o *options) moment() txn.Timestamp {
	if o.staleness == 0 {
		return 0
	}
	return max(1, txn.Timestamp(time.Now().Add(-o.staleness).UnixNano()))
}
