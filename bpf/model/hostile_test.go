package model

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/anodekv/anode/bpf/hostile"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	hostilePackets = 20_000
	hostileSeed    = 3
)

// nothingHostileIsTaken sends a follower and a leader what somebody without a key can send. Package bpf does the same with
// the programs beside the model.
func nothingHostileIsTaken() error {
	m := NewMachine(8)
	f, l := m.Open(Key{hostile.Addr(hostile.Follower), hostile.Group}), m.Open(Key{hostile.Addr(hostile.Leader), hostile.Group})
	f.Arm(besieged(hostile.Follower), hostile.Base)
	l.Lead(besieged(hostile.Leader), make([]wire.Op, hostile.Members), hostile.Last)
	for _, p := range hostile.Genuine() {
		m.Ingress(p)
	}
	if last := f.following().op(f.Word.Op()); last != hostile.Held || l.Chosen() != hostile.Base+4 || hostile.Base != hostile.View.Epoch().Base() {
		return fmt.Errorf("the follower holds op %d, the leader knows %d to be chosen", last, l.Chosen())
	}
	states := func() string {
		return fmt.Sprintf("%v %v %v, %v %v %v", f.Word, f.Released, f.Log, l.Cell, l.ChosenMark, l.LeadLast)
	}
	before, counted := states(), total(m)
	a := hostile.New(hostileSeed)
	for i := range hostilePackets {
		p := a.Next()
		v, answer := m.Ingress(p.Bytes)
		switch {
		case p.Answer != nil && (v != Answer || !bytes.Equal(answer[frameAt:], p.Answer)):
			return fmt.Errorf("packet %d, which may be answered: verdict %d, %x", i, v, answer)
		case p.Answer == nil && v != Pass && (v != Consume || !p.Again):
			return fmt.Errorf("packet %d, %s: verdict %d\n%x", i, p.Kind, v, p.Bytes)
		case total(m) != counted+1:
			return fmt.Errorf("packet %d, %s: counted %d times", i, p.Kind, total(m)-counted)
		case i%64 == 0 && states() != before:
			return fmt.Errorf("before packet %d, %s, something has changed", i, p.Kind)
		}
		counted++
	}
	if now := states(); now != before {
		return fmt.Errorf("the replicas were %s, and are %s", before, now)
	}
	return nil
}

func besieged(self wire.ReplicaID) Config {
	c := Config{Cluster: hostile.Cluster, View: hostile.View, Self: self, Leader: hostile.Leader, Key: wire.NewKey(hostile.Key)}
	for r := range wire.ReplicaID(hostile.Members) {
		c.Members = append(c.Members, Member{hostile.Addr(r), hostile.Incarnation(r)})
	}
	return c
}

// total is how many packets the machine has counted.
func total(m *Machine) (n uint64) {
	counts := [][Reasons]uint64{m.Elsewhere}
	for s := range slices.Values(m.slots) {
		counts = append(counts, s.Counts)
	}
	for _, row := range counts {
		for _, c := range row {
			n += c
		}
	}
	return n
}
