package mutant_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var asked = regexp.MustCompile(`(?:mutant\.On|mistaken)\("([^"]+-[^"]+)"\)`)

// namesIn returns the mutants that the sources of some directories ask for. Those of a single word are left out: other
// text in a binary may hold them.
func namesIn(t *testing.T, dirs ...string) (names []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, m := range asked.FindAllSubmatch(source, -1) {
				names = append(names, string(m[1]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(names) < 30 {
		t.Fatalf("only %d mutants were found in %v", len(names), dirs)
	}
	return names
}

// binary builds the product and returns its bytes.
func binary(t *testing.T, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "anode")
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, args...), "-o", path, "./cmd/anode")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The product holds no mistake, not even its name. TestMutantsAreInTheirBuild shows that names would be found.
func TestNoMutantIsInTheProduct(t *testing.T) {
	product := binary(t)
	for _, name := range namesIn(t, "paxos", "txn", "shard", "bpf", "client") {
		if bytes.Contains(product, []byte(name)) {
			t.Errorf("the binary holds the mutant %q", name)
		}
	}
}
