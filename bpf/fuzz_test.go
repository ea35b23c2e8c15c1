//go:build linux

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/anodekv/anode/bpf/hostile"
	"github.com/anodekv/anode/bpf/model"
	"github.com/anodekv/anode/paxos/wire"
)

// What is made right in a packet before it is run: with all of them clear it is taken as it is. A fuzzer finds no code and
// no checksum, and would never come behind the first checks.
const (
	fuzzHeaders = 1 << iota // lengths and checksums of IP and UDP
	fuzzLength              // the length that the frame tells
	fuzzCode                // the frame's code
	fuzzTCX                 // is no repair: the packet comes through tcx and not through XDP
)

// fuzzBytes bounds a packet: Program.Run takes no more for XDP.
const fuzzBytes = 3000

// FuzzPrograms runs one packet through a program and through the model, against a follower and a leader that have a
// history: the same verdict, the same bytes, the same memory.
func FuzzPrograms(f *testing.F) {
	w := newFuzzed(f)
	for _, p := range append(hostile.Genuine(), hostile.Caught()...) {
		f.Add(byte(0), p)
		f.Add(byte(fuzzTCX), p)
		f.Add(byte(fuzzHeaders|fuzzLength|fuzzCode), p)
	}
	a := hostile.New(1)
	for range 3 * len(hostile.Kinds()) {
		f.Add(byte(fuzzTCX), a.Next().Bytes)
	}
	f.Fuzz(func(t *testing.T, how byte, in []byte) {
		if len(in) < 34 || len(in) > fuzzBytes {
			return // Program.Run takes neither
		}
		w.run(t, how, bytes.Clone(in))
	})
}

// fuzzed is the group under attack of package hostile, in a kernel and as a model.
type fuzzed struct {
	kernel  *Kernel
	machine *model.Machine
	pairs   [2]*pair // follower, leader
	state   [2]modelState
}

func newFuzzed(f *testing.F) *fuzzed {
	w := &fuzzed{kernel: loadKernelFor(f, Options{LogSlots: hostileSlots}), machine: model.NewMachine(hostileSlots)}
	for i, r := range []wire.ReplicaID{hostile.Follower, hostile.Leader} {
		w.pairs[i] = &pair{key: Key{hostile.Addr(r), hostile.Group}, self: r}
	}
	if err := w.open(); err != nil {
		f.Fatal(err)
	}
	w.wear(genMax - 3)
	if err := w.begin(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := w.close(); err != nil {
			f.Error(err)
		}
	})
	return w
}

// open gives both a place that has generations left.
func (w *fuzzed) open() (err error) {
	for _, p := range w.pairs {
		if p.real, err = w.kernel.Open(p.key); err != nil {
			return err
		}
		p.model = w.machine.Open(model.Key(p.key))
	}
	return nil
}

// wear has the places go on behind a generation. Near the last one every run, be it of the seeds alone, comes to new places.
func (w *fuzzed) wear(g generation) {
	word := fencedFlag | pack(g, 0)
	for _, p := range w.pairs {
		storeWord(&p.real.control.Word, word)
		storeWord(&p.real.control.Lead, word)
		p.model.Word, p.model.LeadWord = model.Word(word), model.Word(word)
	}
}

func (w *fuzzed) close() (err error) {
	for _, p := range w.pairs {
		err = errors.Join(err, p.real.Close())
		p.model.Close()
	}
	return err
}

// begin brings both to where every packet finds them.
func (w *fuzzed) begin() error {
	f, l := w.pairs[0], w.pairs[1]
	f.real.Fence()
	f.model.Fence()
	f.real.Drain(func(wire.Frame) {})
	f.model.Drain(func(wire.Frame) {})
	follow, lead := hostileConfig(hostile.Follower), hostileConfig(hostile.Leader)
	acked := []wire.Op{0, hostile.Held, hostile.Base + 4, hostile.Base + 2, 0}
	if err := errors.Join(f.real.Arm(follow, hostile.Held), l.real.Lead(lead, acked, hostile.Last)); err != nil {
		return err
	}
	f.model.Arm(toModel(follow), hostile.Held)
	l.model.Lead(toModel(lead), acked, hostile.Last)
	w.state = [2]modelState{state(f.model), state(l.model)}
	return nil
}

func (w *fuzzed) run(t *testing.T, how byte, in []byte) {
	repair(how, in)
	h := hooks[0]
	if how&fuzzTCX != 0 {
		h = hooks[1]
	}
	w.machine.Now++
	v, out := h.run(t, w.kernel, in)
	wantV, answer := w.machine.Ingress(in)
	want := in
	if wantV == model.Answer {
		want = answer
	}
	if v != wantV || !bytes.Equal(out, want) {
		t.Fatalf("%s: verdict %d, the model %d\nin    %x\nout   %x\nmodel %x", h.name, v, wantV, in, out, want)
	}
	for i, p := range w.pairs {
		if err := p.compare(); err != nil {
			t.Fatalf("%s: slot %d: %v\nin    %x", h.name, i, err, in)
		}
	}
	elsewhere, err := w.kernel.Elsewhere()
	if err = errors.Join(err, compareCounts(elsewhere, w.machine.Elsewhere)); err != nil {
		t.Fatalf("%s: %v\nin    %x", h.name, err, in)
	}
	if w.state == [2]modelState{state(w.pairs[0].model), state(w.pairs[1].model)} {
		return
	}
	err = w.begin()
	if errors.Is(err, ErrExhausted) { // after half a million packets that were taken
		err = errors.Join(w.close(), w.open(), w.begin())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// repair makes a packet right where it is told to, as far as it is long enough.
func repair(how byte, in []byte) {
	const frameAt, bodyAt = 42, 42 + wire.HeaderSize
	if how&fuzzLength != 0 && len(in) >= bodyAt {
		binary.LittleEndian.PutUint32(in[frameAt+20:], uint32(len(in)-bodyAt))
	}
	if how&fuzzCode != 0 && len(in) >= bodyAt {
		wire.NewKey(hostile.Key).Seal(in[frameAt:])
	}
	if how&fuzzHeaders != 0 {
		hostile.Mend(in)
	}
}
