package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/dump"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// json runs a command and reads the one line of JSON that it writes.
func (s *session) json(v any, args ...string) {
	s.t.Helper()
	got := s.do("", append(args, "-o", "json")...)
	if got.exit != 0 || json.Unmarshal([]byte(got.out), v) != nil {
		s.t.Fatalf("%q: exit code %d, %q, %q", args, got.exit, got.out, got.errs)
	}
}

// filled is a cluster with some keys, and its dump in a file.
func filled(t *testing.T) (s *session, file string) {
	s = newSession(t)
	var script strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&script, "put key/%04d %q\n", i, strings.Repeat(fmt.Sprint(i%10), i))
	}
	script.WriteString("put \"\\x00\\xff\" \"\"\n")
	if got := s.do(script.String(), "txn"); got.exit != 0 {
		t.Fatal(got)
	}
	file = filepath.Join(t.TempDir(), "a.dump")
	var told struct {
		Keys       int `json:"keys"`
		ValueBytes int `json:"value_bytes"`
	}
	s.json(&told, "dump", file)
	if told.Keys != 1001 || told.ValueBytes != 999*1000/2 {
		t.Fatalf("%+v", told)
	}
	return s, file
}

type counts struct{ Keys, Written, Same, Left int }

func TestDumpAndRestore(t *testing.T) {
	s, file := filled(t)
	s.want(1, "", "is there already", "dump", file)
	s.want(1, "", "the cluster holds keys", "restore", file)
	all := s.do("", "scan", "-o", "json").out

	// Standard output carries the same, and what it holds is told beside it.
	piped := s.do("", "dump")
	if piped.exit != 0 || !strings.Contains(piped.errs, "1001 keys") {
		t.Fatalf("exit code %d, %s", piped.exit, piped.errs)
	}
	second := filepath.Join(t.TempDir(), "b.dump")
	if err := os.WriteFile(second, []byte(piped.out), 0o600); err != nil {
		t.Fatal(err)
	}
	var whole struct{ Result string }
	if s.json(&whole, "restore", "--check", second); whole.Result != "a whole dump" {
		t.Errorf("%+v", whole)
	}

	other := newSession(t)
	var n counts
	if other.json(&n, "restore", second); n != (counts{1001, 1001, 0, 0}) {
		t.Errorf("%+v", n)
	}
	if got := other.do("", "scan", "-o", "json").out; got != all || strings.Count(got, "\n") != 1001 {
		t.Errorf("restored %d keys, %d were dumped", strings.Count(got, "\n"), strings.Count(all, "\n"))
	}
	// One that broke off goes on, and does not write over what it did not write.
	other.do("", "delete", "key/0007", "key/0008")
	if other.json(&n, "restore", "--resume", file); n != (counts{1001, 2, 999, 0}) {
		t.Errorf("%+v", n)
	}
	other.do("", "put", "key/0007", "mine")
	other.want(1, "", `key "key/0007" has another value than the dump gives it`, "restore", "--resume", file)
	if got := other.do("", "get", "--raw", "key/0007"); !strings.HasPrefix(got.out, "mine") {
		t.Errorf("%+v", got)
	}
}

// Nothing is written from a file that is not whole, and the message names it and what is wrong.
func TestRestoreRefuses(t *testing.T) {
	_, file := filled(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	empty := newSession(t)
	dir := t.TempDir()
	bad := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changed := append([]byte{}, good...)
	changed[len(changed)/2] ^= 1
	for why, path := range map[string]string{
		"it is cut short":           bad("cut", good[:len(good)-1]),
		"was changed":               bad("changed", changed),
		"it does not begin like":    bad("text", []byte("hello\nthis is no dump\nat all, and long enough for a head")),
		"something follows its end": bad("more", append(append([]byte{}, good...), 'x')),
		"cut short, at byte 0":      bad("empty", nil),
		"no such file":              filepath.Join(dir, "nothing"),
		"save the dump to one":      dir,
	} {
		empty.want(1, "", why, "restore", path)
		empty.want(1, "", why, "restore", "--check", path)
	}
	empty.want(1, "", "save the dump to a file", "restore", "-")
	empty.want(1, "", "takes 1 argument and got 0", "restore")
	empty.want(1, "", "none of the others can be", "restore", "--resume", "--group", "0", file)
	empty.want(1, "", "no group 99", "restore", "--group", "99", file)
	empty.want(1, "", "no such file", "dump", filepath.Join(dir, "no", "such", "dir"))
	if out := empty.do("", "scan"); out.out != "" || out.exit != 0 {
		t.Errorf("something was written: %+v", out)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.part-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// foreignDump is one of another cluster.
func foreignDump(t *testing.T) string {
	f, err := os.Create(filepath.Join(t.TempDir(), "foreign"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := dump.NewWriter(f, dump.Head{Cluster: 1, Shards: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// A group that lost its memory is given what a dump holds of it; a dump of another cluster is refused.
func TestAGroupIsRestored(t *testing.T) {
	p := startProcesses(t)
	db := p.open()
	for g := range shard.ID(2) {
		for i := range 20 {
			if err := db.Put(within(t, patience), keyOf(g)+fmt.Sprint(" of ", i), []byte("before")); err != nil {
				t.Fatal(err)
			}
		}
	}
	args := []string{"--servers", p.host + ":7000," + p.host + ":7100", "--key-file", filepath.Join(p.dir, "keys")}
	file := filepath.Join(p.dir, "dump")
	if out, errs, exit := run(t, append([]string{"dump", file}, args...)...); exit != 0 || !strings.Contains(out, "40 keys") {
		t.Fatal(out, errs, exit)
	}
	foreign := foreignDump(t)
	if _, errs, exit := run(t, append([]string{"restore", "--group", "0", foreign}, args...)...); exit != 1 || !strings.Contains(errs, "and this is cluster 1 with 2") {
		t.Errorf("exit code %d, %s", exit, errs)
	}
	p.signal(syscall.SIGKILL)
	for i, n := range p.nodes {
		<-p.said[i]
		_ = n.Wait() // it was killed, that is its error
	}
	p.start()
	p.eventually("all are lost", func(r *server.ReplicaStatus) bool { return r.Lost })
	p.recovers(0)
	fresh := p.open()
	var mine, theirs string
	for i := range 20 {
		for g := range shard.ID(2) {
			if key := keyOf(g) + fmt.Sprint(" of ", i); fresh.ShardOf(key) == 0 {
				mine = key
			} else {
				theirs = key
			}
		}
	}
	if err := fresh.Put(within(t, patience), mine, []byte("after")); err != nil {
		t.Fatal(err)
	}
	out, errs, exit := run(t, append([]string{"restore", "--group", "0", "-o", "json", file}, args...)...)
	var n counts
	if json.Unmarshal([]byte(out), &n) != nil || exit != 0 || n.Keys != 40 || n.Left != 1 || n.Same != 0 || n.Written == 0 || n.Written == 39 {
		t.Fatalf("exit code %d, %+v, %s", exit, n, errs)
	}
	if v, err := fresh.Get(within(t, patience), mine); err != nil || string(v) != "after" {
		t.Errorf("what was written since: %q, %v", v, err)
	}
	if _, err := fresh.Get(within(t, time.Second), theirs); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("a group that was not recovered: %v", err)
	}
	if out, _, exit := run(t, append([]string{"restore", "--group", "0", "-o", "json", file}, args...)...); exit != 0 || !strings.Contains(out, fmt.Sprintf(`"same":%d`, n.Written)) {
		t.Errorf("again: exit code %d, %s", exit, out)
	}
}
