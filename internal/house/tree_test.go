package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/anodekv/anode"
)

// A pkg is one package of the module with its parsed files, test files excluded. Files that build tags
// leave out are included: a rule does not end at a tag.
type pkg struct {
	path  string // as [short] writes it
	files []file
}

type file struct {
	name   string // as go list gives it: an absolute path
	syntax *ast.File
}

// fset places the syntax of all files.
var fset = token.NewFileSet()

// packages returns every package of the module. The module is read once for all tests.
func packages(t *testing.T) []pkg {
	t.Helper()
	ps, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(ps) == 0 {
		t.Fatal("go list found no package: is the root still two directories up?")
	}
	return ps
}

var load = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,CgoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the packages with go list: %w", err)
	}
	var ps []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return ps, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list printed: %w", err)
		}
		p, err := l.parse()
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
})

// listed is a package as go list prints it.
type listed struct {
	ImportPath, Name, Dir             string
	GoFiles, CgoFiles, IgnoredGoFiles []string
}

func (l listed) parse() (pkg, error) {
	p := pkg{path: short(l.ImportPath)}
	for _, name := range slices.Concat(l.GoFiles, l.CgoFiles, l.IgnoredGoFiles) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		name = filepath.Join(l.Dir, name)
		syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return p, err
		}
		if syntax.Name.Name == l.Name { // otherwise it is a generator that only lives in the directory
			p.files = append(p.files, file{name, syntax})
		}
	}
	return p, nil
}

// short writes an import path of this module as "./" and the directory, and leaves other paths as they are.
func short(path string) string {
	if dir, ours := strings.CutPrefix(path, module+"/"); ours {
		return "./" + dir
	}
	return path
}

func (p pkg) imports() []string {
	var paths []string
	for _, f := range p.files {
		paths = append(paths, f.imports()...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (f file) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		paths = append(paths, importPath(spec))
	}
	return paths
}

func importPath(spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser accepted it
	}
	return short(path)
}
