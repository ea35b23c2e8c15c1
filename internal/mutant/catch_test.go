//go:build mutants

package mutant_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// silent is a test whose failure is expected.
type silent struct {
	testing.TB
	said []string
}

func (s *silent) Errorf(format string, _ ...any) { s.said = append(s.said, format) }
func (s *silent) Helper()                        {}
func (s *silent) Logf(string, ...any)            {}

func TestAMutantThatIsNotCaughtFails(t *testing.T) {
	table := filepath.Join(t.TempDir(), "table")
	t.Setenv("ANODE_MUTANTS_TABLE", table)
	s := &silent{TB: t}
	mutant.Catch(s, "some", "something is wrong", "nobody", func() string { return "" })
	if len(s.said) != 1 {
		t.Errorf("said %q", s.said)
	}
	mutant.Catch(s, "some", "something is wrong", "somebody", mutant.Seeds(3, func(seed int64) string {
		return mutant.Complaint(func() {
			if seed == 2 && mutant.On("some") {
				panic("seen")
			}
		})
	}))
	b, err := os.ReadFile(table)
	if err != nil || len(s.said) != 1 || !strings.HasPrefix(string(b), "some\tsomebody\t") || strings.Count(string(b), "\n") != 1 || mutant.On("some") {
		t.Errorf("%q, %q, %v", s.said, b, err)
	}
}

func TestAMutantThatIsNotListedFails(t *testing.T) {
	source := filepath.Join(t.TempDir(), "a.go")
	if err := os.WriteFile(source, []byte("if mutant.On(\"one\") || mutant.On(\"two\") {"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		list []string
		want int
	}{{[]string{"one", "two"}, 0}, {[]string{"one"}, 1}, {[]string{"one", "two", "three"}, 1}, {nil, 2}} {
		s := &silent{TB: t}
		if mutant.Listed(s, c.list, source); len(s.said) != c.want {
			t.Errorf("%v: %q", c.list, s.said)
		}
	}
}
