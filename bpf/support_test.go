//go:build linux

package bpf

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cilium/ebpf"

	"github.com/anodekv/anode/bpf/hostile"
	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

// unavailable ends a test that this machine cannot run. Where ANODE_BPF_REQUIRED is 1 it should have been able to.
func unavailable(t testing.TB, why error) {
	t.Helper()
	if os.Getenv("ANODE_BPF_REQUIRED") == "1" {
		t.Fatalf("required here: %v", why)
	}
	t.Skipf("not available here: %v", why)
}

func loadKernelFor(t testing.TB, o Options) *Kernel {
	t.Helper()
	k, err := Load(o)
	if errors.Is(err, ErrPermission) || errors.Is(err, ErrUnsupported) {
		unavailable(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func open(t testing.TB, k *Kernel, key Key) *Slot {
	t.Helper()
	s, err := k.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The group of the tests: replica i at 127.0.0.(1+i):7100.
const (
	testCluster = wire.ClusterID(0xc1)
	testGroup   = wire.GroupID(7)
	testView    = wire.View(6)
)

var testKey = [wire.KeySize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func replicaAddr(i int) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}), 7100)
}

func testConfig(n int, self wire.ReplicaID) Config {
	c := Config{Cluster: testCluster, View: testView, Self: self, Leader: 0, Key: testKey}
	for i := range n {
		c.Members = append(c.Members, Member{Addr: replicaAddr(i), Incarnation: wire.Incarnation(10 + i)})
	}
	return c
}

// accept is the leader's frame for an op, sealed.
func accept(c Config, group wire.GroupID, op wire.Op, body []byte) []byte {
	return seal(c, wire.Frame{Header: wire.Header{
		Kind: wire.KindAccept, Cluster: c.Cluster, Group: group, View: c.View, Op: op, Chosen: op - 1,
		Sender: c.Leader, Incarnation: c.Members[c.Leader].Incarnation,
	}, Body: body})
}

// accepted is a follower's acknowledgement, sealed.
func accepted(c Config, group wire.GroupID, from wire.ReplicaID, op wire.Op) []byte {
	return seal(c, wire.Frame{Header: wire.Header{
		Kind: wire.KindAccepted, Cluster: c.Cluster, Group: group, View: c.View, Op: op,
		Sender: from, Incarnation: c.Members[from].Incarnation,
	}})
}

func seal(c Config, f wire.Frame) []byte {
	b, err := f.Append(nil)
	if err != nil {
		panic(err)
	}
	wire.NewKey(c.Key).Seal(b)
	return b
}

// packet wraps a payload in UDP, IPv4 and Ethernet, with the hardware addresses of a loopback.
func packet(from, to wire.Addr, payload []byte) []byte { return hostile.Wrap(from, to, payload) }

func sum(b []byte) (n uint32) {
	for i := range b {
		n += uint32(b[i]) << (8 * (1 - i&1))
	}
	return n
}

func fold(n uint32) uint16 {
	for n>>16 != 0 {
		n = n&0xffff + n>>16
	}
	return uint16(n)
}

// hook runs one of the programs on a packet, as Program.Run does, and reads what it returned.
type hook struct {
	name     string
	program  func(*Kernel) *ebpf.Program
	verdicts map[uint32]model.Verdict
}

var hooks = []hook{
	{"xdp", func(k *Kernel) *ebpf.Program { return k.objects.AnodeXdp }, map[uint32]model.Verdict{
		1: model.Consume, 2: model.Pass, 3: model.Answer}},
	{"tcx", func(k *Kernel) *ebpf.Program { return k.objects.AnodeIngress }, map[uint32]model.Verdict{
		2: model.Consume, 0xffffffff: model.Pass, 7: model.Answer}},
}

// run gives the verdict, and the packet as the program left it.
func (h hook) run(t testing.TB, k *Kernel, packet []byte) (model.Verdict, []byte) {
	t.Helper()
	code, out := runProgram(t, h.program(k), packet)
	v, ok := h.verdicts[code]
	if !ok {
		t.Errorf("%s returned %d", h.name, code)
	}
	return v, out
}

func runProgram(t testing.TB, p *ebpf.Program, packet []byte) (uint32, []byte) {
	t.Helper()
	o := ebpf.RunOptions{Data: packet, DataOut: make([]byte, len(packet)+256)}
	for {
		code, err := p.Run(&o)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Error(err) // and go on: this may be another goroutine than the test's
		}
		return code, o.DataOut
	}
}
