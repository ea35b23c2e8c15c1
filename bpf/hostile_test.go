//go:build linux

package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/anodekv/anode/bpf/hostile"
	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	hostilePackets = 100_000 // over all hooks
	// hostileSeed is that of the attack on the first hook. Another one is another attack.
	hostileSeed = 7
	// hostileEvery is how often the counters are read: it takes longer than a packet.
	hostileEvery = 500
	// hostileSlots are the places of the follower's log: room for what it holds and for more.
	hostileSlots = 8
)

// TestNothingHostileIsTaken sends a follower and a leader what somebody without a key can send. No packet changes
// anything, each is counted under its reason, and nothing is answered but entries that the follower holds: with its own
// acknowledgement, to the leader's address. The model says the same of every packet.
func TestNothingHostileIsTaken(t *testing.T) {
	for i, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			b := besiege(t, h)
			before := b.memory()
			seed := hostileSeed + uint64(i)
			a := hostile.New(seed)
			seen := map[string]int{}
			each := hostilePackets / len(hooks)
			for i := range each {
				p := a.Next()
				reason, err := b.attack(p)
				if err == nil && !bytes.Equal(before, b.memory()) {
					err = errors.New("the memory has changed")
				}
				if err == nil && i%hostileEvery == hostileEvery-1 {
					err = b.counted(uint64(i + 1))
				}
				if err != nil {
					t.Fatalf("packet %d of seed %d, %s: %v\n%x", i, seed, p.Kind, err, p.Bytes)
				}
				seen[fmt.Sprintf("%-18s%v", p.Kind, reason)]++
			}
			for _, kind := range hostile.Kinds() {
				if n := each / len(hostile.Kinds()); b.drawn[kind] < n {
					t.Errorf("%s: %d packets, want %d", kind, b.drawn[kind], n)
				}
			}
			t.Log(seen)
			b.relieve()
		})
	}
}

// besieged is a follower and a leader in one kernel, and their models. What was sent to them before has arrived.
type besieged struct {
	t                *testing.T
	hook             hook
	kernel           *Kernel
	follower, leader *Slot
	machine          *model.Machine
	models           [2]*model.Slot
	sent             uint64 // before the attack
	drawn            map[string]int
	answer           []byte
}

func besiege(t *testing.T, h hook) *besieged {
	k := loadKernelFor(t, Options{LogSlots: hostileSlots})
	b := &besieged{t: t, hook: h, kernel: k, machine: model.NewMachine(hostileSlots), drawn: map[string]int{}}
	b.follower = open(t, k, Key{hostile.Addr(hostile.Follower), hostile.Group})
	b.leader = open(t, k, Key{hostile.Addr(hostile.Leader), hostile.Group})
	b.models = [2]*model.Slot{b.machine.Open(model.Key(b.follower.key)), b.machine.Open(model.Key(b.leader.key))}
	follow, lead := hostileConfig(hostile.Follower), hostileConfig(hostile.Leader)
	if err := errors.Join(b.follower.Arm(follow, hostile.Base), b.leader.Lead(lead, make([]wire.Op, hostile.Members), hostile.Last)); err != nil {
		t.Fatal(err)
	}
	b.models[0].Arm(toModel(follow), hostile.Base)
	b.models[1].Lead(toModel(lead), make([]wire.Op, hostile.Members), hostile.Last)
	for _, p := range hostile.Genuine() {
		if _, err := b.run(p); err != nil {
			t.Fatal(err)
		}
		b.sent++
	}
	if last, _ := b.follower.Armed(); last != hostile.Held || b.leader.Chosen() != hostile.Base+4 {
		t.Fatalf("the follower holds %d ops, the leader knows %d to be chosen", last, b.leader.Chosen())
	}
	return b
}

func hostileConfig(self wire.ReplicaID) Config {
	c := Config{Cluster: hostile.Cluster, View: hostile.View, Self: self, Leader: hostile.Leader, Key: hostile.Key}
	for r := range wire.ReplicaID(hostile.Members) {
		c.Members = append(c.Members, Member{hostile.Addr(r), hostile.Incarnation(r)})
	}
	return c
}

// run gives a packet to both; they must agree.
func (b *besieged) run(p []byte) (model.Verdict, error) {
	b.machine.Now++
	v, out := b.hook.run(b.t, b.kernel, p)
	want, answer := b.machine.Ingress(p)
	b.answer = p
	if want == model.Answer {
		b.answer = answer
	}
	if v != want || !bytes.Equal(out, b.answer) {
		return v, fmt.Errorf("verdict %d, the model %d\nout   %x\nmodel %x", v, want, out, b.answer)
	}
	return v, nil
}

// attack gives them a hostile one, and says what the model counted it under.
func (b *besieged) attack(p hostile.Packet) (reason model.Reason, err error) {
	b.drawn[p.Kind]++
	counts, states := b.counts(), [2]modelState{state(b.models[0]), state(b.models[1])}
	v, err := b.run(p.Bytes)
	if err != nil {
		return 0, err
	}
	for i, s := range b.models {
		if now := state(s); now != states[i] {
			return 0, fmt.Errorf("the model was %v and is %v", states[i], now)
		}
	}
	total := uint64(0)
	for r, n := range b.counts() {
		if total += n - counts[r]; n != counts[r] {
			reason = model.Reason(r)
		}
	}
	switch {
	case total != 1:
		return reason, fmt.Errorf("the model counted it %d times", total)
	case p.Answer != nil:
		return reason, b.answered(v, p.Answer)
	case p.Again && v == model.Consume, v == model.Pass:
		return reason, nil
	}
	return reason, fmt.Errorf("verdict %d", v)
}

// answered: an entry that is held is acknowledged once more, and a probe given its sign, to the leader and nobody else.
func (b *besieged) answered(v model.Verdict, frame []byte) error {
	if v != model.Answer {
		return fmt.Errorf("verdict %d for what may be answered", v)
	}
	want := hostile.Wrap(hostile.Addr(hostile.Follower), hostile.Addr(hostile.Leader), frame)
	if !bytes.Equal(b.answer[26:40], want[26:40]) || !bytes.Equal(b.answer[42:], want[42:]) {
		return fmt.Errorf("answered %x, want %x", b.answer, want)
	}
	return nil
}

// counts are the model's, all together.
func (b *besieged) counts() (sum [model.Reasons]uint64) {
	for r := range sum {
		sum[r] = b.models[0].Counts[r] + b.models[1].Counts[r] + b.machine.Elsewhere[r]
	}
	return sum
}

// counted holds the programs' counters against the model's, and their sum against the number of packets.
func (b *besieged) counted(attacked uint64) error {
	total := uint64(0)
	for i, s := range []*Slot{b.follower, b.leader} {
		got, err := s.Counters()
		if err = errors.Join(err, compareCounts(got, b.models[i].Counts)); err != nil {
			return err
		}
		for _, n := range got {
			total += n
		}
	}
	got, err := b.kernel.Elsewhere()
	if err = errors.Join(err, compareCounts(got, b.machine.Elsewhere)); err != nil {
		return err
	}
	for _, n := range got {
		total += n
	}
	if want := b.sent + attacked; total != want {
		return fmt.Errorf("counted %d packets of %d", total, want)
	}
	return nil
}

// memory is everything that the programs share with user space, but for the time of the last acknowledgement: answering
// once more is acknowledging once more.
func (b *besieged) memory() (all []byte) {
	for _, s := range []*Slot{b.follower, b.leader} {
		control := *s.control
		control.AckedAt = 0
		all = append(all, bytesOf(&control)...)
		for i := range configsPerSlot {
			all = append(all, bytesOf(&b.kernel.configs.of[int(s.index)*configsPerSlot+i])...)
		}
		all = append(all, s.records.bytes...)
	}
	return all
}

func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// modelState is what a model may not change.
type modelState struct {
	words [5]model.Word
	wake  model.Wake
	cells [wire.MaxReplicas]model.Word
	tags  [hostileSlots]model.Word
}

func state(s *model.Slot) modelState {
	m := modelState{words: [5]model.Word{s.Word, s.Released, s.LeadWord, s.LeadLast, s.ChosenMark}, wake: s.Wake, cells: s.Cell}
	for i := range m.tags {
		m.tags[i] = s.Log[i].Tag
	}
	return m
}

// relieve lets what was caught arrive at last: it is taken, so the attack has met replicas that were able to.
func (b *besieged) relieve() {
	for _, p := range hostile.Caught() {
		if _, err := b.run(p); err != nil {
			b.t.Error(err)
		}
	}
	var got [][]byte
	b.follower.Drain(func(f wire.Frame) { got = append(got, hostile.Seal(f)) })
	for i, frame := range got {
		if !bytes.Equal(frame, hostile.Seal(hostile.Accept(hostile.Base+wire.Op(i+1)))) {
			b.t.Errorf("op %d: %x", i+1, frame)
		}
	}
	if len(got) != int(hostile.Held-hostile.Base)+1 || b.leader.Chosen() != hostile.Base+8 {
		b.t.Errorf("%d ops were stored, op %d is chosen", len(got), b.leader.Chosen())
	}
}

// A key is changed with a generation: frames under the old one are passed up from then on, whatever else is right.
func TestKeysChangeWithTheGeneration(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			k := loadKernelFor(t, Options{LogSlots: hostileSlots})
			s, l := open(t, k, Key{replicaAddr(1), testGroup}), open(t, k, Key{replicaAddr(0), testGroup})
			follow, lead := testConfig(3, 1), testConfig(3, 0)
			for change := range 2 {
				last := wire.Op(change)
				before := follow
				follow.Key[15], lead.Key[15], before.Key[15] = byte(change), byte(change), byte(1-change)
				s.Fence()
				s.Drain(func(wire.Frame) {})
				if err := errors.Join(s.Arm(follow, last), l.Lead(lead, make([]wire.Op, 3), last+1)); err != nil {
					t.Fatal(err)
				}
				entry := func(c Config) []byte { return toFollower(accept(c, testGroup, last+1, nil)) }
				if v, _ := h.run(t, k, entry(before)); v != model.Pass {
					t.Errorf("change %d: an entry under another key: verdict %d", change, v)
				}
				if v, _ := h.run(t, k, toLeader(before, 1, last+1)); v != model.Pass || l.Chosen() != 0 {
					t.Errorf("change %d: an acknowledgement under another key: verdict %d, op %d is chosen", change, v, l.Chosen())
				}
				v, out := h.run(t, k, entry(follow))
				if v != model.Answer || !wire.NewKey(follow.Key).Verify(out[42:]) {
					t.Errorf("change %d: an entry under the present key: verdict %d, %x", change, v, out)
				}
				if v, _ := h.run(t, k, toLeader(lead, 1, last+1)); v != model.Pass || l.Chosen() != last+1 {
					t.Errorf("change %d: an acknowledgement under the present key: verdict %d, op %d is chosen", change, v, l.Chosen())
				}
			}
		})
	}
}
