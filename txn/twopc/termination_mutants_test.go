//go:build mutants

package twopc

import (
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
	{"one-sheet", "answers are overwritten by the next ones before they are sent", func(t *testing.T) bool { return !answersStay(t) }},
	{"joins-late", "a read is answered by a round that had begun when it came", joinsLate},
	{"displaced-used-again", "what the log's queue refers to is overwritten after two commands had one hash", func(t *testing.T) bool {
		return !displacedStays(t)
	}},
}

func TestPlainMutants(t *testing.T) {
	for _, m := range plainMistakes {
		if m.noticed(t) {
			t.Errorf("noticed without the mistake: %s", m.what)
		}
		mutant.Catch(t, m.name, m.what, "a scenario of txn/twopc", func() string {
			if m.noticed(t) {
				return m.what
			}
			return ""
		})
	}
}

// rareSeeds is how many seeds the bank has: some mistakes need a client to die at one moment of a commit.
const rareSeeds = 2000

func TestParticipantMutants(t *testing.T) {
	for _, m := range participantMistakes {
		mutant.Catch(t, m.name, m.what, "the bank of txn/twopc", mutant.Seeds(rareSeeds, bankNotices))
	}
}

// Every place of a participant that asks for a mutant is in the table, and the other way round.
func TestParticipantMutantsAreListed(t *testing.T) {
	var listed []string
	for _, m := range participantMistakes {
		listed = append(listed, m.name)
	}
	for _, m := range plainMistakes {
		listed = append(listed, m.name)
	}
	mutant.Listed(t, listed, "participant.go", "participant_line.go", "participant_machine.go", "participant_outcome.go", "participant_room.go",
		"participant_session.go", "termination*.go")
}
