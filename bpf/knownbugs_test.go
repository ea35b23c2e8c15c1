//go:build linux

package bpf

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

// Each of these fails if the programs had one of the bugs of published systems.

// Bug 1: the last op advanced before size and room were checked, so that the retransmission of an op which was
// never stored was acknowledged as a duplicate.
func TestNothingIsAcknowledgedThatIsNotStored(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k, s, c := follower(t, 2, 0)
			send := func(op wire.Op, size int, want model.Verdict) {
				t.Helper()
				if v, _ := h.run(t, k, toFollower(accept(c, testGroup, op, make([]byte, size)))); v != want {
					t.Errorf("op %d of %d bytes: verdict %d, want %d", op, size, v, want)
				}
			}
			send(1, 10, model.Answer)
			for range 3 { // however often it comes
				send(2, MaxBody+1, model.Pass)
			}
			send(2, MaxBody, model.Answer)
			for range 3 {
				send(3, 10, model.Pass) // both places are taken
			}
			if got := fmt.Sprint(ops(s)); got != "[1 2]" {
				t.Errorf("drained %v", got)
			}
			send(3, 10, model.Answer)
			if got := fmt.Sprint(ops(s)); got != "[3]" {
				t.Errorf("drained %v", got)
			}
		})
	}
}

// A fence stands at once: what comes behind it is passed up, duplicates too, and arming again for another view
// acknowledges nothing of the old one.
func TestFence(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k, s, c := follower(t, 8, 0)
			first := toFollower(accept(c, testGroup, 1, nil))
			second := toFollower(accept(c, testGroup, 2, nil))
			if v, _ := h.run(t, k, first); v != model.Answer {
				t.Fatalf("verdict %d", v)
			}
			if last := s.Fence(); last != 1 || s.Pending() != 1 {
				t.Errorf("fenced at op %d, %d to drain", last, s.Pending())
			}
			for _, p := range [][]byte{first, second} {
				if v, out := h.run(t, k, p); v != model.Pass || !bytes.Equal(out, p) {
					t.Errorf("behind the fence: verdict %d", v)
				}
			}
			if got := fmt.Sprint(ops(s)); got != "[1]" {
				t.Errorf("drained %v", got)
			}
			c.View++
			if err := s.Arm(c, 1); err != nil {
				t.Fatal(err)
			}
			for _, p := range [][]byte{first, second} {
				if v, _ := h.run(t, k, p); v != model.Pass {
					t.Errorf("of an older view: verdict %d", v)
				}
			}
		})
	}
}

// leader is a kernel with a leader that counts: replica 0 of n, with ops up to last sent.
func leader(t testing.TB, n int, last wire.Op) (*Kernel, *Slot, Config) {
	t.Helper()
	k := loadKernelFor(t, Options{LogSlots: 1})
	s := open(t, k, Key{replicaAddr(0), testGroup})
	c := testConfig(n, 0)
	if err := s.Lead(c, make([]wire.Op, n), last); err != nil {
		t.Fatal(err)
	}
	return k, s, c
}

func toLeader(c Config, from wire.ReplicaID, op wire.Op) []byte {
	return packet(c.Members[from].Addr, replicaAddr(0), accepted(c, testGroup, from, op))
}

// Bug 5: the packet that reached exactly f was passed up, and all after it dropped; if it got lost, the op never
// was chosen. Here the mark and the cells tell, whatever becomes of the packet, and acknowledgements that jump over
// others count for all that they cover.
func TestALostQuorumPacketLosesNothing(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k, s, c := leader(t, 5, 100)
			for _, step := range []struct {
				from    wire.ReplicaID
				op      wire.Op
				verdict model.Verdict
				chosen  wire.Op
			}{
				{1, 3, model.Consume, 0},
				{2, 1, model.Pass, 1},
				{2, 1, model.Consume, 1}, // the same again
				{3, 7, model.Pass, 3},
				{4, 7, model.Pass, 7}, // suppose that this one was lost
				{1, 7, model.Consume, 7},
				{2, 7, model.Consume, 7},
				{1, 6, model.Consume, 7}, // late
				{1, 101, model.Pass, 7},  // never sent
			} {
				if v, _ := h.run(t, k, toLeader(c, step.from, step.op)); v != step.verdict || s.Chosen() != step.chosen {
					t.Errorf("op %d of %v: verdict %d, chosen %d, want %d, %d",
						step.op, step.from, v, s.Chosen(), step.verdict, step.chosen)
				}
			}
			if got := fmt.Sprint(s.Cells(nil)); got != "[0 7 7 7 7]" {
				t.Errorf("cells %v", got)
			}
		})
	}
}

// Bug 6: a stale acknowledgement missed its place, was passed up, and counted as a quorum. Here what is stale in any
// way is passed up as an ordinary packet and leaves cells and mark alone.
// Bug 7: a replica index above n was shifted unchecked, and with f = 1 one forged acknowledgement chose an op.
func TestStaleAndForgedAcknowledgements(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k, s, c := leader(t, 3, 100)
			frame := func(change func(*wire.Frame)) []byte {
				f := wire.Frame{Header: wire.Header{Kind: wire.KindAccepted, Cluster: c.Cluster, Group: testGroup,
					View: c.View, Op: 5, Sender: 1, Incarnation: c.Members[1].Incarnation}}
				change(&f)
				return packet(replicaAddr(1), replicaAddr(0), seal(c, f))
			}
			forged := frame(func(*wire.Frame) {})
			forged[100]++
			for name, p := range map[string][]byte{
				"older view":         frame(func(f *wire.Frame) { f.View-- }),
				"later view":         frame(func(f *wire.Frame) { f.View++ }),
				"former incarnation": frame(func(f *wire.Frame) { f.Incarnation-- }),
				"another cluster":    frame(func(f *wire.Frame) { f.Cluster++ }),
				"index n":            frame(func(f *wire.Frame) { f.Sender = 3 }),
				"index of a client":  frame(func(f *wire.Frame) { f.Sender = wire.ClientSender }),
				"the leader itself":  frame(func(f *wire.Frame) { f.Sender = 0 }),
				"another's address":  frame(func(f *wire.Frame) { f.Sender, f.Incarnation = 2, c.Members[2].Incarnation }),
				"op 0":               frame(func(f *wire.Frame) { f.Op = 0 }),
				"op beyond the word": frame(func(f *wire.Frame) { f.Op = 1 << 44 }),
				"not sealed":         forged,
			} {
				v, out := h.run(t, k, p)
				if v != model.Pass || !bytes.Equal(out, p) || s.Chosen() != 0 || fmt.Sprint(s.Cells(nil)) != "[0 0 0]" {
					t.Errorf("%s: verdict %d, chosen %d, cells %v", name, v, s.Chosen(), s.Cells(nil))
				}
			}
			if v, _ := h.run(t, k, frame(func(*wire.Frame) {})); v != model.Pass || s.Chosen() != 5 {
				t.Errorf("the true one: verdict %d, chosen %d", v, s.Chosen())
			}
		})
	}
}

// The same for a follower: one forged Accept would make it acknowledge what the leader never sent.
func TestStaleAndForgedAccepts(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k, s, c := follower(t, 8, 4)
			frame := func(change func(*wire.Frame)) []byte {
				f := wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Cluster: c.Cluster, Group: testGroup,
					View: c.View, Op: 5, Incarnation: c.Members[0].Incarnation}, Body: []byte("body")}
				change(&f)
				return toFollower(seal(c, f))
			}
			altered := frame(func(*wire.Frame) {})
			altered[107]++
			two := toFollower(append(accept(c, testGroup, 5, nil), accept(c, testGroup, 6, nil)...))
			member := packet(replicaAddr(2), replicaAddr(1), seal(c, wire.Frame{Header: wire.Header{Kind: wire.KindAccept,
				Cluster: c.Cluster, Group: testGroup, View: c.View, Op: 5, Sender: 2, Incarnation: c.Members[2].Incarnation}}))
			elsewhere := frame(func(*wire.Frame) {})
			elsewhere[5]++ // a bridge flooded it
			for name, p := range map[string][]byte{
				"older view":          frame(func(f *wire.Frame) { f.View-- }),
				"former incarnation":  frame(func(f *wire.Frame) { f.Incarnation-- }),
				"not the leader":      frame(func(f *wire.Frame) { f.Sender, f.Incarnation = 2, c.Members[2].Incarnation }),
				"another member":      member,
				"flagged":             frame(func(f *wire.Frame) { f.Flags = wire.FlagBroadcast }),
				"a gap":               frame(func(f *wire.Frame) { f.Op = 6 }),
				"altered body":        altered,
				"two frames":          two,
				"another's interface": elsewhere,
			} {
				v, out := h.run(t, k, p)
				if last, _ := s.Armed(); v != model.Pass || !bytes.Equal(out, p) || last != 4 {
					t.Errorf("%s: verdict %d, last op %d", name, v, last)
				}
			}
			if v, _ := h.run(t, k, frame(func(*wire.Frame) {})); v != model.Answer {
				t.Errorf("the true one: verdict %d", v)
			}
		})
	}
}

// A new incarnation, or a new view, gives every cell another generation: what an older one acknowledged is void.
func TestLeadAgainVoidsTheCells(t *testing.T) {
	k, s, c := leader(t, 3, 100)
	if v, _ := hooks[0].run(t, k, toLeader(c, 1, 9)); v != model.Pass || s.Chosen() != 9 {
		t.Fatalf("verdict %d, chosen %d", v, s.Chosen())
	}
	c.Members[1].Incarnation++
	if err := s.Lead(c, []wire.Op{0, 0, 4}, 100); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Cells(nil), s.Chosen()); got != "[0 0 4] 4" {
		t.Errorf("cells and chosen %v", got)
	}
	s.Acknowledge(2, 6)
	if got := fmt.Sprint(s.Cells(nil)); got != "[0 0 6]" {
		t.Errorf("cells %v", got)
	}
	s.Retire()
	if v, _ := hooks[0].run(t, k, toLeader(c, 1, 12)); v != model.Pass || fmt.Sprint(s.Cells(nil)) != "[0 0 6]" {
		t.Errorf("retired: verdict %d, cells %v", v, s.Cells(nil))
	}
}

// User space appends an entry that the programs do not carry without a fence.
func TestClaim(t *testing.T) {
	k, s, c := follower(t, 4, 0)
	send := func(op wire.Op, want model.Verdict) {
		t.Helper()
		if v, _ := hooks[1].run(t, k, toFollower(accept(c, testGroup, op, nil))); v != want {
			t.Errorf("op %d: verdict %d, want %d", op, v, want)
		}
	}
	send(1, model.Answer)
	for op, want := range map[wire.Op]bool{0: false, 1: false, 3: false} {
		if s.Claim(op) != want {
			t.Errorf("claim of op %d", op)
		}
	}
	if !s.Claim(2) || s.Claim(2) {
		t.Error("op 2 is to be claimed once")
	}
	send(2, model.Answer) // held, by user space
	send(3, model.Answer)
	if !s.Claim(4) || !s.Claim(5) {
		t.Error("ops 4 and 5 were not claimed")
	}
	if got := fmt.Sprint(ops(s)); got != "[1 3]" {
		t.Errorf("drained %v", got)
	}
	send(6, model.Answer)
	if last := s.Fence(); last != 6 {
		t.Errorf("fenced at %d", last)
	}
	if s.Claim(7) {
		t.Error("claimed behind a fence")
	}
	if got := fmt.Sprint(ops(s)); got != "[6]" {
		t.Errorf("drained %v", got)
	}
}
