//go:build mutants

package twopc

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// participantMistakes are known ways to be wrong that can be put back; the bank must notice each.
var participantMistakes = []struct{ name, what string }{
	{"yes-times-out", "a yes is withdrawn when no outcome comes in time"},
	{"mark-forgets-commits", "an expired session or one that was opened anew is taken for the word that all have applied a commit, so that \"none\" aborts it elsewhere"},
	{"forget-at-commit", "a commit is forgotten when it is applied, while others still hold it prepared (known bug 22)"},
	{"refusal-not-logged", "a refusal is told and not logged: a late prepare votes yes after an abort"},
}

// plainMistakes show in a single step; no bank of correct clients ever takes it.
var plainMistakes = []struct {
	name, what string
	noticed    func(*testing.T) bool
}{
	{"commit-without-prepare", "a commit where no prepare was is told as applied, with nothing to apply (known bug 21)", func(t *testing.T) bool {
		o := newOne(t)
		return o.do(wire.KindCommit, commit(3)).Kind != wire.KindRefusal || o.alarms != 1
	}},
	{"frozen-believes-commit", "a coordinator still settles here what was frozen because a group is lost, and the others have given it up", func(t *testing.T) bool {
		o := newPeer(t)
		o.status(wire.KindPrepare, among(2, writes("k"), 5, 6))
		o.inquired(Inquiry{Epoch: 2, Session: opened, ID: tid(2), Freeze: true})
		return o.status(wire.KindCommit, commit(2)) != txn.StatusYes
	}},
	{"thawed-yes-counts", "a transaction is given up with a lost group while its coordinator can still commit it elsewhere", func(t *testing.T) bool {
		o := newPeer(t)
		o.status(wire.KindPrepare, among(2, writes("k"), 5, 6))
		o.pass(defaultDoubtBound)
		o.found(5, Finding{ID: tid(2), Status: txn.StatusLost})
		o.found(6, Finding{ID: tid(2), Status: txn.StatusYes})
		o.freezes()
		o.found(5, Finding{ID: tid(2), Status: txn.StatusLost})
		o.found(6, Finding{ID: tid(2), Status: txn.StatusYes})
		o.flush()
		return o.find(tid(2)).status != txn.StatusYes
	}},
}

func TestPlainMutants(t *testing.T) {
	defer mutant.Set("")
	for _, m := range plainMistakes {
		mutant.Set("")
		if m.noticed(t) {
			t.Errorf("noticed without the mistake: %s", m.what)
		}
		mutant.Set(m.name)
		if !m.noticed(t) {
			t.Errorf("not noticed: %s", m.what)
		}
	}
}

// rareSeeds is how many seeds the bank has: some mistakes need a client to die at one moment of a commit.
const rareSeeds = 2000

func TestParticipantMutants(t *testing.T) {
	defer mutant.Set("")
	for _, m := range participantMistakes {
		t.Run(m.name, func(t *testing.T) {
			mutant.Set(m.name)
			for seed := uint64(1); seed <= rareSeeds; seed++ {
				if why := bankNotices(seed); why != "" {
					t.Logf("seed %d: %s", seed, why)
					return
				}
			}
			t.Errorf("%d seeds do not show that %s", rareSeeds, m.what)
		})
	}
}

// Every place of a participant that asks for a mutant is in the table, and the other way round.
func TestParticipantMutantsAreListed(t *testing.T) {
	asks := regexp.MustCompile(`mutant\.On\("([^"]+)"\)`)
	var asked, listed []string
	for _, name := range []string{"participant_machine.go", "participant_outcome.go", "participant_session.go", "termination.go", "termination_sweep.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asks.FindAllSubmatch(source, -1) {
			asked = append(asked, string(m[1]))
		}
	}
	for _, m := range participantMistakes {
		listed = append(listed, m.name)
	}
	for _, m := range plainMistakes {
		listed = append(listed, m.name)
	}
	slices.Sort(asked)
	slices.Sort(listed)
	if asked = slices.Compact(asked); !slices.Equal(asked, listed) {
		t.Errorf("the sources ask for %v, the table lists %v", asked, listed)
	}
}
