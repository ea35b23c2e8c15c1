//go:build mutants

package twopc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// coordinatorMistakes are known ways to be wrong that can be put back; the bank must notice each.
var coordinatorMistakes = []struct{ name, what string }{
	{"coordinator-counts-twice", "a vote that arrives twice counts twice (known bug 25)"},
	{"silence-is-abort", "a transaction whose answer did not come is told as aborted (known bug 23)"},
	{"mark-runs-ahead", "the mark passes transactions that are not finished (known bug 22)"},
	{"ends-in-doubt", "a session is ended in which a transaction is not finished"},
}

// bankSeeds is how many seeds the bank has to notice one mistake.
const bankSeeds = 1500

// usedAgain is the mistake that the bank does not see, because its copies leave before they are answered.
const usedAgain = "used-again-at-once"

func TestCoordinatorMutants(t *testing.T) {
	mutant.Catch(t, usedAgain, "the memory of what has ended is used again while a copy of it is still to be sent", "a story of txn/twopc", func() string {
		return changesHandedOut(single(t, func(*CoordinatorConfig) {}))
	})
	for _, m := range coordinatorMistakes {
		mutant.Catch(t, m.name, m.what, "the bank of txn/twopc", mutant.Seeds(bankSeeds, bankNotices))
	}
}

// bankNotices runs one bank and returns what was wrong with it, or nothing.
func bankNotices(seed int64) string {
	return mutant.Complaint(func() { newBank(auditor{}, uint64(seed), uint64(seed)%20, 3).run() })
}

// auditor ends a run at the first complaint.
type auditor struct{}

func (auditor) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (auditor) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Every place in the coordinator that asks for a mutant is in the table, and the other way round.
func TestCoordinatorMutantsAreListed(t *testing.T) {
	listed := []string{usedAgain}
	for _, m := range coordinatorMistakes {
		listed = append(listed, m.name)
	}
	mutant.Listed(t, listed, "coordinator*.go")
}
