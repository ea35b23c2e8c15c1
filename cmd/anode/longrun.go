package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/anodekv/anode/client"
)

// errStalled is why a command that takes as long as it takes was ended.
var errStalled = errors.New("no progress within --timeout")

// runLong is run for a command without a limit on the whole of it: the time limit is for finding the cluster, and
// is handed to fn for each of its steps.
func (a *access) runLong(fn func(ctx context.Context, db *client.Client, limit time.Duration) error) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	finding, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	db, err := client.Open(finding, client.Config{Servers: c.Servers, Key: c.Key, AlsoKey: c.AlsoKey})
	if err != nil {
		return unopened(err, &c)
	}
	defer db.Close()
	return explain(fn(ctx, db, c.Timeout), c.Timeout)
}

// whileMoving returns a context that ends, with errStalled as its cause, when moved is not called for so long.
func whileMoving(ctx context.Context, limit time.Duration) (_ context.Context, moved, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(errStalled) })
	return ctx, func() { timer.Reset(limit) }, func() {
		timer.Stop()
		cancel(nil)
	}
}
