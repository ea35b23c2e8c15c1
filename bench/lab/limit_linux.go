package lab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLimits says that this machine has no control groups, or none that this process may use.
var ErrLimits = errors.New("the processor time of processes cannot be limited here")

const (
	// limitPeriod is short: who has used up its share stands still for the rest of a period.
	limitPeriod = 20 * time.Millisecond
	// LeastShare of a processor is what a quota of 1 ms comes to, the least that the kernel takes.
	LeastShare = 0.05
	procsFile  = "cgroup.procs"
)

// hierarchy is a tree of control groups with the controller of processor time.
type hierarchy struct {
	version int
	// at is where it is mounted, and root the group that is seen there.
	at, root string
}

// hierarchies are those that mountinfo, a file of that format, tells of.
func hierarchies(mountinfo string) (all []hierarchy, err error) {
	f, err := os.Open(mountinfo)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		mount, system, _ := strings.Cut(lines.Text(), " - ")
		m, s := strings.Fields(mount), strings.Fields(system)
		switch {
		case len(m) < 5 || len(s) < 3:
		case s[0] == "cgroup" && slices.Contains(strings.Split(s[2], ","), "cpu"):
			all = append(all, hierarchy{1, m[4], m[3]})
		case s[0] == "cgroup2":
			all = append(all, hierarchy{2, m[4], m[3]})
		}
	}
	return all, lines.Err()
}

// limits finds the hierarchy with the controller of processor time. In the second version its groups must be told that they have it.
func limits() (h hierarchy, err error) {
	all, err := hierarchies("/proc/self/mountinfo")
	if err != nil {
		return h, err
	}
	for _, h := range all {
		if h.version == 1 {
			return h, nil
		}
		control := filepath.Join(h.at, "cgroup.subtree_control")
		b, e := os.ReadFile(control)
		if e == nil && !slices.Contains(strings.Fields(string(b)), "cpu") {
			e = os.WriteFile(control, []byte("+cpu"), 0)
		}
		if e == nil {
			return h, nil
		}
		err = errors.Join(err, e)
	}
	return h, fmt.Errorf("%w: %w", ErrLimits, errors.Join(err, errors.New("no control groups with the controller cpu")))
}

// Limits tells by what [Lab.Throttle] works on this machine, or why it does not.
func (l *Lab) Limits() (by string, err error) {
	h, err := limits()
	if err != nil {
		return "", err
	}
	probe := h.group(l.state.Config.Name, "probe")
	if err := h.make(probe, 1); err != nil {
		return "", fmt.Errorf("%w: %w", ErrLimits, err)
	}
	return fmt.Sprintf("control groups, version %d", h.version), removeGroup(probe)
}

// Throttle lets a node's process have a share of one processor and no more, in slices of milliseconds: the system's scheduler sees to it, and what
// the kernel does for the node goes on. [ErrLimits] says that the machine cannot.
func (l *Lab) Throttle(i int, share float64) error {
	n := l.Nodes()[i]
	if share < LeastShare {
		return fmt.Errorf("%w: a share of %v: choose %v or more", ErrConfig, share, LeastShare)
	}
	if !n.Process.lives() {
		return fmt.Errorf("%w: %s", ErrStopped, n.Name)
	}
	h, err := limits()
	if err != nil {
		return err
	}
	group := h.group(l.state.Config.Name, n.Name)
	if err := h.make(group, share); err != nil {
		return fmt.Errorf("%w: %w", ErrLimits, err)
	}
	return move(group, n.Process.PID)
}

// Unthrottle undoes Throttle, also where there is nothing to undo. The process goes where this one is.
func (l *Lab) Unthrottle(i int) error {
	h, err := limits()
	if err != nil {
		return nil //nolint:nilerr // nothing can have been limited
	}
	n := l.Nodes()[i]
	group := h.group(l.state.Config.Name, n.Name)
	if _, err := os.Stat(group); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if n.Process.lives() {
		mine, err := h.own()
		if err != nil {
			return err
		}
		if err := move(mine, n.Process.PID); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return removeGroup(group)
}

// group is the directory of a member's group.
func (h hierarchy) group(lab, member string) string {
	return filepath.Join(h.at, prefix+lab+"-"+member)
}

// make makes a group with a share of one processor.
func (h hierarchy) make(group string, share float64) error {
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, os.ErrExist) { // #nosec G301: it is no file
		return err
	}
	period := limitPeriod.Microseconds()
	quota := int64(share * float64(period))
	if h.version == 2 {
		return os.WriteFile(filepath.Join(group, "cpu.max"), fmt.Appendf(nil, "%d %d", quota, period), 0)
	}
	return errors.Join(os.WriteFile(filepath.Join(group, "cpu.cfs_period_us"), fmt.Append(nil, period), 0),
		os.WriteFile(filepath.Join(group, "cpu.cfs_quota_us"), fmt.Append(nil, quota), 0))
}

// own is the directory of this process's group.
func (h hierarchy) own() (string, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if h.version == 2 && fields[0] == "0" || h.version == 1 && slices.Contains(strings.Split(fields[1], ","), "cpu") {
			below, err := filepath.Rel(h.root, fields[2])
			if err != nil || strings.HasPrefix(below, "..") {
				below = "."
			}
			return filepath.Join(h.at, below), nil
		}
	}
	return h.at, nil
}

func move(group string, pid int) error {
	return os.WriteFile(filepath.Join(group, procsFile), []byte(strconv.Itoa(pid)), 0)
}

// removeGroup removes a group whose processes have gone, or go.
func removeGroup(group string) error {
	for until := time.Now().Add(endTime); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Rmdir(group)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(until) {
			return fmt.Errorf("%s: %w", group, err)
		}
	}
}

// dropGroups removes all groups of a lab whose processes have ended.
func dropGroups(name string) error {
	all, err := hierarchies("/proc/self/mountinfo")
	for _, h := range all {
		groups, _ := filepath.Glob(filepath.Join(h.at, prefix+name+"-*")) // the pattern is a good one
		for _, group := range groups {
			err = errors.Join(err, removeGroup(group))
		}
	}
	return err
}
