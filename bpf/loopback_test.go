//go:build linux

package bpf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// On a loopback of its own, with tcx on both ways:
//
//	leader 127.0.0.1 ── egress: one copy per follower ──▶ ingress: 127.0.0.2, 127.0.0.3 store and answer
//	   ▲                                                        │
//	   └──────── ingress: counts, passes what moves the mark ◀──┘
//
// The followers' sockets are open and never read.

// cluster is a group on one loopback, in one kernel.
type cluster struct {
	kernel  *Kernel
	config  Config // the leader's
	sockets []*net.UDPConn
	slots   []*Slot
}

func newCluster(t *testing.T, n int) *cluster {
	namespace(t)
	c := &cluster{kernel: loadKernelFor(t, Options{LogSlots: 4096}), config: testConfig(n, 0)}
	for i := range n {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(replicaAddr(i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c.sockets = append(c.sockets, conn)
		s := open(t, c.kernel, Key{replicaAddr(i), testGroup})
		c.slots = append(c.slots, s)
		if i > 0 {
			if err := s.Arm(testConfig(n, wire.ReplicaID(i)), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.slots[0].Lead(c.config, make([]wire.Op, n), 0); err != nil {
		t.Fatal(err)
	}
	attach(t, func() (any, error) { return c.kernel.Attach(loopback, RungTCX) })
	return c
}

func attach(t *testing.T, do func() (any, error)) {
	t.Helper()
	if _, err := do(); err != nil {
		unavailable(t, err)
	}
}

func bodyOf(op wire.Op) []byte { return bytes.Repeat([]byte(fmt.Sprint(op, " ")), 1+int(op)%200) }

// send sends an op to one replica, or flagged to whoever the programs make it reach.
func (c *cluster) send(t *testing.T, to wire.Addr, op wire.Op, flags wire.Flags) {
	t.Helper()
	f := wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Flags: flags, Cluster: testCluster, Group: testGroup,
		View: testView, Op: op, Incarnation: c.config.Members[0].Incarnation}, Body: bodyOf(op)}
	if _, err := c.sockets[0].WriteToUDPAddrPort(seal(c.config, f), to); err != nil {
		t.Fatal(err)
	}
}

// await waits until an op is chosen. What the programs do on a loopback is done when the send returns, or soon.
func (c *cluster) await(op wire.Op) bool {
	for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(50 * time.Microsecond) {
		if c.slots[0].Chosen() >= op {
			return true
		}
	}
	return false
}

// check drains a follower and holds what it stored against what was sent.
func (c *cluster) check(t *testing.T, i int, from, to wire.Op) {
	t.Helper()
	expect := from
	c.slots[i].Drain(func(f wire.Frame) {
		if f.Op != expect || !bytes.Equal(f.Body, bodyOf(f.Op)) || f.View != testView || f.Flags != 0 {
			t.Errorf("follower %d stored op %d with %d bytes, expected op %d", i, f.Op, len(f.Body), expect)
		}
		expect++
	})
	if expect != to+1 {
		t.Errorf("follower %d holds ops %d to %d, not %d", i, from, expect-1, to)
	}
}

// woken reads how many packets user space was given, and that none of them is damaged.
func (c *cluster) woken(t *testing.T, i int) (n int) {
	t.Helper()
	b := make([]byte, 2048)
	for {
		_ = c.sockets[i].SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		size, err := c.sockets[i].Read(b)
		if err != nil {
			return n
		}
		if _, _, _, err := wire.Parse(b[:size]); err != nil {
			t.Errorf("a packet that was passed up: %v", err)
		}
		n++
	}
}

func (c *cluster) counters(t *testing.T, i int) Counters {
	t.Helper()
	counts, err := c.slots[i].Counters()
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestLoopback(t *testing.T) {
	c := newCluster(t, 3)
	const n = 150 // the leader's socket must hold a packet for each
	for op := wire.Op(1); op <= n; op++ {
		c.slots[0].Extend(op)
		c.send(t, replicaAddr(1), op, 0)
		c.send(t, replicaAddr(2), op, 0)
	}
	if !c.await(n) {
		t.Fatalf("chosen %d of %d, cells %v, %v", c.slots[0].Chosen(), n, c.slots[0].Cells(nil), c.counters(t, 1))
	}
	for i := 1; i < 3; i++ {
		c.check(t, i, 1, n)
		if k := c.woken(t, i); k != 0 {
			t.Errorf("follower %d was given %d packets", i, k)
		}
	}
	counts := c.counters(t, 0)
	if woken := c.woken(t, 0); uint64(woken) != counts[ReasonChosen] || counts[ReasonChosen]+counts[ReasonCounted] != 2*n {
		t.Errorf("the leader was given %d packets: %d moved the mark, %d did not", woken, counts[ReasonChosen], counts[ReasonCounted])
	}
	c.slots[0].Wake(WakeNever)
	c.slots[0].Extend(n + 1)
	c.send(t, replicaAddr(1), n+1, 0)
	if !c.await(n+1) || c.woken(t, 0) != 0 {
		t.Error("a leader that is awake must see the mark and no packet")
	}
}

func TestLoopbackBroadcast(t *testing.T) {
	for _, members := range []int{3, 5, 9} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			c := newCluster(t, members)
			attach(t, func() (any, error) { return c.kernel.AttachBroadcast(loopback) })
			if missing, err := c.slots[0].RefreshNeighbours(c.config); err != nil || len(missing) > 0 {
				t.Fatalf("missing %v: %v", missing, err)
			}
			const n = 300
			for op := wire.Op(1); op <= n; op++ {
				c.slots[0].Extend(op)
				c.send(t, replicaAddr(1+int(op)%(members-1)), op, wire.FlagBroadcast)
			}
			if !c.await(n) {
				t.Fatalf("chosen %d of %d, cells %v, %v", c.slots[0].Chosen(), n, c.slots[0].Cells(nil), c.counters(t, 0))
			}
			for i := 1; i < members; i++ {
				c.check(t, i, 1, n)
				if k := c.woken(t, i); k != 0 {
					t.Errorf("follower %d was given %d packets: %v", i, k, c.counters(t, i))
				}
			}
			counts := c.counters(t, 0)
			if counts[ReasonBroadcast] != n || counts[kernelReasonREASON_CLONED] != n*uint64(members-2) {
				t.Errorf("%d datagrams, %d copies", counts[ReasonBroadcast], counts[kernelReasonREASON_CLONED])
			}
		})
	}
}

// One packet of a hundred is lost, one of a hundred comes twice. The leader sends again from what the cells show; the
// programs fill the gap, and go on: nothing has to be armed again.
func TestLoopbackWithLoss(t *testing.T) {
	c := newCluster(t, 3)
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 3000
	lossy := func(to int, op wire.Op) {
		switch rng.IntN(100) {
		case 0:
		case 1:
			c.send(t, replicaAddr(to), op, 0)
			fallthrough
		default:
			c.send(t, replicaAddr(to), op, 0)
		}
	}
	for op := wire.Op(1); op <= n; op++ {
		c.slots[0].Extend(op)
		lossy(1, op)
		lossy(2, op)
		if op%50 == 0 {
			c.repair(lossy, op)
		}
	}
	for range 20 {
		c.repair(lossy, n)
	}
	if got := fmt.Sprint(c.slots[0].Cells(nil), c.slots[0].Chosen()); got != fmt.Sprint([]wire.Op{0, n, n}, n) {
		t.Fatalf("cells and mark %v", got)
	}
	for i := 1; i < 3; i++ {
		c.check(t, i, 1, n)
		counts := c.counters(t, i)
		if counts[ReasonAcked] != n || counts[ReasonGap] == 0 || counts[ReasonReacked] == 0 {
			t.Errorf("follower %d: %d acknowledged, %d gaps, %d again", i, counts[ReasonAcked], counts[ReasonGap], counts[ReasonReacked])
		}
	}
}

// repair sends again what a follower lacks.
func (c *cluster) repair(send func(int, wire.Op), last wire.Op) {
	for to := 1; to < len(c.slots); to++ {
		time.Sleep(time.Millisecond)
		for op := c.slots[0].Cells(nil)[to] + 1; op <= last; op++ {
			send(to, op)
		}
	}
}
