package model

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// The scenarios say what must hold; with the tag mutants each is seen to notice the bug it is there for.

func TestScenarios(t *testing.T) {
	for name, scenario := range map[string]func() error{
		"nothing is acknowledged that is not stored": nothingUnstoredIsAcknowledged,
		"a fence stands":                            aFenceStands,
		"an acknowledgement that jumps counts":      aJumpCounts,
		"what is stale counts nothing":              staleCountsNothing,
		"what is forged counts nothing":             forgedCountsNothing,
		"answers carry the op of their own packet":  answersCarryTheirOwnOp,
		"nothing hostile is taken":                  nothingHostileIsTaken,
		"a later epoch has its own ops":             aLaterEpochHasItsOwnOps,
		"answers are of the generation that claims": answersAreOfTheirGeneration,
		"who is fenced gives no sign":               whoIsFencedGivesNoSign,
	} {
		if err := scenario(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const group = wire.GroupID(3)

func addr(i int) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 7000)
}

func config(n int, self wire.ReplicaID) Config {
	c := Config{Cluster: 1, View: 4 * 9, Self: self, Key: wire.NewKey([wire.KeySize]byte{1})}
	for i := range n {
		c.Members = append(c.Members, Member{addr(i), wire.Incarnation(i + 1)})
	}
	return c
}

func sealed(c Config, f wire.Frame) []byte {
	f.Cluster, f.Group = c.Cluster, group
	b, err := f.Append(nil)
	if err != nil {
		panic(err)
	}
	c.Key.Seal(b)
	return b
}

func acceptOf(c Config, op wire.Op, size int) []byte {
	return sealed(c, wire.Frame{Header: wire.Header{Kind: wire.KindAccept, View: c.View, Op: op,
		Sender: 0, Incarnation: 1}, Body: make([]byte, size)})
}

func acceptedOf(c Config, from wire.ReplicaID, op wire.Op) []byte {
	return sealed(c, wire.Frame{Header: wire.Header{Kind: wire.KindAccepted, View: c.View, Op: op,
		Sender: from, Incarnation: wire.Incarnation(from) + 1}})
}

func follower(logSlots int) (*Machine, *Slot, Config) {
	m := NewMachine(logSlots)
	s := m.Open(Key{addr(1), group})
	c := config(3, 1)
	s.Arm(c, 0)
	return m, s, c
}

func leader(n int) (*Machine, *Slot, Config) {
	m := NewMachine(1)
	s := m.Open(Key{addr(0), group})
	c := config(n, 0)
	s.Lead(c, make([]wire.Op, n), 100)
	return m, s, c
}

// answered is the op that an answer acknowledges.
func answered(answer []byte) wire.Op { return wire.Op(binary.LittleEndian.Uint64(answer[32:])) }

// nothingUnstoredIsAcknowledged sends entries of every size again and again, into a log that gets full.
func nothingUnstoredIsAcknowledged() error {
	m, s, c := follower(2)
	for op := wire.Op(1); op <= 5; op++ {
		for _, size := range []int{MaxBody + 1, MaxBody + 1, 10, 10} {
			if v, answer := m.Datagram(addr(0), addr(1), acceptOf(c, op, size)); v == Answer {
				if place := s.place(Offset(answered(answer))); place.Tag != Pack(s.Word.Generation(), Offset(op)) {
					return fmt.Errorf("op %d was acknowledged, its place holds %x", op, uint64(place.Tag))
				}
			}
		}
	}
	return nil
}

// aFenceStands fences between the checks of an op and its claim.
func aFenceStands() error {
	m, s, c := follower(4)
	for op := wire.Op(1); op <= 2; op++ {
		m.Datagram(addr(0), addr(1), acceptOf(c, op, 10))
	}
	fenced := wire.Op(0)
	m.Between = func() { fenced = s.Fence() }
	v, _ := m.Datagram(addr(0), addr(1), acceptOf(c, 3, 10))
	if !s.Word.Fenced() || wire.Op(s.Word.Op()) != fenced || v != Pass {
		return fmt.Errorf("fenced at op %d, then the word is %x, verdict %d", fenced, uint64(s.Word), v)
	}
	m.Datagram(addr(0), addr(1), acceptOf(c, 2, 10))
	if n := s.Drain(func(wire.Frame) {}); wire.Op(n) != fenced {
		return fmt.Errorf("fenced at op %d, drained %d", fenced, n)
	}
	return nil
}

// aJumpCounts holds the mark against the f-th largest acknowledgement, whatever becomes of the packets that are
// passed up: user space reads the mark and the cells.
func aJumpCounts() error {
	m, s, c := leader(5)
	acked := make([]wire.Op, 5)
	for _, a := range []struct {
		from wire.ReplicaID
		op   wire.Op
	}{{1, 1}, {2, 2}, {3, 9}, {4, 7}, {1, 8}, {2, 8}, {4, 9}, {4, 3}} {
		before := s.Chosen()
		v, _ := m.Datagram(addr(int(a.from)), addr(0), acceptedOf(c, a.from, a.op))
		acked[a.from] = max(acked[a.from], a.op)
		sorted := slices.Sorted(slices.Values(acked[1:]))
		if want := sorted[len(sorted)-2]; s.Chosen() != want {
			return fmt.Errorf("acknowledged %v, chosen %d", acked[1:], s.Chosen())
		}
		if passed := v == Pass; passed != (s.Chosen() != before) {
			return fmt.Errorf("chosen %d after %d, verdict %d", s.Chosen(), before, v)
		}
	}
	if fmt.Sprint(s.Cells(nil)) != fmt.Sprint(acked) {
		return fmt.Errorf("acknowledged %v, cells %v", acked, s.Cells(nil))
	}
	return nil
}

func untouched(s *Slot, what string) error {
	for i, cell := range s.Cell {
		if cell.Op() != 0 {
			return fmt.Errorf("%s: cell %d holds op %d", what, i, cell.Op())
		}
	}
	if s.Chosen() != 0 {
		return fmt.Errorf("%s: chosen %d", what, s.Chosen())
	}
	return nil
}

func staleCountsNothing() error {
	m, s, c := leader(3)
	old := c
	old.View--
	m.Datagram(addr(1), addr(0), acceptedOf(old, 1, 5))
	if err := untouched(s, "an older view"); err != nil {
		return err
	}
	// A CPU that was stalled between its checks and its cell finds the cell renewed.
	m.Between = func() {
		m.Between = nil
		next := c
		next.View++
		s.Lead(next, make([]wire.Op, 3), 100)
	}
	m.Datagram(addr(1), addr(0), acceptedOf(c, 1, 5))
	return untouched(s, "a view that ended meanwhile")
}

func forgedCountsNothing() error {
	m, s, c := leader(3)
	for _, from := range []wire.ReplicaID{0, 3, 8, 9, 64, wire.ClientSender} {
		m.Datagram(addr(1), addr(0), acceptedOf(c, from, 5))
		if err := untouched(s, from.String()); err != nil {
			return err
		}
	}
	m.Datagram(addr(2), addr(0), acceptedOf(c, 1, 5))
	if err := untouched(s, "another's address"); err != nil {
		return err
	}
	forged := acceptedOf(c, 1, 5)
	forged[60]++
	m.Datagram(addr(1), addr(0), forged)
	return untouched(s, "a wrong code")
}

// answersCarryTheirOwnOp lets another CPU handle another packet between the checks of one and its answer.
func answersCarryTheirOwnOp() error {
	m, _, c := follower(8)
	for op := wire.Op(1); op <= 4; op++ {
		m.Datagram(addr(0), addr(1), acceptOf(c, op, 10))
	}
	m.Between = func() {
		m.Between = nil
		m.Datagram(addr(0), addr(1), acceptOf(c, 4, 10))
	}
	if _, answer := m.Datagram(addr(0), addr(1), acceptOf(c, 2, 10)); answered(answer) != 2 {
		return fmt.Errorf("op 2 was answered with op %d", answered(answer))
	}
	return nil
}

// aLaterEpochHasItsOwnOps runs a follower and a leader of an epoch whose ops do not fit a word as they are.
func aLaterEpochHasItsOwnOps() error {
	const last = wire.Epoch(1<<16 - 1)
	for _, epoch := range []wire.Epoch{1, 2, last} {
		base := epoch.Base()
		m, c, l := NewMachine(4), config(3, 1), config(3, 0)
		c.View, l.View = epoch.First()+3, epoch.First()+3
		f, s := m.Open(Key{addr(1), group}), m.Open(Key{addr(0), group})
		f.Arm(c, base)
		s.Lead(l, make([]wire.Op, 3), base)
		for _, op := range []wire.Op{0, 1, base, base - 1, base + 2, base - 1<<44 + 1, base + 1<<44, base + 1<<44 + 1, base + 1<<48 + 1} {
			if v, _ := m.Datagram(addr(0), addr(1), acceptOf(c, op, 10)); v != Pass || f.Pending() != 0 {
				return fmt.Errorf("epoch %d: op %d of another epoch, or out of turn: verdict %d", epoch, op, v)
			}
		}
		for op := base + 1; op <= base+3; op++ {
			v, answer := m.Datagram(addr(0), addr(1), acceptOf(c, op, 10))
			if v != Answer || answered(answer) != op {
				return fmt.Errorf("epoch %d: op %d: verdict %d", epoch, op, v)
			}
			s.Extend(op)
			m.Datagram(addr(1), addr(0), answer)
			if s.Chosen() != op || s.Cells(nil)[1] != op {
				return fmt.Errorf("epoch %d: op %d was acknowledged, chosen %d, cells %v", epoch, op, s.Chosen(), s.Cells(nil))
			}
		}
		if f.Claim(4) || !f.Claim(base+4) {
			return fmt.Errorf("epoch %d: the next op, and only it, can be claimed", epoch)
		}
		var got []wire.Op
		if end := f.Fence(); end != base+4 {
			return fmt.Errorf("epoch %d: fenced at %d", epoch, end)
		}
		f.Drain(func(f wire.Frame) { got = append(got, f.Op-base) })
		if fmt.Sprint(got) != "[1 2 3]" {
			return fmt.Errorf("epoch %d: drained %v", epoch, got)
		}
	}
	return nil
}

// answersAreOfTheirGeneration ends the generation of an op behind its claim, and writes over its configuration.
func answersAreOfTheirGeneration() error {
	m, s, c := follower(8)
	later := c
	later.Members = slices.Clone(c.Members)
	later.Members[1].Incarnation++
	m.Behind = func() {
		m.Behind = nil
		for range 2 {
			s.Fence()
			s.Drain(func(wire.Frame) {})
			s.Arm(later, 1)
		}
	}
	_, answer := m.Datagram(addr(0), addr(1), acceptOf(c, 1, 10))
	f, _, _, err := wire.Parse(answer)
	if err != nil || f.Incarnation != c.Members[1].Incarnation {
		return fmt.Errorf("incarnation %d acknowledges what incarnation %d has stored (%v)", f.Incarnation, c.Members[1].Incarnation, err)
	}
	return nil
}

func TestWordsComeToTheirEnd(t *testing.T) {
	m, s, c := follower(8)
	m.OpMax = 6
	var got []Verdict
	for op := wire.Op(1); op <= 7; op++ {
		v, _ := m.Datagram(addr(0), addr(1), acceptOf(c, op, 10))
		got = append(got, v)
	}
	if !slices.Equal(got, []Verdict{Answer, Answer, Answer, Answer, Answer, Answer, Pass}) || s.Claim(7) {
		t.Errorf("verdicts %v; what is beyond the word cannot be claimed", got)
	}
	if !s.Worn(1) || s.Worn(0) {
		t.Error("at its last op the word is worn, with a margin")
	}
	if s.Fence(); s.Worn(1) {
		t.Error("a word that is fenced needs no fence")
	}
}

func TestClaimedOpsAreSkipped(t *testing.T) {
	m, s, c := follower(8)
	send := func(op wire.Op) { m.Datagram(addr(0), addr(1), acceptOf(c, op, 1)) }
	send(1)
	if s.Claim(3) || !s.Claim(2) {
		t.Error("the next op, and only it, can be claimed")
	}
	send(3)
	var got []wire.Op
	s.Drain(func(f wire.Frame) { got = append(got, f.Op) })
	if fmt.Sprint(got) != "[1 3]" {
		t.Errorf("drained %v", got)
	}
}

func TestBroadcastGoesToEveryOtherMember(t *testing.T) {
	m, s, c := leader(5)
	f := acceptOf(c, 9, 30)
	f[6] = byte(wire.FlagBroadcast)
	to, out := m.Broadcast(addr(0), f)
	if fmt.Sprint(to) != fmt.Sprint([]wire.Addr{addr(1), addr(2), addr(3), addr(4)}) || !c.Key.Verify(out) || out[6] != 0 {
		t.Errorf("went to %v, flags %d", to, out[6])
	}
	s.Retire()
	if to, _ := m.Broadcast(addr(0), f); len(to) != 0 {
		t.Errorf("without a leader it went to %v", to)
	}
}

// whoIsFencedGivesNoSign probes a follower: armed, fenced between the checks and the answer, fenced, and armed in a later
// view. A sign that came from behind a fence could confirm a read while another leads.
func whoIsFencedGivesNoSign() error {
	m, s, c := follower(4)
	probe := func(c Config) []byte {
		return sealed(c, wire.Frame{Header: wire.Header{Kind: wire.KindProbe, View: c.View, Chosen: 7, Sender: 0, Incarnation: 1}})
	}
	want := sealed(c, wire.Frame{Header: wire.Header{Kind: wire.KindSign, View: c.View, Chosen: 7, Sender: 1, Incarnation: 2}})
	if v, answer := m.Datagram(addr(0), addr(1), probe(c)); v != Answer || !bytes.Equal(answer, want) || s.AckedAt != 0 {
		return fmt.Errorf("armed: verdict %d, %x, acknowledged at %v", v, answer, s.AckedAt)
	}
	m.Between = func() { s.Fence() }
	if v, _ := m.Datagram(addr(0), addr(1), probe(c)); v != Pass {
		return fmt.Errorf("fenced meanwhile: verdict %d", v)
	}
	m.Between = nil
	if v, _ := m.Datagram(addr(0), addr(1), probe(c)); v != Pass {
		return fmt.Errorf("fenced: verdict %d", v)
	}
	later := c
	later.View += 3
	s.Drain(func(wire.Frame) {})
	s.Arm(later, 0)
	if v, _ := m.Datagram(addr(0), addr(1), probe(c)); v != Pass {
		return fmt.Errorf("armed in a later view: verdict %d", v)
	}
	return nil
}
