//go:build linux

package bpf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	differentialSeeds = 60
	differentialSteps = 500
)

// TestModelAndProgramsAgree feeds random packets, and what user space does in between, to the programs and to the
// model: the same verdicts, the same bytes, the same memory after every step.
func TestModelAndProgramsAgree(t *testing.T) {
	namespace(t)
	seen := Counters{}
	k := loadKernelFor(t, Options{LogSlots: 8})
	for seed := uint64(1); seed <= differentialSeeds; seed++ {
		w := newTwins(t, k, seed)
		for step := range differentialSteps {
			what := w.step()
			if err := w.compare(); err != nil {
				t.Fatalf("seed %d, step %d, %s: %v", seed, step, what, err)
			}
		}
		w.close(&seen)
	}
	// What the model can say must have been said: a test that never comes there compares nothing.
	impossible := map[Reason]bool{
		0: true, Reason(kernelReasonREASON_UNREADABLE): true, Reason(kernelReasonREASON_NO_LOG): true,
		Reason(kernelReasonREASON_CONTENDED): true, Reason(kernelReasonREASON_RACED): true,
		Reason(kernelReasonREASON_UNANSWERED): true, Reason(kernelReasonREASON_OLD_CELL): true,
		Reason(kernelReasonREASON_SEGMENTED): true, Reason(kernelReasonREASON_CLONE_FAILED): true,
	}
	for i, n := range seen {
		t.Logf("%-18v %d", Reason(i), n)
		if r := Reason(i); n == 0 != impossible[r] {
			t.Errorf("%v was counted %d times", r, n)
		}
	}
}

// twins are the programs and the model in the same state: in one kernel a follower and the leader of one group, and
// a follower of another at the address of the first.
type twins struct {
	t       *testing.T
	rng     *rand.Rand
	kernel  *Kernel
	machine *model.Machine
	pairs   []*pair
	sent    [][]byte // for replays
}

// pair is one slot in both.
type pair struct {
	key     Key
	self    wire.ReplicaID
	real    *Slot
	model   *model.Slot
	follow  Config // of the last arm
	lead    Config
	ackedAt [2]wire.Time
}

// newTwins opens slots in a kernel that has seen others: their generations go on, and the model begins with them.
func newTwins(t *testing.T, k *Kernel, seed uint64) *twins {
	w := &twins{t: t, rng: rand.New(rand.NewPCG(seed, 1)), kernel: k, machine: model.NewMachine(8)}
	elsewhere, err := k.Elsewhere()
	if err != nil {
		t.Fatal(err)
	}
	w.machine.Elsewhere = elsewhere
	for _, p := range []*pair{
		{key: Key{replicaAddr(1), testGroup}, self: 1},
		{key: Key{replicaAddr(0), testGroup}, self: 0},
		{key: Key{replicaAddr(1), testGroup + 1}, self: 1},
	} {
		s, err := w.kernel.Open(p.key)
		if err != nil {
			t.Fatal(err)
		}
		p.real, p.model = s, w.machine.Open(model.Key(p.key))
		p.model.Word, p.model.LeadWord = model.Word(s.control.Word), model.Word(s.control.Lead)
		w.pairs = append(w.pairs, p)
		w.arm(p)
		w.reign(p)
	}
	return w
}

func (w *twins) close(seen *Counters) {
	all := []Counters{w.machine.Elsewhere}
	for _, p := range w.pairs {
		c, err := p.real.Counters()
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, c)
		if err := p.real.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, c := range all {
		for i, n := range c {
			seen[i] += n
		}
	}
}

// config draws what holds for a generation.
func (w *twins) config(self wire.ReplicaID) Config {
	c := testConfig(3+2*w.rng.IntN(3), self)
	c.View += wire.View(w.rng.IntN(2)) + wire.Epoch(w.rng.IntN(3)/2*(1+w.rng.IntN(1<<16-1))).First() // mostly the first
	c.Leader = wire.ReplicaID(w.rng.IntN(4) / 3 * 2)                                                 // mostly 0
	for i := range c.Members {
		c.Members[i].Incarnation += wire.Incarnation(w.rng.IntN(2))
	}
	if w.rng.IntN(3) == 0 {
		c.Key = [wire.KeySize]byte{}
	}
	return c
}

func toModel(c Config) model.Config {
	m := model.Config{Cluster: c.Cluster, View: c.View, Self: c.Self, Leader: c.Leader, Key: wire.NewKey(c.Key)}
	for _, member := range c.Members {
		m.Members = append(m.Members, model.Member(member))
	}
	return m
}

// opNear is an op near the beginning of a view's epoch.
func opNear(v wire.View, n int) wire.Op { return v.Epoch().Base() + wire.Op(n) }

func (w *twins) arm(p *pair) {
	p.real.Fence()
	p.model.Fence()
	w.drain(p)
	p.follow = w.config(p.self)
	last := opNear(p.follow.View, w.rng.IntN(30))
	if err := p.real.Arm(p.follow, last); err != nil {
		w.t.Fatal(err)
	}
	p.model.Arm(toModel(p.follow), last)
}

func (w *twins) reign(p *pair) {
	p.lead = w.config(p.self)
	end := w.rng.IntN(30)
	last := opNear(p.lead.View, end)
	acked := make([]wire.Op, len(p.lead.Members))
	for i := range acked {
		if n := w.rng.IntN(end + 1); n > 0 { // 0 stands for nothing
			acked[i] = opNear(p.lead.View, n)
		}
	}
	if err := p.real.Lead(p.lead, acked, last); err != nil {
		w.t.Fatal(err)
	}
	p.model.Lead(toModel(p.lead), acked, last)
	for i := range wire.ReplicaID(wire.MaxReplicas) {
		p.real.SetNeighbour(i, nil)
		p.model.Neighbours[i] = nil
		if w.rng.IntN(8) != 0 {
			h := model.Hardware{2, 0, 0, 0, 0, byte(i)}
			p.real.SetNeighbour(i, h[:])
			p.model.Neighbours[i] = &h
		}
	}
}

// drain lets both user spaces take what there is; it must be the same.
func (w *twins) drain(p *pair) {
	var got, want [][]byte
	encode := func(to *[][]byte) func(wire.Frame) {
		return func(f wire.Frame) {
			b, err := f.Append(nil)
			if err != nil {
				w.t.Fatal(err)
			}
			*to = append(*to, b)
		}
	}
	p.real.Drain(encode(&got))
	p.model.Drain(encode(&want))
	if fmt.Sprintf("%x", got) != fmt.Sprintf("%x", want) {
		w.t.Fatalf("drained\n%x, the model\n%x", got, want)
	}
}

// step does one thing to both.
func (w *twins) step() string {
	p := w.pairs[w.rng.IntN(len(w.pairs))]
	if _, armed := p.real.Armed(); !armed && w.rng.IntN(6) == 0 {
		w.arm(p)
		return "arm"
	}
	if p.model.LeadWord.Fenced() && w.rng.IntN(6) == 0 {
		w.reign(p)
		return "lead"
	}
	switch w.rng.IntN(60) {
	case 0:
		w.arm(p)
		return "arm"
	case 1:
		w.reign(p)
		return "lead"
	case 2:
		p.real.Fence()
		p.model.Fence()
		return "fence"
	case 3:
		p.real.Retire()
		p.model.Retire()
		return "retire"
	case 4:
		w.drain(p)
		return "drain"
	case 7:
		return w.claim(p)
	case 8, 9:
		op := opNear(p.lead.View, int(p.model.LeadLast.Op())+w.rng.IntN(5))
		p.real.Extend(op)
		p.model.Extend(op)
		return "extend"
	case 10:
		mode := w.rng.IntN(3)
		p.real.Wake(WakeMode(mode))
		p.model.Wake = model.Wake(mode)
		return "wake"
	case 11:
		member, op := wire.ReplicaID(w.rng.IntN(10)), opNear(p.lead.View, w.rng.IntN(40))
		p.real.Acknowledge(member, op)
		p.model.Acknowledge(member, op)
		return "acknowledge"
	case 12, 13, 14:
		return w.leave(p)
	default:
		return w.arrive(p)
	}
}

func (w *twins) claim(p *pair) string {
	op := opNear(p.follow.View, int(p.model.Word.Op())+w.rng.IntN(3))
	if got, want := p.real.Claim(op), p.model.Claim(op); got != want {
		w.t.Fatalf("claim of op %d: %v, the model %v", op, got, want)
	}
	return "claim"
}

// arrive runs one packet through one of the two ingress programs and through the model.
func (w *twins) arrive(p *pair) string {
	w.machine.Now++
	in := w.packet(p)
	h := hooks[w.rng.IntN(len(hooks))]
	v, out := h.run(w.t, w.kernel, in)
	counted := w.counted()
	wantV, answer := w.machine.Ingress(in)
	if n := w.counted() - counted; n != 1 {
		w.t.Fatalf("%x was counted under %d reasons", in, n)
	}
	want := in
	if wantV == model.Answer {
		want = answer
	}
	if v != wantV || !bytes.Equal(out, want) {
		w.t.Fatalf("%s: verdict %d, the model %d\nin    %x\nout   %x\nmodel %x", h.name, v, wantV, in, out, want)
	}
	return fmt.Sprintf("%s packet %x", h.name, in)
}

// counted adds up everything that the model has counted; compare says that the programs have counted the same.
func (w *twins) counted() (n uint64) {
	rows := [][model.Reasons]uint64{w.machine.Elsewhere}
	for _, p := range w.pairs {
		rows = append(rows, p.model.Counts)
	}
	for _, row := range rows {
		for _, c := range row {
			n += c
		}
	}
	return n
}

// leave runs one packet through the egress program. The copies leave for real, by the loopback; here only the
// packet itself is seen, which is the last of them.
func (w *twins) leave(p *pair) string {
	f := w.acceptFrame(p, p.lead)
	f.Sender, f.Incarnation, f.Flags = p.self, p.lead.Members[p.self].Incarnation, wire.FlagBroadcast
	in := packet(p.key.Addr, replicaAddr(2), seal(p.lead, f))
	if w.rng.IntN(2) == 0 {
		in = w.damage(in)
	}
	if w.rng.IntN(8) == 0 {
		in[40], in[41] = 0, 0 // no checksum
	}
	_, out := runProgram(w.t, w.kernel.objects.AnodeEgress, in)
	all := w.machine.Egress(in)
	if want := all[len(all)-1]; !bytes.Equal(out, want) {
		w.t.Fatalf("egress\nin    %x\nout   %x\nmodel %x", in, out, want)
	}
	return fmt.Sprintf("leaving %x", in)
}

// packet draws one: most are right in most respects.
func (w *twins) packet(p *pair) []byte {
	var in []byte
	switch {
	case len(w.sent) > 0 && w.rng.IntN(8) == 0:
		return w.sent[w.rng.IntN(len(w.sent))]
	case w.rng.IntN(6) == 0:
		f := w.mistake(w.probeFrame(p), p.follow)
		in = packet(w.source(p.follow, f.Sender), p.key.Addr, seal(p.follow, f))
	case w.rng.IntN(2) == 0:
		f := w.mistake(w.acceptFrame(p, p.follow), p.follow)
		in = packet(w.source(p.follow, f.Sender), p.key.Addr, seal(p.follow, f))
	default:
		f := w.mistake(w.acceptedFrame(p), p.lead)
		in = packet(w.source(p.lead, f.Sender), p.key.Addr, seal(p.lead, f))
	}
	if w.rng.IntN(4) == 0 {
		in = w.damage(in)
	}
	w.sent = append(w.sent, in)
	return in
}

func (w *twins) acceptFrame(p *pair, c Config) wire.Frame {
	op := opNear(c.View, int(p.model.Word.Op())+1)
	switch w.rng.IntN(9) {
	case 0:
		op = opNear(c.View, w.rng.IntN(40))
	case 1:
		op += 2
	case 2:
		op = wire.Op(w.rng.IntN(2))<<48 + wire.Op(w.rng.IntN(40)) // of another epoch
	}
	size := w.rng.IntN(120)
	if w.rng.IntN(6) == 0 {
		size = 1300 + w.rng.IntN(150)
	}
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(w.rng.Uint32())
	}
	return wire.Frame{Header: wire.Header{
		Kind: wire.KindAccept, Cluster: c.Cluster, Group: p.key.Group, View: c.View, Op: op,
		Chosen: wire.Op(w.rng.IntN(40)), Sender: c.Leader, Incarnation: c.Members[c.Leader].Incarnation,
	}, Body: body}
}

func (w *twins) probeFrame(p *pair) wire.Frame {
	c := p.follow
	f := wire.Frame{Header: wire.Header{
		Kind: wire.KindProbe, Cluster: c.Cluster, Group: p.key.Group, View: c.View, Chosen: wire.Op(w.rng.Uint64()),
		Sender: c.Leader, Incarnation: c.Members[c.Leader].Incarnation,
	}}
	if w.rng.IntN(8) == 0 {
		f.Body = make([]byte, 1+w.rng.IntN(20))
	}
	return f
}

func (w *twins) acceptedFrame(p *pair) wire.Frame {
	c := p.lead
	from := wire.ReplicaID(w.rng.IntN(len(c.Members)))
	return wire.Frame{Header: wire.Header{
		Kind: wire.KindAccepted, Cluster: c.Cluster, Group: p.key.Group, View: c.View,
		Op: opNear(c.View, max(0, int(p.model.LeadLast.Op())+2-w.rng.IntN(12))), Sender: from,
		Incarnation: c.Members[from].Incarnation,
	}}
}

// mistake makes a well-formed frame untrue in one respect, sometimes.
func (w *twins) mistake(f wire.Frame, c Config) wire.Frame {
	switch w.rng.IntN(24) {
	case 0:
		f.Cluster++
	case 1:
		f.Group = testGroup + wire.GroupID(w.rng.IntN(3))
	case 2:
		f.View += wire.View(w.rng.IntN(3)) - 1
	case 3:
		f.Sender = wire.ReplicaID(w.rng.IntN(1 << 16))
	case 4:
		f.Sender = wire.ReplicaID(w.rng.IntN(len(c.Members) + 2))
	case 5:
		f.Incarnation++
	case 6:
		f.Op = wire.Op(w.rng.Uint64())
	case 7:
		f.Flags = wire.FlagBroadcast
	case 8:
		f.Kind = []wire.Kind{wire.KindHeartbeat, wire.KindProbe, wire.KindSign, wire.KindAccept}[w.rng.IntN(4)]
	}
	return f
}

// source is where a member speaks from, mostly.
func (w *twins) source(c Config, sender wire.ReplicaID) wire.Addr {
	if int(sender) >= len(c.Members) || w.rng.IntN(20) == 0 {
		return replicaAddr(w.rng.IntN(9))
	}
	return c.Members[sender].Addr
}

// damage changes a packet below the frame's code: bits, lengths, headers.
func (w *twins) damage(in []byte) []byte {
	p := bytes.Clone(in)
	switch w.rng.IntN(7) {
	case 0:
		p[w.rng.IntN(len(p))] ^= 1 << w.rng.IntN(8)
	case 1:
		p[w.rng.IntN(106)] = byte(w.rng.Uint32())
	case 2:
		p = p[:34+w.rng.IntN(len(p)-34)] // Program.Run takes nothing shorter
	case 3:
		p = append(p, make([]byte, 1+w.rng.IntN(64))...)
	case 4:
		p[14] = 0x46 // an option
	case 5:
		p[20] |= 0x20 // more fragments
	case 6:
		p[98+w.rng.IntN(8)] ^= 1 // the code
	}
	return p
}

// compare holds all shared memory against the model's.
func (w *twins) compare() error {
	for i, p := range w.pairs {
		if err := p.compare(); err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
	}
	elsewhere, err := w.kernel.Elsewhere()
	if err != nil {
		return err
	}
	return compareCounts(elsewhere, w.machine.Elsewhere)
}

func (p *pair) compare() error {
	c, m := p.real.control, p.model
	words := []struct {
		name      string
		got, want uint64
	}{
		{"word", c.Word, uint64(m.Word)}, {"released", c.Released, uint64(m.Released)},
		{"lead", c.Lead, uint64(m.LeadWord)}, {"last", c.LeadLast, uint64(m.LeadLast)},
		{"chosen", c.Chosen, uint64(m.ChosenMark)}, {"wake", c.Wake, uint64(m.Wake)},
	}
	for _, w := range words {
		if w.got != w.want {
			return fmt.Errorf("%s %x, the model %x", w.name, w.got, w.want)
		}
	}
	for i := range c.Cells {
		if c.Cells[i] != uint64(m.Cell[i]) {
			return fmt.Errorf("cell %d %x, the model %x", i, c.Cells[i], uint64(m.Cell[i]))
		}
	}
	// Two clocks: what can be compared is whether the time was noted at all.
	was := p.ackedAt
	p.ackedAt = [2]wire.Time{p.real.AckedAt(), m.AckedAt}
	if (was[0] != p.ackedAt[0]) != (was[1] != p.ackedAt[1]) {
		return fmt.Errorf("acknowledged at %d after %d, the model at %d after %d", p.ackedAt[0], was[0], p.ackedAt[1], was[1])
	}
	if fmt.Sprint(p.real.Cells(nil), p.real.Chosen()) != fmt.Sprint(m.Cells(nil), m.Chosen()) {
		return fmt.Errorf("read cells %v, the model %v", p.real.Cells(nil), m.Cells(nil))
	}
	if err := p.compareLog(); err != nil {
		return err
	}
	counts, err := p.real.Counters()
	if err != nil {
		return err
	}
	return compareCounts(counts, m.Counts)
}

func (p *pair) compareLog() error {
	for i := range p.real.records.of {
		r, want := &p.real.records.of[i], &p.model.Log[i]
		frame := unsafe.Slice((*byte)(unsafe.Pointer(&r.Words)), len(want.Frame))
		if r.Tag != uint64(want.Tag) || !bytes.Equal(frame, want.Frame) {
			return fmt.Errorf("record %d: tag %x %x, the model %x %x", i, r.Tag, frame, uint64(want.Tag), want.Frame)
		}
	}
	return nil
}

func compareCounts(got Counters, want [model.Reasons]uint64) error {
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("counted %v %d times, the model %d", Reason(i), got[i], want[i])
		}
	}
	return nil
}
