package twopc

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// situations counts what banks have been through.
type situations struct {
	LogStats
	heirs   [3]int // outcomes of the dead: committed, aborted, nobody can say
	longest wire.Duration
}

func (s *situations) add(b *bank) {
	for _, p := range b.shards {
		st := p.Stats()
		s.SettledCommits += st.SettledCommits
		s.SettledAborts += st.SettledAborts
		s.RefusedLate += st.RefusedLate
		s.Forgotten += st.Forgotten
		s.Expired += st.Expired
		s.longest = max(s.longest, st.LongestDoubt)
	}
	for i, n := range b.inherited {
		s.heirs[i] += n
	}
}

// TestTheBankMeetsEverySituation: a model that never gets somewhere proves nothing about it.
func TestTheBankMeetsEverySituation(t *testing.T) {
	var s situations
	for seed := range uint64(40) {
		b := newBank(t, seed, 5+seed%20, 3)
		b.run()
		s.add(b)
	}
	t.Logf("%+v", s)
	for what, n := range map[string]uint64{
		"commits by inquiry": s.SettledCommits, "aborts by inquiry": s.SettledAborts,
		"prepares after a refusal": s.RefusedLate, "commits forgotten by agreement": s.Forgotten,
		"sessions expired":      s.Expired,
		"dead clients' commits": uint64(s.heirs[0]), "dead clients' aborts": uint64(s.heirs[1]),
	} {
		if n == 0 {
			t.Errorf("no %s", what)
		}
	}
}
