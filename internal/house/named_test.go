package house

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var (
	named   = regexp.MustCompile("`(?:[a-z/]+\\.)?((?:Test|Fuzz|test)[A-Z][A-Za-z0-9]*)`")
	defined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|test)[A-Z][A-Za-z0-9]*)\(`)
)

// unknown lists the tests that a text names and that there are not.
func unknown(text []byte, tests map[string]bool) (all []string) {
	for _, m := range named.FindAllSubmatch(text, -1) {
		if name := string(m[1]); !tests[name] {
			all = append(all, name)
		}
	}
	return all
}

// What keeps a bug away must be there: every test that a page names is one.
func TestNamedTestsExist(t *testing.T) {
	tests := map[string]bool{}
	for _, name := range goFiles(t) {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range defined.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 || len(tests) < 500 {
		t.Fatalf("%v, %d pages, %d tests", err, len(pages), len(tests))
	}
	for _, name := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "ARCHITECTURE.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, missing := range unknown(text, tests) {
			t.Errorf("%s names %s, and there is no such test", name, missing)
		}
	}
	if missing := unknown([]byte("by `TestOfNothing`, `bpf.TestOfNothing` and `TestNamedTestsExist`"), tests); len(missing) != 2 {
		t.Errorf("of three names %q are unknown", missing)
	}
}
