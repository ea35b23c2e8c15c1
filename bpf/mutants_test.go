//go:build mutants && linux

package bpf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// objectVariable names the object that the tests use in place of the committed one.
const objectVariable = "ANODE_BPF_OBJECT"

func init() {
	if path := os.Getenv(objectVariable); path != "" {
		object, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		_KernelBytes = object
	}
}

// edit replaces a piece of a source that stands there once.
type edit struct{ file, was, is string }

// Tests that notice. Each runs in a process of its own, with programs that are made from edited sources.
const (
	stores    = "TestNothingIsAcknowledgedThatIsNotStored"
	bursts    = "TestFenceInABurst"
	fences    = "TestFence"
	quorums   = "TestALostQuorumPacketLosesNothing"
	forgedAck = "TestStaleAndForgedAcknowledgements"
	forged    = "TestStaleAndForgedAccepts"
	twinned   = "TestModelAndProgramsAgree"
	behind    = "TestNoDuplicateIsAnsweredBehindAFence"
)

// mistakes are known bugs of published systems, and checks left out, put into the programs themselves; those without edits are
// put into what user space does with them.
var mistakes = []struct {
	name, what, test string
	edits            []edit
}{
	{"c-claim-first", "the word moves before size and room are checked (known bug 1)", stores, []edit{
		{"follower.h", "	if (reason == REASON_NONE)\n		reason = read_body(ctx, hook, s);",
			"	if (reason == REASON_NONE && op == word_op(word) + 1)\n		compare_and_swap(&control->word, word, word_make(word_generation(word), op));\n" +
				"	if (reason == REASON_NONE)\n		reason = read_body(ctx, hook, s);"},
		{"follower.h", "	if (compare_and_swap(&control->word, word, next) != word)\n		return REASON_RACED;\n", ""},
	}},
	{"c-plain-store", "the word is read, changed and written back (known bug 2)", bursts, []edit{
		{"follower.h", "	if (compare_and_swap(&control->word, word, next) != word)\n		return REASON_RACED;\n",
			"	*(volatile __u64 *)&control->word = next;\n"},
	}},
	{"log-dropped", "user space drops what stands in the log when a view change begins (known bug 3)", fences, nil},
	{"c-answer-lost", "an entry that is claimed is answered and never published: a view change does not find it", fences, []edit{
		{"follower.h", "	__sync_lock_test_and_set(&record->tag, next);\n", ""},
	}},
	{"c-exactly-f", "what is above exactly f acknowledgements wakes nobody and is not chosen (known bug 5)", twinned, []edit{
		{"quorum.h", "op = acked[i] & (less(holders, config->quorum) - 1);", "op = acked[i] & -(__u64)(holders == config->quorum);"},
	}},
	{"c-stale-counts", "an acknowledgement of an older view counts (known bug 6)", forgedAck, []edit{
		{"identity.h", "if (f->view != c->view)", "if (f->view != c->view && f->kind != KIND_ACCEPTED)"},
	}},
	{"c-unchecked-index", "any index is taken for a member's, from anywhere (known bug 7)", forgedAck, []edit{
		{"identity.h", "	if (sender >= MAX_MEMBERS || sender >= c->members || sender == c->self)\n		return REASON_WRONG_SENDER;\n",
			"	if (f->kind == KIND_ACCEPTED)\n		return REASON_NONE;\n	if (sender >= MAX_MEMBERS || sender >= c->members || sender == c->self)\n		return REASON_WRONG_SENDER;\n"},
	}},
	{"c-global-scratch", "all CPUs share one scratch cell (known bug 8)", bursts, []edit{
		{"packet.h", "BPF_MAP_TYPE_PERCPU_ARRAY", "BPF_MAP_TYPE_ARRAY"},
	}},
	{"c-unfenced", "a fence is not looked at", fences, []edit{
		{"word.h", "return !(w & FENCED) && word_generation(w) != 0;", "return word_generation(w) != 0;"},
	}},
	{"c-reack-unread", "a duplicate is answered without reading the word again", behind, []edit{
		{"follower.h", "return word_armed(now) && word_generation(now) == word_generation(word);", "return now != 0 || word != 0;"},
	}},
	{"c-log-overrun", "entries are stored over others that nobody has read", stores, []edit{
		{"follower.h", "	if (word_generation(released) != word_generation(word) || op > word_op(released) + log_mask + 1)\n		return REASON_LOG_FULL;\n", "	(void)released;\n"},
	}},
	{"c-absolute-ops", "ops are not counted from their epoch", twinned, []edit{
		{"identity.h", "return p->frame.op - c->base;", "return p->frame.op;"}}},
	{"c-gap-taken", "an op behind a gap is stored", forged, []edit{
		{"follower.h", "	if (op > last + 1)\n		return REASON_GAP;\n", ""},
	}},
	{"c-unverified", "a frame's code is not verified", forged, []edit{
		{"identity.h", "return got == want ? REASON_NONE : REASON_WRONG_MAC;", "return got == want ? REASON_NONE : REASON_NONE;"},
	}},
	{"c-anywhere", "packets for other hardware are answered", forged, []edit{
		{"identity.h", "			return 0;\n	return p->ip.daddr", "			break;\n	return p->ip.daddr"},
	}},
	{"c-any-life", "frames of a member's former life are taken", forgedAck, []edit{
		{"identity.h", "	if (f->incarnation != c->member[sender].incarnation)\n		return REASON_WRONG_INCARNATION;\n", ""},
	}},
	{"c-any-leader", "every member may send entries", forged, []edit{
		{"follower.h", "s->in.frame.sender != config->leader)\n		reason = REASON_WRONG_SENDER;\n	if (reason == REASON_NONE)\n		reason = read_body",
			"s->in.frame.sender == config->self)\n		reason = REASON_WRONG_SENDER;\n	if (reason == REASON_NONE)\n		reason = read_body"},
	}},
	{"c-above-last", "what was never sent is acknowledged", quorums, []edit{
		{"quorum.h", "	if (word_generation(last) != generation || op > word_op(last))\n		return REASON_ABOVE_LAST;\n", "	(void)last;\n"},
	}},
	{"c-cells-go-back", "an acknowledgement that comes late takes back a later one", quorums, []edit{
		{"quorum.h", "		if (word_op(old) >= op)\n			return REASON_REPEATED;\n", ""},
	}},
}

func TestMutants(t *testing.T) {
	loadKernelFor(t, Options{LogSlots: 1}) // or this machine cannot tell
	if _, err := exec.LookPath("clang"); err != nil {
		unavailable(t, err)
	}
	sound := compiled(t, nil)
	tried := map[string]bool{}
	for _, m := range mistakes {
		if !tried[m.test] {
			if how := noticedBy(t, m.test, sound, ""); how != "" {
				t.Fatalf("%s fails without a mistake: %s", m.test, how)
			}
			tried[m.test] = true
		}
		object := compiled(t, m.edits)
		mutant.Catch(t, m.name, m.what, "bpf."+m.test, func() string { return noticedBy(t, m.test, object, m.name) })
	}
}

// compiled makes the programs from edited sources, as go generate does.
func compiled(t *testing.T, edits []edit) (object string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("src")); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		path := filepath.Join(dir, e.file)
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(source, []byte(e.was)); n != 1 {
			t.Fatalf("%s has %d times, not once:\n%s", e.file, n, e.was)
		}
		if err := os.WriteFile(path, bytes.Replace(source, []byte(e.was), []byte(e.is), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	object = filepath.Join(dir, "kernel.o")
	args := append(flags(t), "-target", "bpfel", "-g", "-c", filepath.Join(dir, "anode.bpf.c"), "-o", object)
	if out, err := exec.CommandContext(t.Context(), "clang", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return object
}

// flags are those that go generate gives to the compiler.
func flags(t *testing.T) []string {
	source, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(source), " kernel src/anode.bpf.c -- ")
	if !ok {
		t.Fatal("generate.go does not tell the compiler's flags")
	}
	line, _, _ := strings.Cut(after, "\n")
	return append(strings.Fields(line), "-Wno-error")
}

var firstFailure = regexp.MustCompile(`(?m)^ +\w+_test\.go:\d+: .*|^panic: .*`)

// noticedBy runs a test of this package in a process of its own, with the object and with a mistake of user space, if it is one,
// and returns what made it fail.
func noticedBy(t *testing.T, test, object, name string) string {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+test+"$", "-test.count=1", "-test.v", "-test.timeout", "100s")
	cmd.Env = append(os.Environ(), objectVariable+"="+object, mutant.Variable+"="+name, "ANODE_BPF_REQUIRED=1")
	out, err := cmd.CombinedOutput()
	switch {
	case bytes.Contains(out, []byte("--- FAIL: "+test)) || bytes.Contains(out, []byte("panic: ")):
		if how := firstFailure.Find(out); how != nil {
			return strings.TrimSpace(string(how))
		}
		return fmt.Sprintf("%s failed", test)
	case err != nil || !bytes.Contains(out, []byte("--- PASS: "+test)):
		t.Fatalf("%s did not run: %v\n%s", test, err, out)
	}
	return ""
}
