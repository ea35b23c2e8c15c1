package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// progress is where a command tells how far it is: a terminal on standard error, where somebody may be looking, and
// nowhere otherwise.
func progress() io.Writer {
	if terminal(os.Stderr) {
		return os.Stderr
	}
	return io.Discard
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
