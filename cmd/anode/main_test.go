package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the product, as a user has it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "anode")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "anode")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// run runs anode to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestHelp(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--help"}, []string{"demo", "serve", "status", "recover", "exit code"}},
		{nil, []string{"demo", "serve", "get", "put", "delete", "cas", "scan", "txn", "health", "config", "version", "completion"}},
		{[]string{"get", "--help"}, []string{"--servers", "ANODE_SERVERS", "--key-file", "--stale", "--raw", "exit code", "2 when a key"}},
		{[]string{"put", "--help"}, []string{"--timeout", "standard input", "exit code", "3 when"}},
		{[]string{"delete", "--help"}, []string{"all of them or none", "exit code", "3 when"}},
		{[]string{"cas", "--help"}, []string{"--absent", "--delete", "exit code", "2 when the value differs"}},
		{[]string{"scan", "--help"}, []string{"--start", "--end", "--limit", "--reverse", "--keys-only", "exit code"}},
		{[]string{"dump", "--help"}, []string{"one moment", "--timeout", "exit code"}},
		{[]string{"restore", "--help"}, []string{"--resume", "--group", "--check", "must be empty", "exit code"}},
		{[]string{"txn", "--help"}, []string{"check KEY = VALUE", "scan PREFIX", "exit code", "2 when a check"}},
		{[]string{"health", "--help"}, []string{"--live", "--admin", "exit code"}},
		{[]string{"config", "check", "--help"}, []string{"--node", "exit code"}},
		{[]string{"config", "example", "--help"}, []string{"--hosts", "--shards", "exit code"}},
		{[]string{"version", "--help"}, []string{"--output", "exit code"}},
		{[]string{"demo", "--help"}, []string{"--listen", "--key-file", "exit code"}},
		{[]string{"demo", "--help"}, []string{"--for", "--nodes", "--shards", "--seed", "--output", "exit code", "standard output"}},
		{[]string{"serve", "--help"}, []string{"--config", "--node", "data-dir", "ANODE_NODE", "exit code", "SIGTERM", "admin:", "/livez", "/readyz"}},
		{[]string{"status", "--help"}, []string{"--admin", "ANODE_ADMIN", "--output", "exit code", "127.0.0.1:7070"}},
		{[]string{"recover", "--help"}, []string{"--admin", "--group", "--accept-data-loss", "--wait", "exit code", "for good"}},
	} {
		out, errs, exit := run(t, c.args...)
		if exit != 0 || errs != "" {
			t.Errorf("%v: exit code %d, %q", c.args, exit, errs)
		}
		for _, word := range c.want {
			if !strings.Contains(out, word) {
				t.Errorf("%v: help does not tell %q:\n%s", c.args, word, out)
			}
		}
	}
}

// A mistake of the user is one line on standard error, nothing on standard output, and exit code 1.
func TestMistakesTakeOneLine(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("cluster: 1\nnode: a\ndata-dir: /x\nreplicas: 1\nshard: 4\nnodes: [{name: a, host: 127.0.0.1, port: 7000}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"nonsense"}, `unknown command "nonsense"`},
		{[]string{"demo", "--fro", "3s"}, "unknown flag: --fro"},
		{[]string{"demo", "--fro", "3s"}, "do you mean --for? see `anode demo --help`"},
		{[]string{"demo", "now"}, "anode demo takes no arguments and got \"now\": see `anode demo --help`"},
		{[]string{"gte", "a", "-o", "json"}, `unknown command "gte": do you mean "get"?`},
		{[]string{"--servers", "h:1", "gte", "a"}, "unknown flag: --servers: flags stand behind the command"},
		{[]string{"config", "chek", "-o", "json", "x"}, `unknown command "chek": do you mean "check"? see ` + "`anode config --help`"},
		{[]string{"help", "gte"}, `unknown command "gte": do you mean "get"?`},
		{[]string{"help", "config", "chek"}, `unknown command "chek": do you mean "check"?`},
		{[]string{"help", "get", "greeting"}, "anode get has no commands below it"},
		{[]string{"completion", "fsh"}, `the shell is "fsh": choose bash, fish, powershell or zsh`},
		{[]string{"completion"}, "takes 1 argument and got 0: write `anode completion SHELL`"},
		{[]string{"offload"}, "takes 1 argument and got 0: write `anode offload on|off`"},
		{[]string{"offload", "maybe"}, `anode offload is "maybe": choose on or off`},
		{[]string{"dump", "a", "b"}, "takes up to 1 argument and got 2: write `anode dump [FILE]`, with quotes"},
		{[]string{"demo", "--for", "long"}, `--for is "long": write a number and a unit, as in 150ms or 10s; see`},
		{[]string{"demo", "--shards", "x"}, `--shards is "x": write a whole number; see`},
		{[]string{"bench", "--rate", "x"}, `--rate is "x": write a number; see`},
		{[]string{"get", "a", "--raw=x"}, `--raw is "x": write --raw alone, or with =true or =false`},
		{[]string{"get", "a", "-o"}, "flag needs an argument"},
		{[]string{"demo", "--for", "1s"}, "--for is 1s: choose between 3s and 1h"},
		{[]string{"demo", "--for", "2h"}, "choose between 3s and 1h"},
		{[]string{"demo", "--nodes", "2"}, "--nodes is 2: choose 1, or 3 to 9"},
		{[]string{"demo", "--nodes", "10"}, "--nodes is 10"},
		{[]string{"demo", "--shards", "0"}, "--shards is 0: choose between 1 and 64"},
		{[]string{"demo", "-o", "xml"}, `--output is "xml": choose text or json`},
		{[]string{"status", "-o", "yaml"}, `--output is "yaml"`},
		{[]string{"status", "--admin", "7070"}, `--admin is "7070": write host:port, as in 127.0.0.1:7070`},
		{[]string{"status", "--admin", "127.0.0.1:1"}, "nobody listens at 127.0.0.1:1: start the node, or give --admin"},
		{[]string{"recover"}, "--group is not given"},
		{[]string{"recover", "--group", "-1"}, `--group is "-1": write a whole number that is not negative`},
		{[]string{"recover", "--group", "0"}, "gives up every key that it held"},
		{[]string{"recover", "--group", "0", "--accept-data-loss", "--wait", "-1s"}, "--wait is -1s"},
		{[]string{"recover", "--group", "0", "--accept-data-loss", "--admin", "127.0.0.1:1"}, "nobody listens at 127.0.0.1:1"},
		{[]string{"serve"}, "--config"},
		{[]string{"demo", "--admin", "127.0.0.1:1"}, "--admin is for a cluster that is left up: give --listen too"},
		{[]string{"demo", "--listen", "127.0.0.1:1", "--for", "5s"}, "--for is for the load"},
		{[]string{"demo", "--listen", "7000"}, `--listen is "7000": write host:port`},
		{[]string{"demo", "--listen", "127.0.0.1:65530"}, "with a port from 1 to 65521"},
		{[]string{"demo", "--listen", "0.0.0.0:7000"}, "there are no keys: give --key-file, or listen on 127.0.0.1"},
		{[]string{"demo", "--listen", "127.0.0.1:7000", "--key-file", "/no/keys"}, "/no/keys"},
		{[]string{"get"}, "names no key: write `anode get KEY...`"},
		{[]string{"get", "--raw", "a", "b"}, "--raw is for the value of one key"},
		{[]string{"get", "a", "--servers", "localhost"}, `server "localhost": write host:port, as in 127.0.0.1:7000`},
		{[]string{"get", "a", "--timeout", "0s"}, "timeout is 0s: choose between"},
		{[]string{"get", "a", "--timeout", "5"}, `--timeout is "5": write a number and a unit`},
		{[]string{"get", "a", "--key-file", "/no/keys"}, "/no/keys"},
		{[]string{"get", "a", "--config", "/no/file"}, "/no/file"},
		{[]string{"get", "a", "-o", "table"}, `--output is "table": choose text or json`},
		{[]string{"get", "a", "--servers", "127.0.0.1:1", "--timeout", "100ms"}, "no cluster found at 127.0.0.1:1 within 100ms"},
		{[]string{"put", "a"}, "takes 2 arguments and got 1: write `anode put KEY VALUE`"},
		{[]string{"put", "a", "two", "words"}, "takes 2 arguments and got 3"},
		{[]string{"put", "a", "-5"}, "unknown shorthand flag: '5' in -5: what begins with a dash and is no flag is written behind --"},
		{[]string{"delete"}, "names no key"},
		{[]string{"cas", "a", "b"}, "takes 3 arguments here and got 2: write `anode cas KEY OLD NEW`"},
		{[]string{"cas", "--absent", "a", "b", "c"}, "write `anode cas --absent KEY NEW`"},
		{[]string{"cas", "--absent", "--delete", "a"}, "choose one"},
		{[]string{"scan", "a", "b"}, "takes up to 1 argument and got 2"},
		{[]string{"scan", "--limit", "-1"}, "--limit is -1"},
		{[]string{"txn", "gte a"}, `line 1, column 1: gte is no statement: do you mean "get"?`},
		{[]string{"txn", "get a", "put b"}, "line 2, column 1: put has no value"},
		{[]string{"txn"}, "standard input: there is no statement"},
		{[]string{"txn", "--attempts", "-1", "get a"}, "--attempts is -1"},
		{[]string{"health", "--admin", "127.0.0.1:1"}, "nobody listens at 127.0.0.1:1"},
		{[]string{"health", "--admin", "here"}, `--admin is "here": write host:port`},
		{[]string{"config", "check"}, "write `anode config check FILE`"},
		{[]string{"config", "check", broken}, `unknown key "shard": do you mean "shards"?`},
		{[]string{"config", "check", "--node", "q", broken + ".not"}, "no such file"},
		{[]string{"config", "example", "--shards", "0"}, "shards is 0: choose between 1 and 4096"},
		{[]string{"version", "-o", "x"}, `--output is "x"`},
		{[]string{"serve", "--config", broken + ".not"}, "no such file"},
		{[]string{"serve", "--config", broken}, `unknown key "shard": do you mean "shards"?`},
	} {
		out, errs, exit := run(t, c.args...)
		if exit != 1 || out != "" {
			t.Errorf("%v: exit code %d, standard output %q", c.args, exit, out)
		}
		line, rest, _ := strings.Cut(errs, "\n")
		if !strings.HasPrefix(line, "anode: ") || !strings.Contains(line, c.want) || rest != "" {
			t.Errorf("%v: want one line with %q, got\n%s", c.args, c.want, errs)
		}
	}
}

func TestDemoPrintsOneLineOfJSON(t *testing.T) {
	out, errs, exit := run(t, "demo", "--for", "3s", "--shards", "2", "-o", "json")
	if exit != 0 {
		t.Fatalf("exit code %d\n%s", exit, errs)
	}
	if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
		t.Fatalf("standard output is not one line:\n%s", out)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{"aborted", "committed", "leader_changes", "linearizable", "money_ok", "operations_checked", "strict_serializable"}
	if got := slices.Sorted(maps.Keys(report)); !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	for _, key := range []string{"money_ok", "linearizable", "strict_serializable"} {
		if report[key] != true {
			t.Errorf("%s is %v", key, report[key])
		}
	}
	for _, key := range []string{"committed", "operations_checked"} {
		if n, _ := report[key].(float64); n <= 0 {
			t.Errorf("%s is %v", key, report[key])
		}
	}
	if strings.Contains(errs, "native XDP on lo: ") {
		t.Errorf("a way into the kernel is named twice:\n%s", errs)
	}
	if strings.Contains(errs, "commits/s") || !strings.Contains(errs, "is killed") {
		t.Errorf("standard error tells no story, or rates though it is no terminal:\n%s", errs)
	}
}

// oneNode writes the file of a cluster of one node, on a loopback address that no other test uses.
func oneNode(t *testing.T) (path, addr string) {
	t.Helper()
	dir := t.TempDir()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	path = filepath.Join(dir, "anode.yaml")
	file := fmt.Sprintf("cluster: 1\nnode: a\nadmin: %s:7070\ndata-dir: %s/data\nshards: 2\nreplicas: 1\nnodes: [{name: a, host: %s, port: 7000}]\n", host, dir, host)
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, net.JoinHostPort(host, "7000")
}

// serve starts a node and waits until it serves. What it says on standard error is sent when it has ended.
func serve(t *testing.T, path string, flags ...string) (cmd *exec.Cmd, said chan string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), binary, append([]string{"serve", "--config", path}, flags...)...)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	serves, said := make(chan struct{}), make(chan string, 1)
	go func() {
		var all []byte
		b, told := make([]byte, 4096), false
		for {
			n, err := pipe.Read(b)
			all = append(all, b[:n]...)
			if !told && bytes.Contains(all, []byte("serves; stop it")) {
				told = true
				close(serves)
			}
			if errors.Is(err, io.EOF) || err != nil {
				said <- string(all)
				return
			}
		}
	}()
	select {
	case <-serves:
	case all := <-said:
		t.Fatalf("it does not serve:\n%s", all)
	case <-time.After(30 * time.Second):
		t.Fatal("it does not serve within 30 s")
	}
	return cmd, said
}

// A node serves until it is told to stop, which is no failure; a second one at its address is one.
func TestServe(t *testing.T) {
	path, addr := oneNode(t)
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, said := serve(t, path)
		out, errs, exit := run(t, "serve", "--config", path)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		if last := lines[len(lines)-1]; exit != 1 || out != "" || !strings.Contains(last, addr) || !strings.Contains(last, "address already in use") {
			t.Errorf("a second node: exit code %d, %q", exit, errs)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		all := <-said
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", sig, err, all)
		}
		if !strings.Contains(all, "level=WARN") || !strings.Contains(all, "no keys are configured") {
			t.Errorf("the node does not say that it is open:\n%s", all)
		}
	}
}

// With -o json every line of the log is an object, and nothing else is said. The node is found by its own file.
func TestServeInJSON(t *testing.T) {
	path, _ := oneNode(t)
	cmd, said := serve(t, path, "-o", "json")
	for _, command := range []string{"status", "health"} {
		if out, errs, exit := run(t, command, "--config", path); exit != 0 || out == "" {
			t.Errorf("%s: %d, %q", command, exit, errs)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(<-said), "\n")
	for _, line := range lines {
		var event struct{ Level, Msg, Node string }
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Level == "" || event.Msg == "" || event.Node != "a" {
			t.Errorf("%v: %s", err, line)
		}
	}
	if err := cmd.Wait(); err != nil || len(lines) < 3 {
		t.Errorf("%v, %q", err, lines)
	}
}

// A damaged promise file keeps the node from starting; the last line names the file.
func TestServeOnADamagedPromise(t *testing.T) {
	path, _ := oneNode(t)
	promise := filepath.Join(filepath.Dir(path), "data", "promise-1")
	if err := os.MkdirAll(filepath.Dir(promise), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(promise, []byte("rust"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, exit := run(t, "serve", "--config", path)
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	if last := lines[len(lines)-1]; exit != 1 || !strings.Contains(last, promise) || !strings.Contains(last, "promise file is damaged") {
		t.Errorf("exit code %d\n%s", exit, errs)
	}
}
