package lab

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard/server"
)

// patience is for what happens within milliseconds on a machine that has nothing else to do.
const patience = 60 * time.Second

// built is the anode binary of this tree.
var built = sync.OnceValues(func() (program string, err error) {
	if binaryDir, err = os.MkdirTemp("", "anode-lab-test-"); err != nil {
		return "", err
	}
	return Build(context.Background(), binaryDir)
})

// binaryDir holds it, once there is one.
var binaryDir string

// TestMain runs the tests in a network namespace of their own, which is that of every lab's clients. They want the machine
// for themselves, and run where ANODE_BPF_REQUIRED is 1: nothing may be missing there.
func TestMain(m *testing.M) {
	if os.Getenv("ANODE_BPF_REQUIRED") != "1" {
		fmt.Fprintln(os.Stderr, "labs are not tested here: make bpf-test does it")
		os.Exit(0)
	}
	if err := possible(); err != nil {
		fmt.Fprintln(os.Stderr, "labs cannot be tested here:", err)
		os.Exit(1)
	}
	inside, code, err := Isolate()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if !inside {
		os.Exit(code)
	}
	code = m.Run()
	_ = os.RemoveAll(binaryDir)
	os.Exit(code)
}

// possible tells what this machine lacks.
func possible() error {
	if os.Getuid() != 0 {
		return ErrPrivileges
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %s", ErrTool, tool)
		}
	}
	return bpf.Probe()
}

var labs atomic.Int64

// testName is one that no other test has, of this process or of another.
func testName() string { return fmt.Sprintf("t%dx%d", os.Getpid(), labs.Add(1)) }

// cluster is a lab whose clients are this process.
type cluster struct {
	*Lab
	tb testing.TB
}

func start(tb testing.TB, cfg Config) *cluster {
	tb.Helper()
	program, err := built()
	if err != nil {
		tb.Fatal(err)
	}
	cfg.Name, cfg.Program, cfg.Owned, cfg.Here = testName(), program, true, true
	cfg.Replicas, cfg.Shards = max(3, cfg.Replicas), max(1, cfg.Shards)
	l, err := Up(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	c := &cluster{l, tb}
	tb.Cleanup(func() {
		if tb.Failed() {
			for i := range l.Nodes() {
				tb.Logf("node %d: %s", i, l.lastWords(l.Nodes()[i].Name))
			}
		}
		if err := Down(context.Background(), cfg.Name); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func (c *cluster) open() *client.Client {
	c.tb.Helper()
	db, err := client.Open(c.within(), client.Config{Servers: c.Servers(), Key: c.key()})
	if err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() { _ = db.Close() })
	return db
}

func (c *cluster) key() []byte {
	b, err := os.ReadFile(c.KeyFile())
	c.must(err)
	_, digits, _ := strings.Cut(string(b), "client: ")
	key, err := hex.DecodeString(strings.TrimSpace(digits))
	c.must(err)
	return key
}

func (c *cluster) must(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
}

func (c *cluster) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.tb.Cleanup(cancel)
	return ctx
}

func (c *cluster) eventually(what string, ok func() bool) {
	c.tb.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.tb.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// roles are the node that leads, and one that follows.
func (c *cluster) roles() (leader, follower int) {
	c.tb.Helper()
	leader, followers, err := c.Roles(c.within(), 0)
	c.must(err)
	return leader, followers[0]
}

// replica is what a node says of its first replica.
func (c *cluster) replica(i int) *server.ReplicaStatus {
	c.tb.Helper()
	s, err := c.Status(c.within(), i)
	c.must(err)
	return &s.Replicas[0]
}

func (c *cluster) promises(i int) []string {
	found, err := filepath.Glob(filepath.Join(c.dataDir(c.Nodes()[i].Name), "*"))
	c.must(err)
	return found
}
