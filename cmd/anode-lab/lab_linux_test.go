package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bpf"
)

// itself has the test's own program be anode-lab. The name does not begin as those do that are kept from processes of a lab.
const itself = "LAB_TEST_IS_ANODE_LAB"

func TestMain(m *testing.M) {
	if os.Getenv(itself) != "" {
		main()
		return
	}
	code := m.Run()
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

// buildDir holds the nodes' program, once there is one.
var buildDir string

var build = sync.OnceValues(func() (program string, err error) {
	if buildDir, err = os.MkdirTemp("", "anode-lab-test-"); err != nil {
		return "", err
	}
	return lab.Build(context.Background(), buildDir)
})

// program is the anode binary of this tree. Labs want the machine for themselves, and are tested where ANODE_BPF_REQUIRED is
// 1: nothing may be missing there.
func program(t *testing.T) string {
	t.Helper()
	if os.Getenv("ANODE_BPF_REQUIRED") != "1" {
		t.Skip("make bpf-test does it")
	}
	if err := bpf.Probe(); err != nil || os.Getuid() != 0 {
		t.Fatalf("as root: %v", err)
	}
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// name is one that no other lab has; what is left of it is taken away.
func name(t *testing.T) string {
	n := fmt.Sprintf("c%d", os.Getpid())
	t.Cleanup(func() {
		if err := lab.Down(context.Background(), n); err != nil && !errors.Is(err, lab.ErrNone) {
			t.Error(err)
		}
	})
	return n
}

func command(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), itself+"=1")
	return c
}

// run returns the exit code and what was written to both outputs.
func run(t *testing.T, args ...string) (int, string) {
	t.Helper()
	out, err := command(t, args...).CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(out)
}

// left lists what there is of a lab: namespaces, files, processes.
func left(t *testing.T, name string) (all []string) {
	t.Helper()
	for _, pattern := range []string{"/run/netns/anode-lab-" + name + "-*", "/run/anode-lab/" + name, "/run/anode-torture/" + name} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lines {
		if b, _ := os.ReadFile(f); bytes.Contains(b, []byte("/run/anode-lab/"+name+"/")) {
			all = append(all, f)
		}
	}
	return all
}

func TestUpRunDown(t *testing.T) {
	p, n := program(t), name(t)
	code, out := run(t, "up", "--name", n, "--shards", "2", "--offload", "on", "--program", p)
	if code != 0 || strings.Count(out, ":7000: tcx\n") != 3 || len(left(t, n)) != 5+1+3 {
		t.Fatalf("up: %d, %s; there are %v", code, out, left(t, n))
	}
	if code, out := run(t, "up", "--name", n, "--program", p); code != 1 || !strings.Contains(out, "take it down first") {
		t.Errorf("up again: %d, %s", code, out)
	}
	if code, out := run(t, "run", "--name", n, "--", p, "put", "a", "b"); code != 0 {
		t.Errorf("put: %d, %s", code, out)
	}
	if code, out := run(t, "run", "--name", n, "--", p, "get", "a"); code != 0 || out != "b\n" {
		t.Errorf("get: %d, %q", code, out)
	}
	if code, _ := run(t, "run", "--name", n, "--", "sh", "-c", "exit 7"); code != 7 {
		t.Errorf("a command that exits with 7: %d", code)
	}
	if code, out := run(t, "down", "--name", n); code != 0 || len(left(t, n)) != 0 {
		t.Errorf("down: %d, %s; %v are left", code, out, left(t, n))
	}
	if code, out := run(t, "down", "--name", n); code != 1 || !strings.Contains(out, "there is no lab") {
		t.Errorf("down again: %d, %s", code, out)
	}
	if code, out := run(t, "run", "--name", n, "--", "true"); code != 1 || !strings.Contains(out, "there is no lab") {
		t.Errorf("run in nothing: %d, %s", code, out)
	}
	if code, out := run(t, "up", "--name", "no name", "--program", p); code != 1 || !strings.Contains(out, "small letters and digits") {
		t.Errorf("a bad name: %d, %s", code, out)
	}
	if code, out := run(t, "up", "--name", n, "--replicas", "4", "--program", p); code != 1 || !strings.Contains(out, "choose 3, 5 or 7") {
		t.Errorf("four replicas: %d, %s", code, out)
	}
}

// killed starts a command and kills it as soon as there are so many parts of the lab.
func killed(t *testing.T, name string, parts int, args ...string) {
	t.Helper()
	c := command(t, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); len(left(t, name)) < parts; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Errorf("%v never came to %d parts: %v", args, parts, left(t, name))
			break
		}
	}
	_ = c.Process.Signal(syscall.SIGKILL)
	_ = c.Wait()
}

// However far "up" had come when it was killed, "down" takes away what there is.
func TestDownAfterACrash(t *testing.T) {
	p, n := program(t), name(t)
	for _, parts := range []int{1, 3, 6, 8, 9} {
		killed(t, n, parts, "up", "--name", n, "--program", p)
		// What the dead one's own children had under way may come to its end meanwhile.
		for until := time.Now().Add(time.Minute); ; {
			code, out := run(t, "down", "--name", n)
			if code == 0 && len(left(t, n)) == 0 {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("with %d parts: %d, %s; %v are left", parts, code, out, left(t, n))
			}
		}
	}
}

// A lab that belongs to a process which has been killed is taken away by the next one.
func TestLabsOfTheDeadAreSweptAway(t *testing.T) {
	p, n := program(t), name(t)
	killed(t, n, 9, "offload", "--name", n, "--replicas", "3", "--program", p, "--for", "1h")
	next := n + "next"
	code, out := run(t, "up", "--name", next, "--program", p)
	if swept := left(t, n); code != 0 || len(swept) != 0 {
		t.Errorf("up: %d, %s; %v are left", code, out, swept)
	}
	if code, out := run(t, "down", "--name", next); code != 0 {
		t.Errorf("down: %d, %s", code, out)
	}
}

var columns = []string{"replicas", "clients", "shards", "workload", "batch", "rung", "offload", "ops_on", "ops_off", "ratio_ops",
	"ratio_ops_range", "ratio_p50", "ratio_p99", "cpu_us_on", "cpu_us_off", "fast_share"}

// What offload writes is one line of JSON with the figures that it promises, or a table with the same columns.
func TestOffloadWritesItsFigures(t *testing.T) {
	p, n := program(t), name(t)
	short := []string{"offload", "--name", n, "--program", p, "--pairs", "1", "--for", "200ms", "--clients", "8", "--batch", "off"}
	out, err := command(t, append(short, "--replicas", "3", "--ablate")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Rows []map[string]any }
	if err := json.Unmarshal(out, &answer); err != nil || bytes.Count(out, []byte("\n")) != 1 || len(answer.Rows) != 4 {
		t.Fatalf("%v: %s", err, out)
	}
	for i, offload := range []string{"all", "ack", "broadcast", "quorum"} {
		row := answer.Rows[i]
		for _, column := range columns {
			if v, ok := row[column]; !ok || v == 0.0 || v == "" {
				t.Errorf("%s, %s: %v", offload, column, v)
			}
		}
		if row["offload"] != offload || row["fast_share"].(float64) < 0.9 || row["errors"] != 0.0 || row["network"] != "namespaces" || row["rung"] != "tcx" {
			t.Errorf("%s: %v", offload, row)
		}
	}
	out, err = command(t, append(short, "--loopback", "--workload", "rmw2", "--shards", "2", "-o", "csv")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(table) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, column := range columns {
		if column == "ratio_ops_range" {
			column += "_min"
		}
		if i := slices.Index(table[0], column); i < 0 || table[1][i] == "0" || table[1][i] == "" {
			t.Errorf("%s: %v", column, table)
		}
	}
	if left := left(t, n); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestOffloadRefuses(t *testing.T) {
	for _, args := range [][]string{{"-o", "xml"}, {"--batch", "maybe"}, {"--workload", "ycsb-z"}, {"--clients", "0"}, {"--pairs", "0"}, {"--for", "1ms"}} {
		cmd := offloadCommand()
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), args[0]) && args[0] != "-o" {
			t.Errorf("%v: %v", args, err)
		}
	}
}
