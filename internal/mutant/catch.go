//go:build mutants

package mutant

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// tableVariable names the file to which Catch adds a line for each mutant that was caught.
const tableVariable = "ANODE_MUTANTS_TABLE"

// Catch switches a mutant on, and fails the test unless notices tells how it was noticed. By names who is to notice.
func Catch(t testing.TB, name, what, by string, notices func() (how string)) {
	t.Helper()
	defer Set("")
	Set(name)
	began := time.Now()
	how := notices()
	took := time.Since(began).Round(time.Millisecond)
	if how == "" {
		t.Errorf("%s: %s does not notice that %s", name, by, what)
		return
	}
	t.Logf("%s: caught by %s in %v: %.300s", name, by, took, how)
	if path := os.Getenv(tableVariable); path != "" {
		if err := note(path, fmt.Sprintf("%s\t%s\t%v\n", name, by, took)); err != nil {
			t.Errorf("note it: %v", err)
		}
	}
}

// note adds a line; lines of several processes do not mix, because each is one write to the end of the file.
func note(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if failed := f.Close(); err == nil {
		err = failed
	}
	return err
}

// Seeds tries seeds from 1 on, and tells what the first said that noticed something.
func Seeds(n int64, run func(seed int64) (why string)) func() string {
	return func() string {
		for seed := int64(1); seed <= n; seed++ {
			if why := run(seed); why != "" {
				return fmt.Sprintf("seed %d: %s", seed, why)
			}
		}
		return ""
	}
}

// Complaint turns the panic that ends a run into what it noticed.
func Complaint(run func()) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprint(p)
		}
	}()
	run()
	return ""
}

var asks = regexp.MustCompile(`mutant\.On\("([^"]+)"\)`)

// Listed fails the test unless the sources that patterns name, less tests, ask for the mutants in the list, and for no
// others.
func Listed(t testing.TB, list []string, patterns ...string) {
	t.Helper()
	var asked []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: the sources are not here: %v", pattern, err)
		}
		for _, name := range files {
			if ok, _ := filepath.Match("*_test.go", filepath.Base(name)); ok {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range asks.FindAllSubmatch(source, -1) {
				asked = append(asked, string(m[1]))
			}
		}
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	listed := slices.Compact(slices.Sorted(slices.Values(list)))
	for _, name := range asked {
		if !slices.Contains(listed, name) {
			t.Errorf("the mutant %q is missing in the table", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(asked, name) {
			t.Errorf("nothing asks for the mutant %q", name)
		}
	}
}
