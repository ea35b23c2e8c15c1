package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// step is a command of a page, and what the page says that it prints.
type step struct{ command, prints string }

// console reads the commands of a section: lines that begin with "$ " in blocks of console, and what follows them.
func console(t *testing.T, page, section string) (steps []step) {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(b), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "console\n") {
			continue
		}
		for _, line := range strings.SplitAfter(strings.TrimPrefix(block, "console\n"), "\n") {
			if command, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "$ "); ok { // in a list it stands further in
				steps = append(steps, step{command: strings.TrimSpace(command)})
			} else if len(steps) > 0 {
				steps[len(steps)-1].prints += line
			}
		}
	}
	return steps
}

// The tour of README does what it says, to the letter, but for the addresses, and for where it prints "…".
func TestReadmeTour(t *testing.T) {
	steps := console(t, "../../README.md", "Five minutes")
	if len(steps) < 10 || !strings.HasPrefix(steps[0].command, "make build") || !strings.HasPrefix(steps[1].command, "bin/anode demo --listen 127.0.0.1:7000") {
		t.Fatalf("the tour does not begin as it should: %+v", steps)
	}
	host, dir := loopback(), t.TempDir()
	here := strings.NewReplacer("127.0.0.1", host, "bin/anode", binary)
	_, line := standing(t, append(strings.Fields(here.Replace(steps[1].command))[2:], "--admin", host+":7070")...)
	if want := here.Replace(steps[1].prints); !alike(line, want) {
		t.Errorf("the cluster tells %q, README %q", line, want)
	}
	for _, s := range steps[2:] {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", here.Replace(s.command))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "ANODE_SERVERS="+host+":7000", "ANODE_ADMIN="+host+":7070", "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
		out, _ := cmd.CombinedOutput() // what it says is compared
		if want := here.Replace(s.prints); !alike(string(out), want) {
			t.Errorf("$ %s\nprints\n%s\nand README says\n%s", s.command, out, want)
		}
	}
}

// alike compares line by line; "…" stands for the rest of a line, and alone on a line for all further ones.
func alike(got, want string) bool {
	lines := strings.Split(got, "\n")
	for i, w := range strings.Split(want, "\n") {
		if w == "…" {
			return true
		}
		if i >= len(lines) {
			return false
		}
		if head, open := strings.CutSuffix(w, "…"); open && strings.HasPrefix(lines[i], head) {
			continue
		}
		if lines[i] != w {
			return false
		}
	}
	return len(lines) == strings.Count(want, "\n")+1
}

// The first step of docs/operations.md writes a file and keys that nodes start from, on every host.
func TestOperationsFirstStep(t *testing.T) {
	dir, ran := t.TempDir(), 0
	if err := os.Symlink(binary, filepath.Join(dir, "anode")); err != nil {
		t.Fatal(err)
	}
	// What is installed elsewhere, and by root, stays where it was written.
	here := strings.NewReplacer("/etc/anode/", dir+"/")
	for _, s := range console(t, "../../docs/operations.md", "Several hosts, step by step") {
		name, _, _ := strings.Cut(strings.TrimPrefix(s.command, "(umask 077; "), " ")
		if name != "anode" && name != "sed" && name != "grep" || strings.Contains(s.command, "anode health") || strings.Contains(s.command, "greeting") {
			continue
		}
		ran++
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", here.Replace(s.command))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", s.command, err, out)
		}
		if file := filepath.Join(dir, "anode.yaml"); name == "sed" {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(here.Replace(string(b))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if ran < 5 {
		t.Errorf("the page has only %d commands that can be run anywhere", ran)
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		want := fmt.Sprintf("{\"keys\":true,\"node\":%q,\"nodes\":3,\"shards\":8}\n", node)
		if out, errs, exit := run(t, "config", "check", "--node", node, "-o", "json", filepath.Join(dir, "anode.yaml")); exit != 0 || out != want {
			t.Errorf("%s: %d, %q, %q", node, exit, out, errs)
		}
	}
	if out, errs, exit := run(t, "get", "k", "--key-file", filepath.Join(dir, "client-keys"), "--timeout", "100ms"); exit != 1 || !strings.Contains(errs, "a key was given") {
		t.Errorf("the clients' keys cannot be read: %d, %q, %q", exit, out, errs)
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		got, want string
		alike     bool
	}{
		{"a\n", "a\n", true}, {"a\n", "b\n", false}, {"a\nb\n", "a\n", false}, {"a\n", "a\nb\n", false},
		{"a 5\n", "a …\n", true}, {"b 5\n", "a …\n", false}, {"a\nb\nc\n", "a\n…\n", true}, {"", "", true}, {"a\n", "", false},
	} {
		if got := alike(c.got, c.want); got != c.alike {
			t.Errorf("%s", fmt.Sprintf("%q, %q: %v", c.got, c.want, got))
		}
	}
}
