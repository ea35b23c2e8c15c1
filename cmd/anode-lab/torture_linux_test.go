package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anodekv/anode/bench/torture"
)

// Two short runs write a line each, and a page about both that says what they did not come to.
func TestTortureWritesAReport(t *testing.T) {
	p, n, dir := program(t), name(t), t.TempDir()
	page := filepath.Join(dir, "torture.md")
	c := command(t, "torture", "--name", n, "--program", p, "--folder", dir, "--for", "2s", "--seeds", "2", "--shards", "2", "--only", "kill,slow,cut off",
		"--report", page, "-o", "json")
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, log.Bytes())
	}
	var runs []*torture.Report
	for line := range bytes.Lines(out) {
		r := &torture.Report{}
		if err := json.Unmarshal(line, r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		runs = append(runs, r)
	}
	s := torture.SumUp(runs)
	if len(runs) != 2 || s.Failed != 0 || s.Checked == 0 || s.Operations < s.Checked || s.Strikes == 0 {
		t.Errorf("%+v", s)
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**Every promise was kept** by 2 of 2 seeds.", "| version | anode ", " cores, ", "torture --for 2s --seed 1 --seeds 2 --shards '2' --only",
		"| full disk | **never** | 0 |"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not told in\n%s", want, b)
		}
	}
	host, err := os.Hostname()
	if err != nil || bytes.Contains(b, []byte("/root")) || bytes.Contains(b, []byte(dir)) || len(host) > 2 && bytes.Contains(b, []byte(host)) {
		t.Errorf("%v: it tells where it was made:\n%s", err, b)
	}
	if !strings.Contains(log.String(), "NEVER in this run") || !strings.Contains(log.String(), "the strike full disk") {
		t.Errorf("what never fell is not told:\n%s", log.Bytes())
	}
	if left := left(t, n); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

// The small disks of a torture that was killed go with its lab.
func TestDownTakesTheDisksToo(t *testing.T) {
	p, n := program(t), name(t)
	killed(t, n, 9, "torture", "--name", n, "--program", p, "--for", "1h")
	if !slices.Contains(left(t, n), "/run/anode-torture/"+n) {
		t.Fatal("it had no disks yet: this test has lost its point")
	}
	if code, out := run(t, "down", "--name", n); code != 0 || len(left(t, n)) != 0 {
		t.Errorf("%d, %s; %v are left", code, out, left(t, n))
	}
}

func TestTortureRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"text or json":      {"-o", "xml"},
		"--seeds":           {"--seeds", "0"},
		"--offload":         {"--offload", "maybe"},
		"no strike":         {"--only", "tickle"},
		"no such file":      {"--report", "/nowhere/torture.md", "--program", "/bin/true"},
		"must not be negat": {"--shards", "-1"},
	} {
		cmd := tortureCommand()
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
