//go:build mutants

package twopc

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

func TestCoordinatorMutants(t *testing.T) {
	defer mutant.Set("")
	for _, m := range coordinatorMistakes {
		t.Run(m.name, func(t *testing.T) {
			mutant.Set(m.name)
			for seed := uint64(1); seed <= bankSeeds; seed++ {
				if why := bankNotices(seed); why != "" {
					t.Logf("seed %d: %s", seed, why)
					return
				}
			}
			t.Errorf("%d seeds do not show that %s", bankSeeds, m.what)
		})
	}
}

// bankNotices runs one bank and returns what was wrong with it, or nothing.
func bankNotices(seed uint64) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprint(p)
		}
	}()
	newBank(auditor{}, seed, seed%20, 3).run()
	return ""
}

// auditor ends a run at the first complaint.
type auditor struct{}

func (auditor) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (auditor) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Every place in the coordinator that asks for a mutant is in the table, and the other way round.
func TestCoordinatorMutantsAreListed(t *testing.T) {
	asks := regexp.MustCompile(`mutant\.On\("([^"]+)"\)`)
	asked := map[string]bool{}
	files, err := filepath.Glob("coordinator*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("the sources are not here", err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asks.FindAllSubmatch(source, -1) {
			asked[string(m[1])] = true
		}
	}
	for _, m := range coordinatorMistakes {
		if !asked[m.name] {
			t.Errorf("nothing asks for the mutant %q", m.name)
		}
		delete(asked, m.name)
	}
	for name := range asked {
		t.Errorf("the mutant %q is missing in the table", name)
	}
}
