//go:build linux

package bpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

func TestOpen(t *testing.T) {
	k := loadKernelFor(t, Options{LogSlots: 1})
	key := Key{replicaAddr(1), testGroup}
	s := open(t, k, key)
	if _, err := k.Open(key); !errors.Is(err, ErrTaken) {
		t.Errorf("opened twice: %v", err)
	}
	open(t, k, Key{replicaAddr(1), testGroup + 1}) // another group at one address
	for _, addr := range []string{"[::1]:7100", "203.0.113.1:7100", "127.0.0.1:0"} {
		if _, err := k.Open(Key{netip.MustParseAddrPort(addr), testGroup}); !errors.Is(err, ErrConfig) {
			t.Errorf("opened at %s: %v", addr, err)
		}
	}
	if k.Close() == nil {
		t.Error("closed with open slots")
	}
	for _, c := range []Config{testConfig(2, 1), testConfig(11, 1), testConfig(3, 2), {}} {
		if err := s.Arm(c, 0); !errors.Is(err, ErrConfig) {
			t.Errorf("armed for %v of %d: %v", c.Self, len(c.Members), err)
		}
	}
	if _, armed := s.Armed(); armed {
		t.Error("armed by what was refused")
	}
}

// A place that is used again begins where the last owner's generations ended.
func TestPlacesAreUsedAgain(t *testing.T) {
	k := loadKernelFor(t, Options{LogSlots: 4})
	var last generation
	for range 20 {
		s, err := k.Open(Key{replicaAddr(1), testGroup})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Arm(testConfig(3, 1), 9); err != nil {
			t.Fatal(err)
		}
		if g := loadWord(&s.control.Word).generation(); g <= last {
			t.Fatalf("generation %d after %d", g, last)
		} else {
			last = g
		}
		if s.AckedAt() != 0 || len(ops(s)) != 0 {
			t.Error("a slot inherited something")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		v, _ := hooks[0].run(t, k, toFollower(accept(testConfig(3, 1), testGroup, 10, nil)))
		if v != model.Pass {
			t.Fatalf("a closed slot: verdict %d", v)
		}
	}
}

// What does not fit the word is refused before it can overflow.
func TestExhausted(t *testing.T) {
	_, s, c := follower(t, 1, 0)
	s.Fence()
	if err := s.Arm(c, wire.Op(opMax-opMargin+1)); !errors.Is(err, ErrExhausted) {
		t.Errorf("armed near the largest op: %v", err)
	}
	storeWord(&s.control.Word, fencedFlag|pack(genMax, 0))
	if err := s.Arm(c, 0); !errors.Is(err, ErrExhausted) {
		t.Errorf("armed after the largest generation: %v", err)
	}
	storeWord(&s.control.Lead, fencedFlag|pack(genMax, 0))
	if err := s.Lead(c, make([]wire.Op, 3), 0); !errors.Is(err, ErrExhausted) {
		t.Errorf("led after the largest generation: %v", err)
	}
	storeWord(&s.control.Word, fencedFlag|pack(genMax-1, 0))
	if err := s.Arm(c, 7); err != nil {
		t.Errorf("armed with the largest generation: %v", err)
	}
	if last, armed := s.Armed(); last != 7 || !armed {
		t.Errorf("armed %v at op %d", armed, last)
	}
}

// At the end of its words a slot says so while there is room to act, and nobody takes an op that they do not hold.
func TestWordsComeToTheirEnd(t *testing.T) {
	k, s, c := follower(t, 4, 0)
	c.View += wire.Epoch(3).First()
	base := c.View.Epoch().Base()
	s.Fence()
	if err := s.Arm(c, base+wire.Op(opMax-opMargin)); err != nil || s.Worn() {
		t.Fatalf("armed as late as may be: %v, worn %v", err, s.Worn())
	}
	if !s.Claim(base+wire.Op(opMax-opMargin)+1) || !s.Worn() {
		t.Error("one op later the slot is not worn")
	}
	g := loadWord(&s.control.Word).generation()
	storeWord(&s.control.Word, pack(g, opMax-1)) // as if all that was claimed and taken over
	storeWord(&s.control.Released, pack(g, opMax-1))
	s.cursor, s.claimed = opMax-1, nil
	for i, want := range []model.Verdict{model.Answer, model.Pass} {
		op := base + wire.Op(opMax) + wire.Op(i)
		if v, _ := hooks[i].run(t, k, toFollower(accept(c, testGroup, op, nil))); v != want {
			t.Errorf("op %d: verdict %d, want %d", op-base, v, want)
		}
	}
	if s.Claim(base + wire.Op(opMax) + 1) {
		t.Error("user space claimed what the word does not hold")
	}
	if last := s.Fence(); last != base+wire.Op(opMax) || s.Worn() || fmt.Sprint(ops(s)) != fmt.Sprint([]wire.Op{last}) {
		t.Errorf("fenced at %d, worn %v", last, s.Worn())
	}
	if err := s.Arm(c, base+wire.Op(opMax)); !errors.Is(err, ErrExhausted) {
		t.Errorf("armed at the end: %v", err)
	}
	c.View += wire.Epoch(1).First()
	if err := s.Arm(c, c.View.Epoch().Base()); err != nil {
		t.Errorf("armed in the next epoch: %v", err)
	}
}

func TestArmBeforeDrainPanics(t *testing.T) {
	k, s, c := follower(t, 4, 0)
	hooks[0].run(t, k, toFollower(accept(c, testGroup, 1, nil)))
	for _, fence := range []bool{false, true} {
		if fence {
			s.Fence()
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("armed over what was not drained, fenced: %v", fence)
				}
			}()
			_ = s.Arm(c, 1)
		}()
	}
}

// A thread without privileges is told what it lacks.
func TestProbeTellsWhatIsMissing(t *testing.T) {
	if os.Geteuid() != 0 {
		unavailable(t, errors.New("privileges to drop"))
	}
	runtime.LockOSThread() // never unlocked: the thread has given away what others need
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	err := Probe()
	if !errors.Is(err, ErrPermission) {
		t.Fatalf("without privileges: %v", err)
	}
	for _, c := range []string{"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"} {
		if !strings.Contains(err.Error(), c) {
			t.Errorf("%q does not name %s", err, c)
		}
	}
}

func TestLoadOptions(t *testing.T) {
	for _, n := range []int{-1, 3, 1 << 20} {
		if k, err := Load(Options{LogSlots: n}); err == nil {
			k.Close()
			t.Errorf("loaded with %d slots", n)
		}
	}
}

func TestParseNeighbours(t *testing.T) {
	const table = `IP address       HW type     Flags       HW address            Mask     Device
10.0.0.2         0x1         0x2         02:00:00:00:00:02     *        eth0
10.0.0.3         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.4         0x1         0x6         02:00:00:00:00:04     *        eth0
10.0.0.5         0x1         0x2         02:00:00:00:00:05     *        eth1
`
	got, err := parseNeighbours(strings.NewReader(table), "eth0")
	want := map[netip.Addr]net.HardwareAddr{
		netip.MustParseAddr("10.0.0.2"): {2, 0, 0, 0, 0, 2},
		netip.MustParseAddr("10.0.0.4"): {2, 0, 0, 0, 0, 4},
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// BenchmarkPrograms tells what the programs cost by the kernel's own account, run from user space.
func BenchmarkPrograms(b *testing.B) {
	for _, size := range []int{16, 256, 1336} {
		for _, h := range hooks {
			b.Run(fmt.Sprintf("accept/%d/%s", size, h.name), func(b *testing.B) {
				k, s, c := follower(b, 1024, 0)
				op := wire.Op(0)
				measure(b, k, h, func() []byte {
					op++
					s.Drain(func(wire.Frame) {})
					return toFollower(accept(c, testGroup, op, make([]byte, size)))
				})
			})
		}
	}
	for _, n := range []int{3, 9} {
		b.Run(fmt.Sprintf("accepted/%d/tcx", n), func(b *testing.B) {
			k, _, c := leader(b, n, wire.Op(opMax/2))
			i := 0
			measure(b, k, hooks[1], func() []byte {
				i++
				return toLeader(c, wire.ReplicaID(1+i%(n-1)), wire.Op(1+i/(n-1)))
			})
		})
	}
}

func measure(b *testing.B, k *Kernel, h hook, next func() []byte) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	for b.Loop() {
		h.run(b, k, next())
	}
	s, err := h.program(k).Stats()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(s.Runtime.Nanoseconds())/float64(s.RunCount), "ns/packet")
	b.ReportMetric(0, "ns/op") // system calls of the test
}
