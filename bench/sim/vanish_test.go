package sim

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// A thousand clients vanish, each in the middle of a commit. What they held is settled and forgotten: no transaction stays
// prepared, and sessions and records come back to what the living need.
func TestAThousandClientsVanish(t *testing.T) {
	const dead = 1000
	seed := int64(1)
	for ; newSimulation(seed).plan().Groups < 2; seed++ {
	}
	s := newCutSimulation(seed, false, Cut{Clients: 6})
	s.mortality = 0.9
	for _, c := range s.clients {
		s.w.after(0, c.next)
	}
	died := func() int {
		n := s.c.situations
		return n[diedSending] + n[diedUnanswered] + n[diedCommitting] + n[diedIdle]
	}
	if !s.w.run(wire.Time(600*wire.Second), func() bool { return died() >= dead }) {
		t.Fatalf("only %d clients died: %v", died(), s.w.failed)
	}
	most := s.holding()
	s.mortality = 0
	s.w.run(s.w.now.Add(4*sessionBound), func() bool { return false }) // the living go on
	s.healed, s.stopping = true, true
	if !s.w.run(s.w.now.Add(healing), s.quiet) {
		t.Fatalf("no rest: %s, %v", s.unrest(), s.w.failed)
	}
	left := s.holding()
	t.Logf("%d clients died; at most %+v, then %+v", died(), most, left)
	if most.sessions < 50 {
		t.Errorf("the dead left only %d sessions", most.sessions)
	}
	// A client opens a session anew now and then, and each may have some transactions that are not forgotten yet.
	if perGroup := 8 * len(s.clients); left.sessions > perGroup || left.records > 40*perGroup {
		t.Errorf("%d sessions and %d records are left in one group, of %d clients", left.sessions, left.records, len(s.clients))
	}
	if err := s.judge(); err != nil {
		t.Error(err)
	}
}

// holding is the most that any group's leader holds.
type holding struct{ sessions, records, prepared int }

func (s *simulation) holding() (most holding) {
	for _, group := range s.c.groups {
		for _, seat := range group {
			st := seat.engine.Participant().Stats()
			most.sessions, most.records, most.prepared = max(most.sessions, st.Sessions), max(most.records, st.Records), max(most.prepared, st.Prepared)
		}
	}
	return most
}
