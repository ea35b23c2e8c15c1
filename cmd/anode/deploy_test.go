package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The example files are what their first line says that they are, and a node could start from each.
func TestDeployedExamplesAreFresh(t *testing.T) {
	for _, name := range []string{"one-host.yaml", "three-hosts.yaml"} {
		path := filepath.Join("../../deploy", name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(b), "\n#\n")
		_, command, _ := strings.Cut(head, "Made by: anode ")
		want, errs, exit := run(t, strings.Fields(command)...)
		if exit != 0 || rest != want {
			t.Errorf("%s is not what `anode %s` writes: %s", name, command, errs)
		}
		if _, errs, exit := run(t, "config", "check", path); exit != 0 {
			t.Errorf("%s: %s", name, errs)
		}
	}
	if _, errs, exit := run(t, "config", "check", "--node", "node2", "../../deploy/compose/anode.yaml"); exit != 0 {
		t.Error(errs)
	}
}

// systemd understands all of the unit. A desk may have no systemd; where every change must pass there is one.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("there is no systemd-analyze here")
	}
	b, err := os.ReadFile("../../deploy/anode.service")
	if err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/local/bin/anode"
	if strings.Count(string(b), "\nExecStart="+installed+" serve --config ") != 1 {
		t.Errorf("the unit does not start %s", installed)
	}
	path := filepath.Join(t.TempDir(), "anode.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), "="+installed, "="+binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
