package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/shard/server"
)

// used is the processor time that a process has had, to a hundredth of a second.
func used(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// groups are those that a lab has.
func groups(t *testing.T, name string) []string {
	t.Helper()
	h, err := limits()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(h.group(name, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// limited leaves a test out where control groups cannot be written, in a container for instance: no privilege of the tests' brings them.
// Whether they can is seen from the files, so that limits that fail for another reason fail the test.
func limited(t *testing.T, l *Lab) {
	t.Helper()
	by, err := l.Limits()
	if errors.Is(err, ErrLimits) && !writable(t) {
		t.Skip(err)
	}
	if err != nil || by == "" {
		t.Fatalf("%q, %v", by, err)
	}
}

// writable reports whether some hierarchy of control groups can be written that has the controller of processor time.
func writable(t *testing.T) bool {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		m := strings.Fields(line) // what, where, of what sort, how
		var has []string
		switch m[2] {
		case "cgroup":
			has = strings.Split(m[3], ",")
		case "cgroup2":
			b, _ := os.ReadFile(filepath.Join(m[1], "cgroup.subtree_control")) // one that cannot be read gives nothing away
			has = strings.Fields(string(b))
		}
		if slices.Contains(has, "cpu") && unix.Access(m[1], unix.W_OK) == nil {
			return true
		}
	}
	return false
}

// A process that would run all the time gets its share and no more, and later all it wants. However busy the machine is, it has not more.
func TestAProcessIsThrottled(t *testing.T) {
	c := exec.Command("sh", "-c", "while :; do :; done")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	p, err := observe(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{state: &state{Config: Config{Name: testName()}, Nodes: []Node{{Name: "n0", Process: p}}}}
	limited(t, l)
	const share = 0.1
	had := func() (time.Duration, time.Duration) {
		from, began := used(t, p.PID), time.Now()
		time.Sleep(700 * time.Millisecond)
		return used(t, p.PID) - from, time.Since(began)
	}
	if err := l.Throttle(0, share); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	few, in := had()
	if most := time.Duration(share*float64(in)) + 40*time.Millisecond; few > most {
		t.Errorf("with a share of %v it ran for %v of %v", share, few, in)
	}
	if err := l.Throttle(0, 2*share); err != nil { // what is limited can be limited otherwise
		t.Fatal(err)
	}
	if err := l.Unthrottle(0); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(patience); ; {
		if all, in := had(); all > time.Duration(3*share*float64(in)) {
			break
		}
		if time.Now().After(until) {
			t.Fatal("it never had more after the limit was gone")
		}
	}
	if left := groups(t, l.state.Config.Name); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	if err := l.Unthrottle(0); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := l.Throttle(0, LeastShare/2); !errors.Is(err, ErrConfig) {
		t.Errorf("a share that is too small: %v", err)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if err := l.Throttle(0, 1); !errors.Is(err, ErrStopped) {
		t.Errorf("a dead process: %v", err)
	}
}

// A throttled node can be killed and started again, and what is left of the limits goes with the lab.
func TestAThrottledNodeIsKilled(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOn})
	limited(t, c.Lab)
	db := c.open()
	_, f := c.roles()
	c.must(c.Throttle(f, LeastShare))
	c.must(db.Put(c.within(), "k", nil)) // the others go on
	c.must(c.Kill(c.within(), f))
	if len(groups(t, c.state.Config.Name)) != 1 {
		t.Errorf("there is no group of a throttled node")
	}
	c.must(c.Unthrottle(f))
	c.must(c.Start(f))
	c.must(c.AwaitNode(c.within(), f))
	c.must(c.Throttle(f, LeastShare))
	c.must(c.Throttle((f+1)%3, LeastShare))
	c.must(Down(c.within(), c.state.Config.Name))
	if left := groups(t, c.state.Config.Name); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	c.must(os.MkdirAll(c.Dir(), 0o700)) // for the end of the test, which takes it down
}

func TestHierarchiesAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mountinfo")
	const text = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 /docker/1 /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct
33 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
a line of nothing
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := hierarchies(path)
	if want := []hierarchy{{1, "/sys/fs/cgroup/cpu,cpuacct", "/docker/1"}, {2, "/sys/fs/cgroup/unified", "/"}}; err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%v, %+v", err, all)
	}
	if _, err := hierarchies(path + "s"); err == nil {
		t.Error("a file that there is not is read")
	}
}
