//go:build !linux

package doctor

import (
	"errors"
	"runtime"
	"time"
)

// release is no number of Linux's, so the first check fails.
func release() string { return runtime.GOOS }

func offloads(string) map[string]bool { return nil }
func driver(string) string            { return "" }

var errClock = errors.New("this system has no boot-time clock")

func bootTime() (time.Duration, error)   { return 0, errClock }
func sinceStart() (time.Duration, error) { return 0, errClock }
