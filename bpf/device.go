//go:build linux

package bpf

import "golang.org/x/sys/unix"

// driverByIoctl asks the driver itself for its name; that works in containers, where the system's tree may be hidden.
func driverByIoctl(device string) (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, device)
	if err != nil {
		return "", err
	}
	return unix.ByteSliceToString(info.Driver[:]), nil
}
