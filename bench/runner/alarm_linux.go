package runner

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm sleeps to some ten microseconds. Timers of the Go runtime wake an idle process up to a millisecond late, and a
// system call that sleeps would keep a processor from the goroutines; a timer as a file does neither.
type alarm struct {
	file *os.File
	fd   int
}

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}, fmt.Errorf("make a timer: %w", err)
	}
	return alarm{os.NewFile(uintptr(fd), "timer"), fd}, nil
}

func (a alarm) sleep(d time.Duration) {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if err := unix.TimerfdSettime(a.fd, 0, &at, nil); err != nil {
		time.Sleep(d)
		return
	}
	var n [8]byte
	_, _ = a.file.Read(n[:]) // how often it has rung does not matter
}

func (a alarm) close() { _ = a.file.Close() }
