package main

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/client"
)

// Exit codes, beside 0.
const (
	// exitFailed: it was not done.
	exitFailed = 1
	// exitNo: the cluster answered, and the answer is no: there is no such key, or a comparison does not hold.
	exitNo = 2
	// exitUnknown: the cluster could not tell whether it was done.
	exitUnknown = 3
)

// exitHelp stands in the help of each command that talks to a cluster.
const exitHelp = `

The exit code is 0 when it is done, 1 when it failed and nothing was changed, %sand 3 when the
cluster could not tell whether the change was made: it may have been, look before you repeat it.`

// exits is that help with the meaning of code 2, which has none where it is empty.
func exits(no string) string {
	if no != "" {
		no = "2 when " + no + ", "
	}
	return fmt.Sprintf(exitHelp, no)
}

// readExits is the same for commands that change nothing.
func readExits(no string) string {
	if no != "" {
		no = ", and 2 when " + no
	}
	return "\n\nThe exit code is 0 when it is done, 1 when it failed" + no + "."
}

// no is an answer of the cluster that is not what was hoped for.
type no struct{ error }

func (n no) Unwrap() error { return n.error }

func exitCode(err error) int {
	switch {
	case errors.As(err, new(no)):
		return exitNo
	case errors.Is(err, client.ErrOutcomeUnknown):
		return exitUnknown
	}
	return exitFailed
}
