package main_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A short run, of few keys.
var shortRun = []string{"bench", "--keys", "300", "--clients", "4", "--warmup", "50ms", "--for", "200ms"}

// measureAll measures every workload, each in one line with the fields that are promised.
func measureAll(t *testing.T, reach ...string) {
	t.Helper()
	promised := strings.Fields("workload clients ops_per_s p50_us p99_us p999_us retries_per_commit aborted errors cpu_us_per_op")
	for _, name := range strings.Fields("put get rmw2 retwis ycsb-a ycsb-b ycsb-c ycsb-d ycsb-e ycsb-f") {
		out, errs, exit := run(t, slices.Concat(shortRun, reach, []string{"--workload", name, "-o", "json"})...)
		var r map[string]any
		if err := json.Unmarshal([]byte(out), &r); exit != 0 || errs != "" || err != nil || strings.Count(out, "\n") != 1 {
			t.Fatalf("%s: %d, %q, %q: %v", name, exit, out, errs, err)
		}
		for _, field := range promised {
			if _, there := r[field]; !there {
				t.Errorf("%s: no %s in %s", name, field, out)
			}
		}
		number := func(field string) float64 { n, _ := r[field].(float64); return n }
		p50, p99, p999 := number("p50_us"), number("p99_us"), number("p999_us")
		if r["workload"] != name || number("clients") != 4 || number("ops_per_s") <= 0 || number("cpu_us_per_op") <= 0 || p50 <= 0 || p99 < p50 || p999 < p99 {
			t.Errorf("%s: %s", name, out)
		}
		if number("errors")+number("aborted")+number("missing") > 0 {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// Every workload is measured against nodes that are processes, and have keys.
func TestBenchOfProcesses(t *testing.T) {
	p := startProcesses(t)
	measureAll(t, p.reach()...)
}

// Every workload is measured against a standing demo, in each form.
func TestBench(t *testing.T) {
	_, line := standing(t, "--listen", loopback()+":7000", "--shards", "2", "--admin", "off")
	servers := strings.TrimSpace(line)
	measureAll(t, "--servers", servers)
	bench := func(args ...string) string {
		t.Helper()
		out, errs, exit := run(t, slices.Concat(shortRun, []string{"--servers", servers}, args)...)
		if exit != 0 || errs != "" {
			t.Errorf("%v: %d, %s", args, exit, errs)
		}
		return out
	}
	out := bench("--workload", "rmw2", "--distribution", "zipfian", "--rate", "200", "--connections", "2", "--no-load", "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || strings.Join(rows[0][:3], " ") != "workload clients ops_per_s" || rows[1][0] != "rmw2" {
		t.Errorf("%q, %v", out, err)
	}
	if out := bench("--workload", "get", "--no-load", "-o", "csv", "--no-header"); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "get,4,") {
		t.Errorf("%q", out)
	}
	if out := bench("--workload", "put", "--insert-order", "ordered"); !strings.HasPrefix(out, "put, uniform, 4 clients, closed loop: ") {
		t.Errorf("%q", out)
	}
	if out, _, exit := run(t, "get", "user000000000007", "--servers", servers); exit != 0 || len(out) != 101 {
		t.Errorf("what it loaded is not there: %d bytes, %d", len(out), exit)
	}
}

// On a terminal it tells how far it is; a signal ends it, and with it what has not been measured.
func TestBenchOnATerminal(t *testing.T) {
	_, line := standing(t, "--listen", loopback()+":7000", "--shards", "1", "--nodes", "1", "--admin", "off")
	servers := strings.TrimSpace(line)
	all := onTerminal(t, "bench", "--servers", servers, "--workload", "get", "--keys", "100", "--clients", "2", "--warmup", "0s", "--for", "1500ms", "--rate", "50")
	if !strings.Contains(all, "1s of 1.5s: ") {
		t.Errorf("the terminal shows\n%s", all)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "bench", "--servers", servers, "--workload", "get", "--no-load", "--keys", "100", "--for", "1h")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || out.Len() > 0 || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("%d, %q, %q", cmd.ProcessState.ExitCode(), &out, &errs)
	}
}

func TestBenchMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		`no workload is called "x"`:     {"--workload", "x"},
		`no distribution is called "x"`: {"--distribution", "x"},
		`--insert-order is "x"`:         {"--insert-order", "x"},
		`choose text, json or csv`:      {"-o", "xml"},
		"--clients is 0":                {"--clients", "0"},
		"--connections is 9":            {"--clients", "8", "--connections", "9"},
		"--rate is -1":                  {"--rate", "-1"},
		"more than nothing to measure":  {"--for", "0s"},
		"--attempts is -1":              {"--attempts", "-1"},
		"5 keys":                        {"--keys", "5"},
		"no cluster found":              {"--servers", loopback() + ":7000", "--timeout", "200ms"},
	} {
		if out, errs, exit := run(t, append([]string{"bench"}, args...)...); exit != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: %d, %q, %q", args, exit, out, errs)
		}
	}
}
