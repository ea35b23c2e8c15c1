package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

func TestCoresArePure(t *testing.T) {
	for _, p := range packages(t) {
		if r, _ := rowOf(p.path); !r.pure {
			continue
		}
		for _, f := range p.files {
			for _, complaint := range impurities(f.syntax) {
				t.Error(complaint)
			}
		}
	}
}

// Each impurity is planted once and found once; what looks alike but is pure is left alone.
func TestImpuritiesAreFound(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`go f()`, "starts a goroutine"},
		{`select {}`, "selects"},
		{`var c chan int; _ = c`, "declares a channel"},
		{`g <- 1`, "sends on a channel"},
		{`<-g`, "receives from a channel"},
		{`_ = rand.Intn(3)`, "rand.Intn"},
		{`_ = dice.IntN(3)`, "dice.IntN"},
		{`var r *rand.Rand = rand.New(rand.NewSource(1)); _ = r.Intn(3)`, ""},
		{`_ = dice.New(dice.NewPCG(1, 2))`, ""},
		{`_ = -1`, ""},
	} {
		source := "package core\nimport (\"math/rand\"; dice \"math/rand/v2\")\nfunc f() {\n" + c.body + "\n}"
		syntax, err := parser.ParseFile(fset, "core.go", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		got := impurities(syntax)
		if c.want == "" && len(got) != 0 {
			t.Errorf("%s: is pure, yet %v", c.body, got)
		}
		if c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: want one complaint with %q, got %q", c.body, c.want, got)
		}
	}
}

// impurities lists what a core's syntax alone gives away; what it imports is the table's affair.
func impurities(syntax *ast.File) []string {
	dice := randNames(syntax)
	var complaints []string
	ast.Inspect(syntax, func(n ast.Node) bool {
		if what := impurity(n, dice); what != "" {
			complaints = append(complaints, fmt.Sprintf("%v: a core %s", fset.Position(n.Pos()), what))
		}
		return true
	})
	return complaints
}

func impurity(n ast.Node, dice []string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "starts a goroutine"
	case *ast.SelectStmt:
		return "selects"
	case *ast.ChanType:
		return "declares a channel"
	case *ast.SendStmt:
		return "sends on a channel"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "receives from a channel"
		}
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && slices.Contains(dice, x.Name) && !seeded(n.Sel.Name) {
			return fmt.Sprintf("uses %s.%s, which no seed governs", x.Name, n.Sel.Name)
		}
	}
	return ""
}

// seeded reports whether a name of math/rand or math/rand/v2 is a generator or makes one from a seed. The
// other functions of those packages draw from a global generator.
func seeded(name string) bool {
	switch name {
	case "Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf",
		"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf":
		return true
	}
	return false
}

// randNames returns the names under which a file imports math/rand and math/rand/v2.
func randNames(syntax *ast.File) []string {
	var names []string
	for _, spec := range syntax.Imports {
		if path := importPath(spec); path != "math/rand" && path != "math/rand/v2" {
			continue
		}
		if spec.Name != nil {
			names = append(names, spec.Name.Name)
		} else {
			names = append(names, "rand")
		}
	}
	return names
}
