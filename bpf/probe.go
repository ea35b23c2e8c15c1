//go:build linux

package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

var (
	// ErrPermission says that this process may not do it; the error names the capabilities that it lacks.
	ErrPermission = errors.New("bpf: not permitted")
	// ErrUnsupported says that this kernel, or this interface, cannot do it.
	ErrUnsupported = errors.New("bpf: not supported here")
)

// Probe tries whether the programs can be loaded. It returns nil or the reason why not.
func Probe() error {
	k, err := Load(Options{LogSlots: 1})
	if err != nil {
		return err
	}
	return k.Close()
}

// explain turns what the kernel said into what can be done about it. It is asked only after a failure, because what
// a machine can do is known best by trying.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		if lacking := lackingCapabilities(); lacking != "" {
			return fmt.Errorf("%w: run as root, or with %s: %w", ErrPermission, lacking, err)
		}
		return fmt.Errorf("%w, though no capability is missing: seccomp, lockdown or a container forbids it: %w", ErrPermission, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: Linux %s%s; needed are 6.1, and 6.6 for tcx: %w", ErrUnsupported, release(), typeInformation(), err)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("bpf: another program is there already: %w", err)
	}
	return fmt.Errorf("bpf: %w", err)
}

// needed are the capabilities, by their numbers in linux/capability.h. CAP_SYS_ADMIN stands for all but NET_ADMIN.
var needed = []struct {
	name string
	bit  int
}{{"CAP_BPF", unix.CAP_BPF}, {"CAP_PERFMON", unix.CAP_PERFMON}, {"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}}

// lackingCapabilities names what the process lacks, or nothing.
func lackingCapabilities() string {
	has, err := capabilities()
	if err != nil {
		return ""
	}
	var lacking []string
	for _, c := range needed {
		admin := c.bit != unix.CAP_NET_ADMIN && has>>unix.CAP_SYS_ADMIN&1 == 1
		if has>>c.bit&1 == 0 && !admin {
			lacking = append(lacking, c.name)
		}
	}
	return strings.Join(lacking, ", ")
}

// capabilities are the effective ones of this thread.
func capabilities() (uint64, error) {
	f, err := os.Open("/proc/thread-self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if mask, ok := strings.CutPrefix(s.Text(), "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		}
	}
	return 0, errors.New("no capabilities in /proc/thread-self/status")
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "of an unknown release"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// typeInformation remarks that the kernel was built without BTF, where it was.
func typeInformation() string {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return ", built without BTF"
	}
	return ""
}
