package main

import (
	"io"
	"os"
)

// progress is where a command tells how far it is: a terminal on standard error, where somebody may be looking, and
// nowhere otherwise.
func progress() io.Writer {
	if terminal(os.Stderr) {
		return os.Stderr
	}
	return io.Discard
}
