//go:build linux

package bpf

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	hammerThreads = 3
	burstOps      = 64
	// wantedRaces is how many claims must have been lost to another CPU, and how many fences must have fallen into
	// a burst, before the test has seen enough. Programs that do not compare before they swap never lose one.
	wantedRaces = 10
	// hammerPatience is after how long one of each must do: on a machine that is busy with other things two threads
	// seldom run at the same moment.
	hammerPatience = 60 * time.Second
)

// Bugs 2 and 8: state that is read, changed and written back races the fence and other CPUs; a cell shared by all
// packets carries one packet's op into another's answer.
//
// Several threads send the same ops in the same order through both programs, and one of them is the slot's owner, who
// fences at a random moment in between. Whatever was acknowledged must be drained exactly once, in order, with a body
// that belongs to it, and every answer must carry the op of its own packet.
func TestFenceInABurst(t *testing.T) {
	severalCPUs(t)
	k, s, c := follower(t, 256, 0)
	rng := rand.New(rand.NewPCG(1, 1))
	fencedEarly, raced := 0, uint64(0)
	last := wire.Op(0)
	began := time.Now()
	for round := 0; fencedEarly < wantedRaces || raced < wantedRaces; round++ {
		b := newBurst(c, last)
		end, drained := b.run(t, k, s, rng.IntN(burstOps))
		if wire.Op(drained) != end-last {
			t.Fatalf("round %d: fenced at op %d after %d, drained %d", round, end, last, drained)
		}
		if acked := wire.Op(b.highest.Load()); acked > end {
			t.Fatalf("round %d: op %d was acknowledged, claimed was up to %d", round, acked, end)
		}
		if end < last+burstOps {
			fencedEarly++
		}
		last = end
		raced = claims(t, s, last)
		if time.Since(began) > hammerPatience {
			if fencedEarly == 0 || raced == 0 {
				t.Fatalf("after %d rounds only %d fences in a burst and %d lost races", round, fencedEarly, raced)
			}
			break
		}
		c.View++
		if err := s.Arm(c, last); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d ops, %d fences in a burst, %d claims lost a race", last, fencedEarly, raced)
}

// claims checks that every op was claimed once, and returns how many claims were lost to another CPU.
func claims(t *testing.T, s *Slot, last wire.Op) uint64 {
	t.Helper()
	counts, err := s.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.Op(counts[ReasonAcked]); got != last {
		t.Fatalf("%d ops were acknowledged for the first time, the log ends at %d", got, last)
	}
	return counts[kernelReasonREASON_RACED]
}

// burst is what the threads send in one round.
type burst struct {
	first   wire.Op
	packets [hammerThreads][][]byte
	highest atomic.Uint64 // op acknowledged
}

func newBurst(c Config, after wire.Op) *burst {
	b := &burst{first: after + 1}
	for i := range b.packets {
		for op := b.first; op <= after+burstOps; op++ {
			// A long body takes long to verify, between the look at the word and the claim.
			body := make([]byte, MaxBody)
			binary.LittleEndian.PutUint64(body, uint64(op))
			body[8] = byte(i)
			b.packets[i] = append(b.packets[i], toFollower(accept(c, testGroup, op, body)))
		}
	}
	return b
}

// run sends everything, and fences when the owner has sent so many.
func (b *burst) run(t *testing.T, k *Kernel, s *Slot, fenceAt int) (end wire.Op, drained int) {
	var ready, all sync.WaitGroup
	ready.Add(hammerThreads)
	for i := range b.packets {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ready.Done()
			ready.Wait()
			for n, p := range b.packets[i] {
				if i == 0 && n == fenceAt {
					end, drained = b.fence(t, s)
				}
				b.send(t, k, hooks[i%len(hooks)], p)
			}
		})
	}
	all.Wait()
	if again := s.Fence(); again != end {
		t.Errorf("op %d was claimed behind the fence at %d", again, end)
	}
	return end, drained
}

// fence takes the slot back and everything that it holds.
func (b *burst) fence(t *testing.T, s *Slot) (end wire.Op, drained int) {
	expect := b.first
	end = s.Fence()
	drained = s.Drain(func(f wire.Frame) {
		if f.Op != expect || wire.Op(binary.LittleEndian.Uint64(f.Body)) != f.Op {
			t.Errorf("drained op %d with the body of %d, expected %d", f.Op, binary.LittleEndian.Uint64(f.Body), expect)
		}
		expect++
	})
	return end, drained
}

// send runs one packet and looks at the answer.
func (b *burst) send(t *testing.T, k *Kernel, h hook, p []byte) {
	v, out := h.run(t, k, p)
	if v != model.Answer {
		return
	}
	f, _, _, err := wire.Parse(out[42:])
	if sent := binary.LittleEndian.Uint64(p[74:]); err != nil || f.Kind != wire.KindAccepted || uint64(f.Op) != sent {
		t.Errorf("op %d was answered with %v of op %d (%v)", sent, f.Kind, f.Op, err)
	}
	for {
		was := b.highest.Load()
		if uint64(f.Op) <= was || b.highest.CompareAndSwap(was, uint64(f.Op)) {
			return
		}
	}
}

// A duplicate is answered only if the word still stands after the time was noted. So the time that user space reads
// behind its fence is that of the last acknowledgement: if it moves on, the packet that moved it was refused.
func TestNoDuplicateIsAnsweredBehindAFence(t *testing.T) {
	severalCPUs(t)
	k, s, c := follower(t, 8, 0)
	rng := rand.New(rand.NewPCG(1, 1))
	refused := func() uint64 {
		counts, err := s.Counters()
		if err != nil {
			t.Fatal(err)
		}
		return counts[kernelReasonREASON_RACED]
	}
	began := time.Now()
	for round := 0; refused() < wantedRaces; round++ {
		p := toFollower(accept(c, testGroup, 1, make([]byte, MaxBody)))
		hooks[round%2].run(t, k, p)
		before := refused()
		var sent sync.WaitGroup
		var started atomic.Bool
		sent.Go(func() {
			for range 20 {
				started.Store(true)
				hooks[round%2].run(t, k, p)
			}
		})
		for !started.Load() {
			runtime.Gosched()
		}
		for spin := rng.IntN(20000); spin > 0; spin-- {
			_ = s.AckedAt()
		}
		s.Fence()
		at := s.AckedAt()
		sent.Wait()
		if s.AckedAt() != at && refused() == before {
			t.Fatalf("round %d: acknowledged at %d, behind the fence that read %d", round, s.AckedAt(), at)
		}
		if time.Since(began) > hammerPatience {
			if refused() == 0 {
				t.Fatalf("after %d rounds no duplicate met a fence", round)
			}
			break
		}
		s.Drain(func(wire.Frame) {})
		if err := s.Arm(c, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func severalCPUs(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU races nobody")
	}
}

// A reader that finds a record's tag finds the whole record, however fast it looks.
func TestDrainWhileTheProgramsWrite(t *testing.T) {
	severalCPUs(t)
	const n = 5000
	k, s, c := follower(t, 64, 0)
	var sent sync.WaitGroup
	sent.Go(func() {
		for op := wire.Op(1); op <= n; op++ {
			body := make([]byte, MaxBody)
			binary.LittleEndian.PutUint64(body[MaxBody-8:], uint64(op))
			p := toFollower(accept(c, testGroup, op, body))
			for v := model.Pass; v == model.Pass; { // until the reader has made room
				v, _ = hooks[op%2].run(t, k, p)
			}
		}
	})
	for expect := wire.Op(1); expect <= n; {
		s.Drain(func(f wire.Frame) {
			if got := binary.LittleEndian.Uint64(f.Body[MaxBody-8:]); f.Op != expect || got != uint64(expect) {
				t.Errorf("op %d ends with the body of op %d, expected %d", f.Op, got, expect)
			}
			expect++
		})
	}
	sent.Wait()
}

// Acknowledgements of all members race on several CPUs, with user space reading and leading anew: the mark never
// passes what f cells hold, and when all is quiet it is exactly that.
func TestCountingOnManyCPUs(t *testing.T) {
	k, s, c := leader(t, 5, 400)
	for round := range 20 {
		var all sync.WaitGroup
		for from := wire.ReplicaID(1); from < 5; from++ {
			all.Add(1)
			go func() {
				defer all.Done()
				for op := wire.Op(1); op <= 100; op++ {
					hooks[int(from)%2].run(t, k, toLeader(c, from, op*wire.Op(from)))
				}
			}()
		}
		all.Wait()
		if got := s.Cells(nil); got[1] != 100 || got[4] != 400 || s.Chosen() != 300 {
			t.Fatalf("round %d: cells %v, chosen %d", round, got, s.Chosen())
		}
		c.View++
		if err := s.Lead(c, make([]wire.Op, 5), 400); err != nil {
			t.Fatal(err)
		}
	}
}
