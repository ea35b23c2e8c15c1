package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
)

// What main makes of an error, however it was wrapped on its way: the code that the help promises, and a text that
// names the program once.
func TestExitCodes(t *testing.T) {
	unknown := &client.Error{Op: "put", Key: "k", Shard: -1, Kind: client.ErrOutcomeUnknown, Context: context.DeadlineExceeded}
	conflict := &client.Error{Op: "update", Shard: -1, Kind: client.ErrConflict, Context: context.DeadlineExceeded}
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{errors.New("any"), 1, "any"},
		{no{errors.New("not found")}, 2, "not found"},
		{explain(fmt.Errorf("statement 1: %w", no{errors.New("differs")}), time.Second), 2, "differs"},
		{explain(unknown, time.Second), 3, "outcome unknown"},
		{explain(unknown, time.Second), 3, "it may have been done: look before you repeat it"},
		{explain(fmt.Errorf("statement 1: %w", bare{unknown}), time.Second), 3, "outcome unknown"},
		{errors.Join(explain(unknown, time.Second), nil), 3, "outcome unknown"},
		{explain(conflict, time.Second), 1, "(--timeout is 1s)"},
	} {
		if got := exitCode(c.err); got != c.code || !strings.Contains(c.err.Error(), c.want) || strings.Contains(c.err.Error(), "anode:") {
			t.Errorf("%v: %d, want %d and %q", c.err, got, c.code, c.want)
		}
	}
}
