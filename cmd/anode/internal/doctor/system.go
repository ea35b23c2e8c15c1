package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/anodekv/anode/bpf"
)

// system is what does not depend on an interface.
func (m *Machine) system() []Finding {
	return []Finding{m.kernel(), m.types(), m.capabilities(), m.lockedMemory(), m.programs(), m.compiler(), m.statistics(), m.clockSource(), m.bootClock()}
}

// kernel: below 6.1 the verifier refuses the programs, and tcx came with 6.6.
func (m *Machine) kernel() Finding {
	f := ok("kernel", "%s", m.Release)
	switch {
	case !m.atLeast(6, 1):
		return f.fail("Linux 6.1 or newer", "install a newer kernel and reboot; until then the node runs in user space")
	case !m.atLeast(6, 6):
		return f.warn("Linux 6.6, for tcx: without it the leader's broadcast stays in user space, and so does everything on an "+
			"interface without native XDP", "install a newer kernel and reboot")
	}
	return f
}

// atLeast compares the release, of which only the first two numbers mean the same everywhere.
func (m *Machine) atLeast(major, minor int) bool {
	var have [2]int
	if n, _ := fmt.Sscanf(m.Release, "%d.%d", &have[0], &have[1]); n != 2 {
		return false
	}
	return have[0] > major || have[0] == major && have[1] >= minor
}

// types: the programs bring their own, and need none of the kernel's; but where it has none much else may be left out.
func (m *Machine) types() Finding {
	if _, err := fs.Stat(m.Root, "sys/kernel/btf/vmlinux"); err != nil {
		return ok("btf", "none").warn("type information of the kernel: the programs may be refused", "boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y")
	}
	return ok("btf", "there")
}

// Numbers of linux/capability.h. CAP_SYS_ADMIN stands for the two that were split off it.
const (
	capNetAdmin = 12
	capSysAdmin = 21
	capPerfmon  = 38
	capBPF      = 39
)

// capabilities are this process's: a service has those that its unit gives it.
func (m *Machine) capabilities() Finding {
	const check = "capabilities"
	mask, found := "", false
	for line := range strings.Lines(m.read("proc/thread-self/status")) {
		if mask, found = strings.CutPrefix(line, "CapEff:"); found {
			break
		}
	}
	has, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
	if err != nil {
		return ok(check, "unknown").warn("/proc/thread-self/status, which tells them", "mount -t proc proc /proc")
	}
	var lacking []string
	for _, c := range []struct {
		name string
		bit  int
	}{{"CAP_BPF", capBPF}, {"CAP_NET_ADMIN", capNetAdmin}, {"CAP_PERFMON", capPerfmon}} {
		if has>>c.bit&1 == 0 && (c.bit == capNetAdmin || has>>capSysAdmin&1 == 0) {
			lacking = append(lacking, c.name)
		}
	}
	if len(lacking) > 0 {
		return ok(check, "this process lacks %d", len(lacking)).fail(strings.Join(lacking, ", "),
			"run as root; or in the unit: AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON; or: setcap cap_bpf,cap_net_admin,cap_perfmon+ep $(command -v anode)")
	}
	return ok(check, "enough for the programs")
}

// lockedMemory: the limit bound maps until Linux 5.11, since then they are charged to the memory of the cgroup. People look
// for it all the same, because loaders blame it.
func (m *Machine) lockedMemory() Finding {
	const check = "memlock"
	limit := "not told here"
	for line := range strings.Lines(m.read("proc/thread-self/limits")) {
		if rest, found := strings.CutPrefix(line, "Max locked memory"); found && len(strings.Fields(rest)) > 0 {
			limit = strings.Fields(rest)[0]
		}
	}
	if _, err := strconv.ParseUint(limit, 10, 64); err == nil {
		limit += " bytes"
	}
	if m.atLeast(5, 11) || m.Release == "" {
		return ok(check, "%s, and nothing here is counted against it", limit)
	}
	f := ok(check, "%s", limit)
	if limit == "unlimited" {
		return f
	}
	return f.fail("no limit on locked memory: this kernel counts maps against it", "ulimit -l unlimited; or in the unit: LimitMEMLOCK=infinity")
}

// programs is the try that decides. What may stand in its way although no capability is missing is looked up only then.
// The limit on locked memory is not among that, though the loader blames it. Neither are
// kernel.unprivileged_bpf_disabled, which binds those without capabilities, nor lockdown, which takes away helpers that the
// programs do not use; but they are told, for some kernels are patched to do more.
func (m *Machine) programs() Finding {
	err := m.Load()
	f := ok("programs", "the kernel takes them")
	switch {
	case err == nil:
		return f
	case errors.Is(err, bpf.ErrPermission):
		f.Found = "the kernel does not take them: not permitted"
		return f.fail(err.Error(), m.restrictions())
	}
	f.Found = "the kernel does not take them"
	return f.fail(err.Error(), "mend what failed above; the node runs in user space until then")
}

func (m *Machine) restrictions() string {
	var about []string
	for line := range strings.Lines(m.read("proc/thread-self/status")) {
		if mode, found := strings.CutPrefix(line, "Seccomp:"); found && strings.TrimSpace(mode) != "0" {
			about = append(about, "seccomp filters this process: allow the system call bpf (in a unit: SystemCallFilter=bpf; for docker: --security-opt seccomp=FILE)")
		}
	}
	if how := m.read("sys/kernel/security/lockdown"); strings.Contains(how, "[") && !strings.Contains(how, "[none]") {
		about = append(about, "the kernel is locked down: "+how+"; boot with lockdown=none or without Secure Boot")
	}
	if how := m.read("proc/sys/kernel/unprivileged_bpf_disabled"); how != "" && how != "0" {
		about = append(about, "kernel.unprivileged_bpf_disabled is "+how+", which is right")
	}
	about = append(about, "give the capabilities; the limit on locked memory may stay, for no kernel since 5.11 counts maps against it")
	return strings.Join(about, "; ")
}

// compiler: an interpreted program takes some ten times as long for each packet.
func (m *Machine) compiler() Finding {
	switch v := m.read("proc/sys/net/core/bpf_jit_enable"); v {
	case "0":
		return ok("jit", "off").warn("the compiler for programs: they are interpreted", "sysctl -w net.core.bpf_jit_enable=1")
	case "":
		return ok("jit", "not told here")
	default:
		return ok("jit", "on")
	}
}

func (m *Machine) statistics() Finding {
	if m.read("proc/sys/kernel/bpf_stats_enabled") == "1" {
		return ok("statistics", "on").warn("their absence: two readings of the clock for each packet", "sysctl -w kernel.bpf_stats_enabled=0")
	}
	return ok("statistics", "off")
}

// slowSources are read by a trap into a device, for each packet.
var slowSources = map[string]bool{"hpet": true, "acpi_pm": true, "jiffies": true, "refined-jiffies": true, "pit": true}

func (m *Machine) clockSource() Finding {
	const at = "/sys/devices/system/clocksource/clocksource0/"
	now := m.read(at[1:] + "current_clocksource")
	switch {
	case now == "":
		return ok("clock source", "not told here")
	case slowSources[now]:
		return ok("clock source", "%s", now).warn("a fast one: this is read for each packet, and takes a microsecond or more",
			"cat "+at+"available_clocksource, and echo tsc or what the hypervisor offers into "+at+"current_clocksource")
	}
	return ok("clock source", "%s", now)
}

// clockPause is long enough for every clock to move.
const clockPause = 10 * time.Millisecond

// bootClock: leases and the time of the last acknowledgement are compared on it.
func (m *Machine) bootClock() Finding {
	f := ok("boot-time clock", "it runs")
	first, err := m.BootTime()
	if err != nil {
		return f.fail(err.Error(), "use a kernel with CLOCK_BOOTTIME")
	}
	start, err := m.SinceStart()
	if err != nil {
		return f.fail(err.Error(), "use a kernel with CLOCK_MONOTONIC")
	}
	m.Sleep(clockPause)
	second, err := m.BootTime()
	switch after := second - first; {
	case err != nil:
		return f.fail(err.Error(), "use a kernel with CLOCK_BOOTTIME")
	case start-first > clockPause:
		f.Found = fmt.Sprintf("%v behind the time since the start", start-first)
	case after < clockPause/2:
		f.Found = fmt.Sprintf("it moved by %v in %v", after, clockPause)
	default:
		return f
	}
	return f.fail("a clock that counts the time since the machine's start and never goes back", "change the clock source, and report it to who runs the hypervisor")
}

// addressInUse tells what the port is taken by from what forbids it.
func addressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
