package doctor

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The questions of linux/ethtool.h that need one word for an answer. They are the old ones, which every driver since has
// gone on answering.
var offloadQuestions = []struct {
	name string
	cmd  uint32
	bit  uint32
}{
	{"rx", unix.ETHTOOL_GRXCSUM, 1},
	{"tx", unix.ETHTOOL_GTXCSUM, 1},
	{"gro", unix.ETHTOOL_GGRO, 1},
	{"lro", unix.ETHTOOL_GFLAGS, 1 << 15}, // ETH_FLAG_LRO
}

// offloads asks a driver what it does to packets before the programs or after them.
func offloads(device string) map[string]bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	on := map[string]bool{}
	for _, q := range offloadQuestions {
		if v, err := ethtoolValue(fd, device, q.cmd); err == nil {
			on[q.name] = v&q.bit != 0
		}
	}
	return on
}

// driver asks it for its name; a loopback has none.
func driver(device string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }()
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, device)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.Driver[:])
}

// ethtoolValue asks one question. struct ifreq is 40 bytes: a name of 16, then the address of struct ethtool_value.
func ethtoolValue(fd int, device string, cmd uint32) (uint32, error) {
	value := struct{ cmd, data uint32 }{cmd: cmd}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		rest [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:len(request.name)-1], device)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return 0, errno
	}
	return value.data, nil
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func clock(id int32) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

func bootTime() (time.Duration, error)   { return clock(unix.CLOCK_BOOTTIME) }
func sinceStart() (time.Duration, error) { return clock(unix.CLOCK_MONOTONIC) }
