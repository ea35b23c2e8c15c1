package torture

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/anodekv/anode/bench/check"
)

func TestJournalsAreReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	j, err := CreateJournal(dir, "a", false)
	if err != nil {
		t.Fatal(err)
	}
	first, second := j.Begin(1), j.Begin(2)
	first.Op(check.Read("k", check.Absent), check.Write("k", "v 1"))
	second.Op(check.Write("gone", "x"))
	second.Reset()
	second.Op(check.Append("l", "t"))
	second.End(check.Aborted)
	first.End(check.Committed)
	j.Complain("of %d\nlines", 2)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	h, complaints, err := ReadJournals(dir)
	if err != nil || len(complaints) != 1 || !strings.Contains(complaints[0], `of 2\nlines`) {
		t.Fatalf("%v, %q", err, complaints)
	}
	if want := (check.History{first.txn, second.txn}); !reflect.DeepEqual(h, want) {
		t.Fatalf("%+v instead of %+v", h, want)
	}
	if _, err := CreateJournal(dir, "a", false); err == nil {
		t.Error("a journal is written over")
	}
}

// Whoever is killed has written down before what may be in the store.
func TestTheDeadLeaveWhatTheyIntended(t *testing.T) {
	dir := t.TempDir()
	j, err := CreateJournal(dir, "mortal", true)
	if err != nil {
		t.Fatal(err)
	}
	e := j.Begin(1)
	e.Op(check.Write("k", "tried and in vain"))
	e.Intend()
	e.Reset()
	e.Op(check.Write("k", "v"))
	e.Intend()
	j.Begin(2).Op(check.Write("k", "never sent"))
	// Here it dies: nothing is closed, and a line is cut short.
	path := filepath.Join(dir, "mortal"+journalSuffix)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, `1 {"client":1,"start":`...), 0o600); err != nil {
		t.Fatal(err)
	}
	h, _, err := ReadJournals(dir)
	if err != nil || len(h) != 1 || h[0].Outcome != check.Unknown || h[0].End != check.Never || h[0].Ops[0].Value != check.Of("v") {
		t.Fatalf("%v, %+v", err, h)
	}
}

func TestBrokenJournalsAreRefused(t *testing.T) {
	for _, text := range []string{"x {}\n", "\n", "1\n", "1 {\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a"+journalSuffix), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadJournals(dir); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
