package main_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anodekv/anode/client/anodetest"
)

// session runs commands against a cluster in the test's process, as a user does whose environment names it.
type session struct {
	t   *testing.T
	env []string
}

func newSession(t *testing.T) *session {
	cfg := anodetest.Start(t).Config()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("client: "+hex.EncodeToString(cfg.Key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &session{t, append(os.Environ(), "ANODE_SERVERS="+strings.Join(cfg.Servers, ","), "ANODE_KEY_FILE="+keys)}
}

// answer is what a command did.
type answer struct {
	out, errs string
	exit      int
}

func (s *session) do(stdin string, args ...string) answer {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.env, strings.NewReader(stdin), &out, &errs
	_ = cmd.Run() // its exit code is looked at
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// want runs a command that is to write out and exit with a code, and to say why on standard error if that is not 0.
func (s *session) want(exit int, out, why string, args ...string) {
	s.t.Helper()
	s.wantFrom("", exit, out, why, args...)
}

func (s *session) wantFrom(stdin string, exit int, out, why string, args ...string) {
	s.t.Helper()
	got := s.do(stdin, args...)
	if got.exit != exit || got.out != out || !strings.Contains(got.errs, why) || (why == "") != (got.errs == "") {
		s.t.Errorf("%q: exit code %d, standard output %q, standard error %q\nwant %d, %q, %q", args, got.exit, got.out, got.errs, exit, out, why)
	}
}

func TestKeyCommands(t *testing.T) {
	s := newSession(t)
	s.want(2, "", `anode: not found: "greeting"`, "get", "greeting")
	s.want(0, "", "", "put", "greeting", "hello")
	s.want(0, "hello\n", "", "get", "greeting")
	s.want(0, "hello", "", "get", "--raw", "greeting")
	s.want(0, `{"key":"greeting","result":"found","value":"hello"}`+"\n", "", "get", "greeting", "-o", "json")
	s.want(0, `{"key":"greeting","result":"stored"}`+"\n", "", "put", "greeting", "", "-o", "json")
	s.want(0, `{"key":"greeting","result":"found","value":""}`+"\n", "", "get", "greeting", "-o", "json")
	s.want(0, "\n", "", "get", "greeting")
	s.want(0, "", "", "put", "--", "cold", "-5")
	s.want(0, "-5\n", "", "get", "cold")
	s.wantFrom("\x00\xff line\n", 0, "", "", "put", "bytes", "-")
	s.want(0, "\x00\xff line\n", "", "get", "--raw", "bytes")
	s.want(0, `{"key":"bytes","result":"found","value_base64":"AP8gbGluZQo="}`+"\n", "", "get", "bytes", "-o", "json")
	s.want(2, "cold\t-5\nbytes\t\"\\x00\\xff line\\n\"\n", `not found: "no"`, "get", "cold", "no", "bytes")
	s.want(2, `{"key":"cold","result":"found","value":"-5"}`+"\n"+`{"key":"no","result":"absent"}`+"\n", `not found: "no"`, "get", "cold", "no", "-o", "json")
	s.want(0, "", "", "delete", "cold", "no")
	s.want(2, "", "not found", "get", "cold")
	s.want(0, `{"key":"cold","result":"deleted"}`+"\n", "", "delete", "cold", "-o", "json")
	s.want(1, "", "anode: put: invalid request: the key is empty", "put", "", "x")
	s.want(1, "", "anode: get: invalid request: the key is empty", "get", "")
	s.want(1, "", "too large", "put", strings.Repeat("k", 5000), "x")
	s.wantFrom(strings.Repeat("v", 1<<20+1), 1, "", "more than a value may: the limit is 1048576 bytes", "put", "k", "-")
	s.want(2, "", "not found", "get", "bytes", "--stale", "1h") // there was none then
}

func TestCas(t *testing.T) {
	s := newSession(t)
	s.want(2, "", `anode: the value of "lock" differs: nothing was changed`, "cas", "lock", "a", "b")
	s.want(0, "", "", "cas", "--absent", "lock", "me")
	s.want(2, "", `anode: "lock" exists: nothing was changed`, "cas", "--absent", "lock", "you")
	s.want(0, `{"key":"lock","result":"swapped"}`+"\n", "", "cas", "lock", "me", "you", "-o", "json")
	s.want(2, `{"key":"lock","result":"differs"}`+"\n", "differs", "cas", "lock", "me", "you", "-o", "json")
	s.want(0, "", "", "cas", "--delete", "lock", "you")
	s.want(2, "", "not found", "get", "lock")
}

func TestScan(t *testing.T) {
	s := newSession(t)
	s.want(0, "", "", "scan")
	s.wantFrom("put user/bob 2; put user/ann 1; put user/cyd \"three words\"; put admin 0; put \"a key\" \"\"", 0, "", "", "txn")
	s.want(0, "user/ann\t1\nuser/bob\t2\nuser/cyd\t\"three words\"\n", "", "scan", "user/")
	s.want(0, "\"a key\"\t\"\"\nadmin\t0\n", "", "scan", "--limit", "2")
	s.want(0, "user/cyd\nuser/bob\n", "", "scan", "user/", "--reverse", "--limit", "2", "--keys-only")
	s.want(0, "user/bob\t2\n", "", "scan", "--start", "user/b", "--end", "user/c")
	s.want(0, `{"key":"admin","result":"found","value":"0"}`+"\n", "", "scan", "adm", "-o", "json")
	s.want(0, `{"key":"admin","result":"found"}`+"\n", "", "scan", "adm", "-o", "json", "--keys-only")
	if a := s.do("", "scan", "--stale", "1ms", "user/"); a.exit != 0 || strings.Count(a.out, "\n") != 3 {
		t.Errorf("%+v", a)
	}
}

func TestTxn(t *testing.T) {
	s := newSession(t)
	s.want(0, "alice\t100\nbob\t0\n", "", "txn", "add alice 100", "add bob 0")
	s.want(0, "alice\t95\nbob\t5\n", "", "txn", "check alice exists; add alice -5; add bob 5")
	s.want(2, "", "anode: statement 2, line 1, column 15: check alice = 100 does not hold: \"alice\" is \"95\"; nothing was changed",
		"txn", "put carol 1 ; check alice = 100")
	s.want(2, "", "not found", "get", "carol")
	s.want(2, "", `check alice != 95 does not hold: "alice" is "95"`, "txn", "check alice != 95")
	s.want(2, "", `check alice absent does not hold`, "txn", "check alice absent")
	s.want(2, "", `check nobody = "" does not hold: "nobody" is absent`, "txn", `check nobody = ""`)
	s.want(0, "", "", "txn", "check nobody != 95")
	s.want(2, "", `check dave exists does not hold: "dave" is absent`, "txn", "check dave exists")
	s.want(0, "", "", "txn", "check dave absent; check alice != 100; check alice = 95; put dave x; check dave = x; delete dave")
	s.wantFrom("# a transfer\nget alice\nget nobody\nscan \"\" limit 1\nput \"(absent)\" \"(absent)\"\nget \"(absent)\"\n", 0,
		"alice\t95\nnobody\t(absent)\nalice\t95\n\"(absent)\"\t\"(absent)\"\n", "", "txn")
	s.want(0, `{"key":"alice","result":"found","value":"95"}`+"\n"+`{"key":"nobody","result":"absent"}`+"\n", "", "txn", "-o", "json", "get alice", "get nobody")
	s.want(0, "", "", "put", "word", "ten")
	s.want(1, "", `statement 1, line 1, column 1: "word" is "ten", which is no whole number: nothing was changed`, "txn", "add word 1")
	s.want(0, "big\t9223372036854775807\n", "", "txn", "add big 9223372036854775807")
	s.want(1, "", "the sum does not fit 64 bits", "txn", "add big 1")
	s.want(0, "big\t-1\n", "", "txn", "add big -9223372036854775808")
	s.want(1, "", "the sum does not fit 64 bits", "txn", "add big -9223372036854775808")
	s.want(1, "", "statement 1, line 1, column 1: put", "txn", "put "+strings.Repeat("k", 5000)+" v")
}

// A wrong key is not answered; the message says what may be wrong.
func TestWrongKey(t *testing.T) {
	s := newSession(t)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("client: "+strings.Repeat("ab", 16)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(1, "", "a key was given: a cluster without keys, or with another, does not answer it", "get", "a", "--key-file", wrong, "--timeout", "300ms")
	s.env = append(s.env, "ANODE_KEY_FILE=")
	s.want(1, "", "no key was given: if the cluster has keys, give --key-file", "get", "a", "--timeout", "300ms")
}
