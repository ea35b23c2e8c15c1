//go:build linux

package bpf

import (
	"bytes"
	"testing"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

// follower is a kernel with an armed follower: replica 1 of three.
func follower(t testing.TB, logSlots int, last wire.Op) (*Kernel, *Slot, Config) {
	t.Helper()
	k := loadKernelFor(t, Options{LogSlots: logSlots})
	s := open(t, k, Key{replicaAddr(1), testGroup})
	c := testConfig(3, 1)
	if err := s.Arm(c, last); err != nil {
		t.Fatal(err)
	}
	return k, s, c
}

func toFollower(frame []byte) []byte { return packet(replicaAddr(0), replicaAddr(1), frame) }

// ops drains a slot and returns what came.
func ops(s *Slot) (got []wire.Op) {
	s.Drain(func(f wire.Frame) { got = append(got, f.Op) })
	return got
}

func TestFollowerStoresAndAnswers(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k, s, c := follower(t, 8, 4)
			body := bytes.Repeat([]byte("x"), 777)
			v, out := h.run(t, k, toFollower(accept(c, testGroup, 5, body)))
			if v != model.Answer {
				t.Fatalf("verdict %d", v)
			}
			want := packet(replicaAddr(1), replicaAddr(0), accepted(c, testGroup, 1, 5))
			want[20] = 0x40 // the answer must not be fragmented
			want[24], want[25] = out[24], out[25]
			if !bytes.Equal(out, want) {
				t.Errorf("answered\n%x, want\n%x", out, want)
			}
			if fold(sum(out[14:34])) != 0xffff {
				t.Error("the checksum of the IP header is wrong")
			}
			var got wire.Frame
			n := s.Drain(func(f wire.Frame) { got = f; got.Body = bytes.Clone(f.Body) })
			if n != 1 || got.Op != 5 || got.Chosen != 4 || !bytes.Equal(got.Body, body) {
				t.Errorf("drained %d, op %d with %d bytes", n, got.Op, len(got.Body))
			}
			if s.AckedAt() == 0 {
				t.Error("the time of the acknowledgement was not noted")
			}
		})
	}
}
