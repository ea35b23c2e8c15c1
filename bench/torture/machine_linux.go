package torture

import (
	"context"
	"fmt"
	"math"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine says what this machine is, without its name.
func Machine() (string, error) {
	var u unix.Utsname
	var s unix.Sysinfo_t
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	if err := unix.Sysinfo(&s); err != nil {
		return "", err
	}
	gib := float64(s.Totalram) * float64(s.Unit) / (1 << 30)
	return fmt.Sprintf("%d cores, %.0f GiB, %s %s on %s", runtime.NumCPU(), math.Ceil(gib), unix.ByteSliceToString(u.Sysname[:]),
		unix.ByteSliceToString(u.Release[:]), runtime.GOARCH), nil
}

// Version is what an anode binary says of itself.
func Version(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s version: %w: %s", program, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
