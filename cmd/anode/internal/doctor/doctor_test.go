package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/anodekv/anode/bpf"
)

// files are those of a machine on which all is well.
func files() fstest.MapFS {
	tree := fstest.MapFS{}
	for path, content := range map[string]string{
		"sys/kernel/btf/vmlinux":                    "BTF",
		"proc/thread-self/status":                   "Name:\tanode\nCapEff:\t000000c000001000\nSeccomp:\t0\n",
		"proc/thread-self/limits":                   "Limit Soft Limit Hard Limit Units\nMax locked memory 8388608 8388608 bytes\n",
		"proc/sys/net/core/bpf_jit_enable":          "1\n",
		"proc/sys/kernel/bpf_stats_enabled":         "0\n",
		"proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
		"proc/cpuinfo":                              "processor\t: 0\nmodel name\t: processor of two\nprocessor\t: 1\n",
		"proc/thread-self/net/arp": "IP address HW type Flags HW address Mask Device\n" +
			"10.0.0.2 0x1 0x2 02:00:00:00:00:02 * eth0\n10.0.0.3 0x1 0x2 02:00:00:00:00:03 * eth0\n" +
			"10.0.0.4 0x1 0x0 00:00:00:00:00:00 * eth0\n10.0.0.5 0x1 0x2 02:00:00:00:00:05 * eth1\n",
		"sys/class/net/eth0/queues/rx-0/rps_cpus":                           "0",
		"sys/class/net/eth0/queues/rx-1/rps_cpus":                           "0",
		"sys/class/net/eth0/queues/tx-0/xps_cpus":                           "0",
		"sys/devices/system/clocksource/clocksource0/current_clocksource":   "tsc\n",
		"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet\n",
	} {
		tree[path] = &fstest.MapFile{Data: []byte(content)}
	}
	return tree
}

// patient is a machine with its disease; as it comes it has none.
type patient struct {
	Machine
	files  fstest.MapFS
	eth0   Device
	target Target
}

func healthy() *patient {
	p := &patient{files: files(), eth0: Device{Name: "eth0", Up: true, Ethernet: true, MTU: 1500, Driver: "ice",
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
		Offloads: map[string]bool{"rx": true, "tx": true, "gro": true, "lro": false}}}
	now := time.Hour
	tick := func() (time.Duration, error) { return now, nil }
	p.Machine = Machine{
		Root: p.files, Release: "6.8.0-40-generic", Load: func() error { return nil }, Bind: func(netip.AddrPort) error { return nil },
		Prove:    func(string, bpf.Rung, []netip.Addr) error { return nil },
		BootTime: tick, SinceStart: tick, Sleep: func(d time.Duration) { now += d },
		Devices: func() []string { return []string{"lo", "eth0"} },
		Device: func(name string) (Device, error) {
			if name != "eth0" {
				return Device{}, errors.New("no such network interface")
			}
			return p.eth0, nil
		},
	}
	p.target = Target{Device: "eth0", Members: addrs("10.0.0.2", "10.0.0.3"), Ports: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:7000")}, Node: &Node{}}
	return p
}

func addrs(all ...string) (out []netip.Addr) {
	for _, a := range all {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func (p *patient) write(path, content string) { p.files[path] = &fstest.MapFile{Data: []byte(content)} }

func TestAllIsWell(t *testing.T) {
	r, err := Examine(&healthy().Machine, healthy().target)
	if err != nil || !r.Kernel {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, f := range r.Findings {
		if f.State != OK || f.Missing != "" || f.Mend != "" || f.Found == "" {
			t.Errorf("%+v", f)
		}
	}
}

// Every disease is found by one check, and by no other, and a remedy is told.
func TestDiseases(t *testing.T) {
	denied := fmt.Errorf("%w: for a reason", bpf.ErrPermission)
	for _, c := range []struct {
		name    string
		inflict func(*patient)
		check   string
		state   State
		missing string // a part of what is missing
		mend    string // a part of the command
	}{
		{"an old kernel", func(p *patient) { p.Release = "6.0.19"; p.eth0.Driver = "ice" }, "kernel", Fail, "6.1", "reboot"},
		{"a kernel without number", func(p *patient) { p.Release = "" }, "kernel", Fail, "6.1", "reboot"},
		{"no tcx", func(p *patient) { p.Release = "6.1.0-28-amd64" }, "kernel", Warn, "6.6", "reboot"},
		{"no types", func(p *patient) { delete(p.files, "sys/kernel/btf/vmlinux") }, "btf", Warn, "type information", "CONFIG_DEBUG_INFO_BTF"},
		{"no capability", func(p *patient) { p.write("proc/thread-self/status", "CapEff:\t0\n") }, "capabilities", Fail, "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON", "setcap"},
		{"one lacks", func(p *patient) { p.write("proc/thread-self/status", "CapEff:\t0000008000001000\n") }, "capabilities", Fail, "CAP_PERFMON", "setcap"},
		{"an administrator without the network", func(p *patient) { p.write("proc/thread-self/status", "CapEff:\t0000000000200000\n") }, "capabilities", Fail, "CAP_NET_ADMIN", "setcap"},
		{"no proc", func(p *patient) { delete(p.files, "proc/thread-self/status") }, "capabilities", Warn, "status", "mount"},
		{"not permitted", func(p *patient) { p.Load = func() error { return denied } }, "programs", Fail, "for a reason", "unprivileged_bpf_disabled"},
		{"refused", func(p *patient) { p.Load = func() error { return bpf.ErrUnsupported } }, "programs", Fail, "not supported", "above"},
		{"interpreted", func(p *patient) { p.write("proc/sys/net/core/bpf_jit_enable", "0\n") }, "jit", Warn, "compiler", "bpf_jit_enable=1"},
		{"counted", func(p *patient) { p.write("proc/sys/kernel/bpf_stats_enabled", "1\n") }, "statistics", Warn, "clock", "bpf_stats_enabled=0"},
		{"a slow clock", func(p *patient) {
			p.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")
		}, "clock source", Warn, "each packet", "current_clocksource"},
		{"a clock that stands", func(p *patient) { p.Sleep = func(time.Duration) {} }, "boot-time clock", Fail, "never goes back", "clock source"},
		{"a clock behind", func(p *patient) {
			p.SinceStart = func() (time.Duration, error) { return 2 * time.Hour, nil }
		}, "boot-time clock", Fail, "never goes back", "clock source"},
		{"no clock", func(p *patient) {
			p.BootTime = func() (time.Duration, error) { return 0, syscall.EINVAL }
		}, "boot-time clock", Fail, "invalid", "CLOCK_BOOTTIME"},
		{"a port taken", func(p *patient) {
			p.Bind = func(netip.AddrPort) error { return &wrapped{syscall.EADDRINUSE} }
		}, "udp ports", Fail, "another program", "sport = :7000"},
		{"an address of another host", func(p *patient) {
			p.Bind = func(netip.AddrPort) error { return &wrapped{syscall.EADDRNOTAVAIL} }
		}, "udp ports", Fail, "this machine", "ip -brief"},
		{"an interface that is down", func(p *patient) { p.eth0.Up = false }, "interface", Fail, "down", "ip link set eth0 up"},
		{"a tunnel", func(p *patient) { p.eth0.Ethernet, p.eth0.Driver = false, "wireguard" }, "interface", Fail, "Ethernet", "user space"},
		{"no IPv4", func(p *patient) { p.eth0.Networks = nil; p.target.Members = nil }, "interface", Fail, "IPv4", "ip address add"},
		{"a small MTU", func(p *patient) { p.eth0.MTU = 1491 }, "mtu", Warn, "1399", "mtu 1500"},
		{"no keys", func(p *patient) { p.target.Node.Open = true }, "keys", Fail, "key file", "anode config keys"},
		{"a middling MTU", func(p *patient) { p.eth0.MTU = 1600 }, "batches", Warn, "1400", "batch-bytes: 1336"},
		{"large batches", func(p *patient) { p.target.Node.BatchBytes = 1401 }, "batches", Warn, "1400", "batch-bytes: 1336"},
		{"large datagrams", func(p *patient) { p.target.Node.DatagramBytes = 1465 }, "batches", Warn, "1400", "batch-bytes: 1336"},
		{"a large MTU", func(p *patient) { p.eth0.MTU, p.target.Node.BatchBytes = 9000, 1336 }, "mtu", Warn, "native XDP", "mtu 1500"},
		{"one queue", func(p *patient) { delete(p.files, "sys/class/net/eth0/queues/rx-1/rps_cpus") }, "receive queues", Warn, "one CPU", "ethtool -L eth0 combined 2"},
		{"checksums by CPU", func(p *patient) { p.eth0.Offloads["rx"] = false }, "checksum offload", Warn, "by the card", "ethtool -K eth0 rx on"},
		{"large receive", func(p *patient) { p.eth0.Offloads["lro"] = true }, "lro", Warn, "glues", "ethtool -K eth0 lro off"},
		{"a silent member", func(p *patient) { p.target.Members = addrs("10.0.0.2", "10.0.0.4") }, "members", Warn, "10.0.0.4", "in 10.0.0.4;"},
		{"a member on another interface", func(p *patient) { p.target.Members = addrs("10.0.0.2", "10.0.0.5") }, "members", Warn, "10.0.0.5", "in 10.0.0.5;"},
		{"a member behind a router", func(p *patient) { p.target.Members = addrs("10.0.0.2", "10.0.1.3") }, "members", Warn, "10.0.1.3 behind a router", "one network"},
		{"nothing comes by", func(p *patient) {
			p.target.Prove = true
			p.Prove = func(string, bpf.Rung, []netip.Addr) error { return bpf.ErrUnproven }
		}, "way in", Fail, "not proven", "ping"},
		{"only the generic way", func(p *patient) {
			p.target.Prove = true
			p.Prove = func(_ string, r bpf.Rung, _ []netip.Addr) error {
				if r != bpf.RungXDPGeneric {
					return bpf.ErrUnsupported
				}
				return nil
			}
		}, "way in", Warn, "copies", "6.6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := healthy()
			c.inflict(p)
			r, err := Examine(&p.Machine, p.target)
			if err != nil {
				t.Fatal(err)
			}
			if r.Kernel != (c.state != Fail) || (r.Failed() > 0) != (c.state == Fail) {
				t.Errorf("the verdict is %v, %d failed", r.Kernel, r.Failed())
			}
			seen := false
			for _, f := range r.Findings {
				switch {
				case f.Check != c.check:
					if f.State != OK {
						t.Errorf("found as well: %+v", f)
					}
				case f.State != c.state || !strings.Contains(f.Missing, c.missing) || !strings.Contains(f.Mend, c.mend):
					t.Errorf("%+v", f)
				default:
					seen = true
				}
			}
			if !seen {
				t.Errorf("%s found nothing", c.check)
			}
		})
	}
}

// wrapped is how package net tells an error of the system.
type wrapped struct{ error }

func (w *wrapped) Unwrap() error { return w.error }

// The limit on locked memory is told, and matters where the kernel counts maps against it.
func TestLockedMemory(t *testing.T) {
	for _, c := range []struct {
		release, limits string
		state           State
		found           string
	}{
		{"6.1.0", "Max locked memory 65536 65536 bytes\n", OK, "65536 bytes, and nothing"},
		{"6.1.0", "", OK, "not told here"},
		{"5.10.0", "Max locked memory unlimited unlimited bytes\n", OK, "unlimited"},
		{"5.10.0", "Max locked memory 65536 65536 bytes\n", Fail, "65536 bytes"},
	} {
		p := healthy()
		p.Release = c.release
		p.write("proc/thread-self/limits", c.limits)
		if f := p.lockedMemory(); f.State != c.state || !strings.HasPrefix(f.Found, c.found) ||
			(f.State == Fail) != strings.Contains(f.Mend, "LimitMEMLOCK=infinity") {
			t.Errorf("Linux %s with %q: %+v", c.release, c.limits, f)
		}
	}
}

func TestWhatForbidsThePrograms(t *testing.T) {
	p := healthy()
	p.write("proc/thread-self/status", "CapEff:\t000001ffffffffff\nSeccomp:\t2\n")
	p.write("sys/kernel/security/lockdown", "none integrity [confidentiality]\n")
	p.Load = func() error { return bpf.ErrPermission }
	f := p.programs()
	for _, want := range []string{"seccomp", "lockdown=none", "capabilities"} {
		if !strings.Contains(f.Mend, want) {
			t.Errorf("%q does not name %s", f.Mend, want)
		}
	}
	p.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
	if f := p.programs(); strings.Contains(f.Mend, "locked down") {
		t.Error(f.Mend)
	}
}

// What cannot be looked up is not blamed: containers hide parts of the tree.
func TestBareTree(t *testing.T) {
	p := healthy()
	keep := p.files["proc/thread-self/status"]
	clear(p.files)
	p.files["proc/thread-self/status"] = keep
	p.eth0.Offloads, p.target.Members = nil, nil
	r, err := Examine(&p.Machine, p.target)
	if err != nil || !r.Kernel {
		t.Fatal(err, r)
	}
	for _, f := range r.Findings {
		if f.State != OK && f.Check != "btf" {
			t.Errorf("%+v", f)
		}
	}
}

func TestTheNodeThatRunsHasItsPorts(t *testing.T) {
	p := healthy()
	p.target.Running = true
	p.Bind = func(netip.AddrPort) error { return syscall.EADDRINUSE }
	if r, err := Examine(&p.Machine, p.target); err != nil || !r.Kernel {
		t.Error(err, r)
	}
}

func TestOpenOnLoopback(t *testing.T) {
	if f := (&Node{Open: true}).keys(Device{Loopback: true}); f.State != OK {
		t.Errorf("%+v", f)
	}
}

func TestUnknownInterface(t *testing.T) {
	p := healthy()
	for name, want := range map[string]string{"eht0": "did you mean eth0?", "wireless0": "[lo eth0]"} {
		if _, err := Examine(&p.Machine, Target{Device: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A proof goes down the ladder, and asks only members that are near.
func TestProof(t *testing.T) {
	p := healthy()
	p.target.Prove = true
	p.target.Members = addrs("10.0.0.2", "10.9.0.3")
	var tried []bpf.Rung
	p.Prove = func(device string, r bpf.Rung, peers []netip.Addr) error {
		tried = append(tried, r)
		if device != "eth0" || fmt.Sprint(peers) != "[10.0.0.2]" {
			t.Errorf("proven on %s with %v", device, peers)
		}
		if r == bpf.RungXDPNative {
			return errors.New("the driver has none")
		}
		return nil
	}
	f := p.rung(p.eth0, p.target)
	if f.State != OK || !strings.Contains(f.Found, "tcx, proven") || !strings.Contains(f.Found, "the driver has none") || len(tried) != 2 {
		t.Errorf("%+v after %v", f, tried)
	}
	tried = nil
	p.Prove = func(_ string, r bpf.Rung, _ []netip.Addr) error { tried = append(tried, r); return bpf.ErrPermission }
	if f := p.rung(p.eth0, p.target); f.State != Fail || len(tried) != 1 {
		t.Errorf("%+v after %v", f, tried)
	}
}

// The machine itself has an interface with an MTU, and clocks that go.
func TestThisMachine(t *testing.T) {
	m := This()
	d, err := m.Device("lo")
	if err != nil || !d.Loopback || !d.Ethernet || d.MTU < 1500 {
		t.Fatalf("%+v, %v", d, err)
	}
	if f := m.bootClock(); f.State != OK {
		t.Errorf("%+v", f)
	}
	if f := m.kernel(); !strings.Contains(f.Found, ".") {
		t.Errorf("%+v", f)
	}
	if f := m.ports(Target{}); f.State != OK {
		t.Errorf("%+v", f)
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	taken := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	for at, want := range map[netip.AddrPort]string{taken: "ss -lunp", netip.MustParseAddrPort("203.0.113.1:7000"): "ip -brief"} {
		if f := m.ports(Target{Ports: []netip.AddrPort{at}}); f.State != Fail || !strings.Contains(f.Mend, want) {
			t.Errorf("%v: %+v", at, f)
		}
	}
}
