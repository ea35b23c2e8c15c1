package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// standing runs `anode demo --listen` until the test ends, and returns its first line.
func standing(t *testing.T, args ...string) (cmd *exec.Cmd, line string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), binary, append([]string{"demo"}, args...)...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err = bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		t.Fatalf("it printed %q: %v", line, err)
	}
	return cmd, line
}

// loopback is an address of this host that no other test uses.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

// What the demo prints is what the other commands take; a signal ends it well.
func TestDemoListens(t *testing.T) {
	host := loopback()
	cmd, line := standing(t, "--listen", host+":7000", "--shards", "2", "--admin", host+":7070")
	if want := fmt.Sprintf("%[1]s:7000,%[1]s:7003,%[1]s:7006\n", host); line != want {
		t.Errorf("%q, want %q", line, want)
	}
	servers := strings.TrimSpace(line)
	for _, args := range [][]string{
		{"put", "a", "b", "--servers", servers}, {"get", "a", "--servers", servers},
		{"health", "--admin", host + ":7070"}, {"health", "--live", "--admin", host + ":7072"},
		{"status", "--admin", host + ":7070," + host + ":7071"},
	} {
		if _, errs, exit := run(t, args...); exit != 0 {
			t.Errorf("%v: %d, %s", args, exit, errs)
		}
	}
	if out, _, exit := run(t, "health", "-o", "json", "--admin", host+":7071"); exit != 0 || out != `{"ok":true}`+"\n" {
		t.Errorf("%q, %d", out, exit)
	}
	if _, errs, exit := run(t, "demo", "--listen", host+":7000", "--admin", "off"); exit != 1 || !strings.Contains(errs, "address already in use") {
		t.Errorf("a second one at its address: %d, %s", exit, errs)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// With a key file the demo's cluster answers those alone who have the key.
func TestDemoListensWithKeys(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	drawn, _, exit := run(t, "config", "keys")
	if again, _, _ := run(t, "config", "keys"); exit != 0 || again == drawn {
		t.Fatalf("%d: drawn %q, and again %q", exit, drawn, again)
	}
	if err := os.WriteFile(keys, []byte(drawn), 0o600); err != nil {
		t.Fatal(err)
	}
	_, line := standing(t, "--listen", loopback()+":7000", "--nodes", "1", "--shards", "1", "--admin", "off", "--key-file", keys, "-o", "json")
	var told struct{ Servers, Admin []string }
	if err := json.Unmarshal([]byte(line), &told); err != nil || len(told.Servers) != 1 || told.Admin != nil {
		t.Fatalf("%q, %v", line, err)
	}
	if _, errs, exit := run(t, "put", "a", "b", "--servers", told.Servers[0], "--key-file", keys); exit != 0 {
		t.Error(errs)
	}
	if _, _, exit := run(t, "put", "a", "b", "--servers", told.Servers[0], "--timeout", "300ms"); exit != 1 {
		t.Error("it answers without a key")
	}
}

// A node that waits for the others is alive and not ready.
func TestHealthOfANodeAlone(t *testing.T) {
	host, dir := loopback(), t.TempDir()
	path := filepath.Join(dir, "anode.yaml")
	file := fmt.Sprintf("cluster: 1\nnode: a\nadmin: %[1]s:7070\ndata-dir: %[2]s/data\nnodes:\n- {name: a, host: %[1]s, port: 7000}\n- {name: b, host: %[1]s, port: 7100}\n- {name: c, host: %[1]s, port: 7200}\n", host, dir)
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, path)
	if _, errs, exit := run(t, "health", "--admin", host+":7070"); exit != 1 || !strings.Contains(errs, "is not well: group 0: ") {
		t.Errorf("%d, %s", exit, errs)
	}
	if out, errs, exit := run(t, "health", "--live", "--admin", host+":7070"); exit != 0 || out != "ok\n" {
		t.Errorf("%d, %s", exit, errs)
	}
}

func TestVersion(t *testing.T) {
	out, errs, exit := run(t, "version")
	if exit != 0 || errs != "" || !strings.HasPrefix(out, "anode ") || strings.Count(out, "\n") != 1 {
		t.Errorf("%d, %q, %q", exit, out, errs)
	}
	out, _, _ = run(t, "version", "-o", "json")
	var b map[string]any
	if err := json.Unmarshal([]byte(out), &b); err != nil || b["version"] == "" || !strings.HasPrefix(fmt.Sprint(b["go"]), "go1.") {
		t.Errorf("%q, %v", out, err)
	}
}

// The example passes the check, and a broken file is told all that is wrong with it.
func TestConfigCommands(t *testing.T) {
	file, errs, exit := run(t, "config", "example")
	if exit != 0 || errs != "" {
		t.Fatalf("%d, %s", exit, errs)
	}
	path := filepath.Join(t.TempDir(), "anode.yaml")
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	if out, errs, exit := run(t, "config", "check", path); exit != 0 || !strings.Contains(out, "node n1 of 3, 4 shards") || !strings.Contains(errs, "no key-file") {
		t.Errorf("%d, %q, %q", exit, out, errs)
	}
	if out, _, exit := run(t, "config", "check", "--node", "n3", "-o", "json", path); exit != 0 || out != `{"keys":false,"node":"n3","nodes":3,"shards":4}`+"\n" {
		t.Errorf("%d, %q", exit, out)
	}
	write(file + "heartbaet: 5ms\nwindow: 0\nlease: soon\n")
	out, errs, exit := run(t, "config", "check", "--node", "n9", path)
	if exit != 1 || out != "" {
		t.Errorf("%d, %q", exit, out)
	}
	for _, want := range []string{"4 mistakes", `unknown key "heartbaet": do you mean "heartbeat"?`, "window is 0", "'lease' is soon", `node "n9" is not among the nodes: n1, n2, n3`} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not told:\n%s", want, errs)
		}
	}
}

// On a terminal the demo shows its rates.
func TestProgressOnATerminal(t *testing.T) {
	if all := onTerminal(t, "demo", "--for", "3s", "--shards", "1"); !strings.Contains(all, "commits/s") {
		t.Errorf("no rates on the terminal:\n%s", all)
	}
}

// onTerminal runs anode to its end and returns what a terminal shows of its standard error.
//
//	anode ── standard error ── pts/N ══ ptmx ── this test
func onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stderr = terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = terminal.Close()
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		b := make([]byte, 4096)
		for {
			n, err := control.Read(b)
			all.Write(b[:n])
			if err != nil { // the last writer is gone
				said <- all.String()
				return
			}
		}
	}()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	select {
	case all := <-said:
		return all
	case <-time.After(10 * time.Second):
		t.Fatal("the terminal does not end")
	}
	return ""
}
