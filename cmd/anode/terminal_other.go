//go:build !linux

package main

import "os"

// terminal takes any character device for one: nodes run on Linux, and elsewhere only commands do.
func terminal(f *os.File) bool {
	i, err := f.Stat()
	return err == nil && i.Mode()&os.ModeCharDevice != 0
}
