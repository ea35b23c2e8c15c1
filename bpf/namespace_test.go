//go:build linux

package bpf

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// namespace moves the test into a network namespace of its own, which has nothing but a loopback. The thread stays
// there, and ends with the test: nothing is left behind. Sockets and links must be made by the test itself.
func namespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread is not fit for anything else
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		unavailable(t, fmt.Errorf("a network namespace: %w", err))
	}
	if err := loopbackUp(); err != nil {
		t.Fatal(err)
	}
}

// loopback is the index of the loopback in every namespace.
const loopback = 1

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = unix.IFF_UP
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return errno
	}
	return nil
}
