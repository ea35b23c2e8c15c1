package main_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anodekv/anode/cmd/anode/internal/doctor"
)

// examined is the report as a program reads it. The exit code says the same.
func examined(t *testing.T, args ...string) (r doctor.Report, states map[string]doctor.State) {
	t.Helper()
	stdout, stderr, exit := run(t, append([]string{"doctor", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v in %q, %q", err, stdout, stderr)
	}
	if r.Kernel != (exit == 0) || strings.Contains(stderr, "user space only") != (exit == 1) {
		t.Errorf("exit code %d and %q for %+v", exit, stderr, r)
	}
	states = map[string]doctor.State{}
	for _, f := range r.Findings {
		states[f.Check] = f.State
		if f.State != doctor.OK && (f.Missing == "" || f.Mend == "") {
			t.Errorf("no remedy is told: %+v", f)
		}
	}
	return r, states
}

func TestDoctor(t *testing.T) {
	r, states := examined(t, "--interface", "lo")
	if r.Interface != "lo" || states["interface"] != doctor.OK || states["udp ports"] != doctor.OK {
		t.Errorf("%+v", r)
	}
	stdout, _, _ := run(t, "doctor")
	if strings.Contains(stdout, "interface") || !strings.Contains(stdout, "ok    boot-time clock") {
		t.Errorf("without an interface: %s", stdout)
	}
}

// The node's ports are looked at: free before it runs, taken by a stranger, and rightly taken by itself.
func TestDoctorReadsTheConfiguration(t *testing.T) {
	path, addr := oneNode(t)
	r, states := examined(t, "--config", path)
	if r.Interface != "lo" || states["udp ports"] != doctor.OK || states["members"] != doctor.OK {
		t.Errorf("%+v", r)
	}
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := net.ListenUDP("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	if _, states = examined(t, "--config", path); states["udp ports"] != doctor.Fail {
		t.Error("a port that is taken was not noticed")
	}
	_ = stranger.Close()
	serve(t, path)
	if _, states = examined(t, "--config", path); states["udp ports"] != doctor.OK {
		t.Error("the node that runs was not recognized by its admin endpoint")
	}
}

func TestDoctorTellsMistakes(t *testing.T) {
	path, addr := oneNode(t)
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.yaml")
	if err := os.WriteFile(elsewhere, []byte(strings.ReplaceAll(string(file), host, "203.0.113.1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--interface l0", "did you mean lo?"},
		{"--interface wireless0", "there are [lo"},
		{"--interface lo --config " + path, "none of the others can be"},
		{"--prove", "--prove needs an interface"},
		{"--config /nowhere/anode.yaml", "/nowhere/anode.yaml"},
		{"--config " + elsewhere, "say with --node which node this is"},
		{"--interface lo -o yaml", "choose text or json"},
	} {
		stdout, stderr, exit := run(t, append([]string{"doctor"}, strings.Fields(c.args)...)...)
		if exit != 1 || stdout != "" || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s", fmt.Sprint("doctor ", c.args, ": exit code ", exit, stdout, stderr))
		}
	}
}
