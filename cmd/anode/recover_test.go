package main_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

const (
	patience = 30 * time.Second
	// hurry is what a client allows that knows better than to wait for a closed group.
	hurry     = 500 * time.Millisecond
	clientHex = "ffeeddccbbaa99887766554433221100"
	keyFile   = "replica: 00112233445566778899aabbccddeeff\nclient: " + clientHex + "\n"
)

// processes is a cluster of three nodes and two groups, each node a process, on a loopback address of its own.
//
//	node a: host:7000  admin host:7070      node b: host:7100  admin host:7071      node c: host:7200  admin host:7072
type processes struct {
	t     *testing.T
	host  string
	dir   string
	nodes [3]*exec.Cmd
	said  [3]chan string
}

func startProcesses(t *testing.T) *processes {
	t.Helper()
	p := &processes{t: t, dir: t.TempDir(), host: fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))}
	p.write("keys", keyFile)
	for i := range p.nodes {
		p.write(fmt.Sprintf("%d.yaml", i), fmt.Sprintf("cluster: 1\nnode: %c\nadmin: %s\ndata-dir: %s/%d\nkey-file: %s/keys\nshards: 2\n"+
			"nodes: [{name: a, host: %[6]s, port: 7000}, {name: b, host: %[6]s, port: 7100}, {name: c, host: %[6]s, port: 7200}]\n",
			'a'+i, p.admin(i), p.dir, i, p.dir, p.host))
	}
	p.start()
	return p
}

func (p *processes) write(name, content string) {
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *processes) admin(i int) string { return fmt.Sprintf("%s:%d", p.host, 7070+i) }

// reach are the flags by which a command finds the cluster.
func (p *processes) reach() []string {
	return []string{"--servers", p.host + ":7000," + p.host + ":7100," + p.host + ":7200", "--key-file", filepath.Join(p.dir, "keys")}
}

func (p *processes) start() {
	p.t.Helper()
	for i := range p.nodes {
		p.nodes[i], p.said[i] = serve(p.t, filepath.Join(p.dir, fmt.Sprintf("%d.yaml", i)))
	}
}

func (p *processes) signal(sig syscall.Signal) {
	for _, n := range p.nodes {
		if err := n.Process.Signal(sig); err != nil {
			p.t.Fatal(err)
		}
	}
}

// kill gives the nodes no time for anything. It returns what each has said.
func (p *processes) kill() (said [3]string) {
	p.signal(syscall.SIGKILL)
	for i, n := range p.nodes {
		said[i] = <-p.said[i]
		_ = n.Wait() // it was killed, that is its error
	}
	return said
}

// status asks all nodes, through the command.
func (p *processes) status() (nodes []server.NodeStatus) {
	p.t.Helper()
	out, errs, exit := run(p.t, "status", "-o", "json", "--admin", p.admin(0)+","+p.admin(1), "--admin", p.admin(2))
	if exit != 0 {
		p.t.Fatalf("status: exit code %d, %s", exit, errs)
	}
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var n server.NodeStatus
		if err := d.Decode(&n); err != nil {
			p.t.Fatalf("%v in %s", err, out)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// eventually waits until every replica is as it should be.
func (p *processes) eventually(what string, ok func(*server.ReplicaStatus) bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		good, nodes := 0, p.status()
		for _, n := range nodes {
			for i := range n.Replicas {
				if ok(&n.Replicas[i]) {
					good++
				}
			}
		}
		if good == 2*len(p.nodes) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %v: %s: %+v", patience, what, nodes)
		}
	}
}

func (p *processes) open() *client.Client {
	p.t.Helper()
	key, err := hex.DecodeString(clientHex)
	if err != nil {
		p.t.Fatal(err)
	}
	db, err := client.Open(within(p.t, patience), client.Config{Servers: []string{p.host + ":7000", p.host + ":7100"}, Key: key})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { db.Close() })
	return db
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// keyOf finds a key of a group.
func keyOf(g shard.ID) string {
	for i := 0; ; i++ {
		if key := fmt.Sprintf("key %d", i); (shard.Map{Version: 1, Shards: 2}).Of([]byte(key)) == g {
			return key
		}
	}
}

// All nodes of a cluster are killed and start again. Their groups say that they are lost, and tell clients in
// time; the operator's decision opens the one that it names, empty, and nobody is told what is not so.
func TestAllNodesAreKilled(t *testing.T) {
	p := startProcesses(t)
	old := p.open()
	for g := range shard.ID(2) {
		if err := old.Put(within(t, patience), keyOf(g), []byte("before")); err != nil {
			t.Fatal(err)
		}
	}
	p.refuses("a group that serves", 0, "0", "not known to have lost its memory")
	doubt := p.leaveInDoubt(old)
	p.kill()
	p.start()
	p.eventually("all are lost", func(r *server.ReplicaStatus) bool { return r.Lost && r.Status == "recovering" && r.Decide != "" })
	p.isClosed(old)
	p.tellsWhatToDo()
	p.refuses("no such group", 1, "2", "the groups 0 to 1")

	p.recovers(1)
	fresh := p.open()
	p.isEmpty(fresh)
	p.isEmpty(old)
	if outcome, err := old.Outcome(within(t, patience), doubt.Txn); !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("of what the old group may have done the client is told %v, %v", outcome, err)
	}
	if err := old.Put(within(t, hurry), keyOf(1), nil); !isClosed(err) {
		t.Errorf("group 1 was not recovered, and says %v", err)
	}
	p.refuses("a group that serves anew", 2, "0", "not known to have lost its memory")
	for i, said := range p.kill() {
		for g := range 2 {
			want := fmt.Sprintf("anode recover --group %d --accept-data-loss --admin %s", g, p.admin(i))
			if n := strings.Count(said, want); n != 1 || !strings.Contains(said, "THE GROUP HAS LOST ITS MEMORY") {
				t.Errorf("node %d names %q %d times:\n%s", i, want, n, said)
			}
		}
	}
}

// leaveInDoubt sends a transaction to nodes that do not answer any more.
func (p *processes) leaveInDoubt(db *client.Client) *client.Error {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	p.stopped()
	var doubt *client.Error
	if err := db.Put(within(p.t, hurry), keyOf(0), []byte("perhaps")); !errors.As(err, &doubt) || !errors.Is(err, client.ErrOutcomeUnknown) {
		p.t.Fatalf("a put that nobody answered: %v", err)
	}
	return doubt
}

// stopped waits until all nodes stand still: on a busy machine a signal takes its time.
func (p *processes) stopped() {
	p.t.Helper()
	for _, n := range p.nodes {
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.Process.Pid))
			if err != nil {
				p.t.Fatal(err)
			}
			if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
				break
			}
			if time.Now().After(deadline) {
				p.t.Fatalf("does not stop: %s", stat)
			}
		}
	}
}

// isClosed: a client is told within its deadline that the group does not serve. It is not told that there is no
// such key, and waits for nothing else.
func (p *processes) isClosed(old *client.Client) {
	p.t.Helper()
	for name, db := range map[string]*client.Client{"a client from before": old, "a new client": p.open()} {
		for g := range shard.ID(2) {
			began := time.Now()
			_, getErr := db.Get(within(p.t, hurry), keyOf(g))
			putErr := db.Put(within(p.t, hurry), keyOf(g), nil)
			if took := time.Since(began); took > 2*hurry+2*time.Second {
				p.t.Errorf("%s waits %v for group %d", name, took, g)
			}
			if !errors.Is(getErr, client.ErrUnavailable) || !isClosed(putErr) {
				p.t.Errorf("%s is told by group %d: %v, %v", name, g, getErr, putErr)
			}
			for _, err := range []error{getErr, putErr} {
				if why := fmt.Sprintf("group %d", g); !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "has lost its memory and is closed") {
					p.t.Errorf("%s is not told why group %d does not serve: %v", name, g, err)
				}
			}
		}
	}
}

// isClosed: nothing was done, or nobody can tell; nothing else would be true.
func isClosed(err error) bool {
	return errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrOutcomeUnknown)
}

// tellsWhatToDo looks at the table.
func (p *processes) tellsWhatToDo() {
	p.t.Helper()
	out, _, exit := run(p.t, "status", "--admin", p.admin(1))
	for _, want := range []string{"GROUP", "lost", "group 0 has lost its memory and is closed", "anode recover --group 1 --accept-data-loss --admin " + p.admin(1)} {
		if exit != 0 || !strings.Contains(out, want) {
			p.t.Errorf("exit code %d, no %q in\n%s", exit, want, out)
		}
	}
}

// refuses: the command gives nothing up, and says why in one line.
func (p *processes) refuses(what string, node int, group, why string) {
	p.t.Helper()
	out, errs, exit := run(p.t, "recover", "--admin", p.admin(node), "--group", group, "--accept-data-loss")
	if exit != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, why) {
		p.t.Errorf("%s: exit code %d, %q, %q", what, exit, out, errs)
	}
}

// recovers runs the command for group 0 at a node, and again, which is too late.
func (p *processes) recovers(node int) {
	p.t.Helper()
	out, errs, exit := run(p.t, "recover", "--admin", p.admin(node), "--group", "0", "--accept-data-loss", "--wait", "30s", "-o", "json")
	if exit != 0 || out != `{"group":0,"accepted":true,"formed":true,"epoch":1}`+"\n" || errs != "" {
		p.t.Fatalf("exit code %d, %q, %q", exit, out, errs)
	}
	p.eventually("group 0 is there again, group 1 is not", func(r *server.ReplicaStatus) bool {
		return r.Group == 0 && r.Status == "normal" && r.Epoch == 1 && !r.Lost && r.Decide == "" || r.Group == 1 && r.Lost && r.Epoch == 0
	})
}

// isEmpty: group 0 serves, and has nothing of what was before. A client whose session is gone with all else may
// have to be told once that it is.
func (p *processes) isEmpty(db *client.Client) {
	p.t.Helper()
	key := keyOf(0)
	if v, err := db.Get(within(p.t, patience), key); !errors.Is(err, client.ErrNotFound) {
		p.t.Errorf("a new group holds %q, %v", v, err)
	}
	if err := db.Put(within(p.t, patience), key, []byte("after")); err != nil && !errors.Is(err, client.ErrOutcomeUnknown) {
		p.t.Error(err)
	}
	if err := db.Put(within(p.t, patience), key, []byte("after")); err != nil {
		p.t.Error(err)
	}
	if v, err := db.Get(within(p.t, patience), key); err != nil || string(v) != "after" {
		p.t.Errorf("%q, %v", v, err)
	}
	if err := db.Delete(within(p.t, patience), key); err != nil {
		p.t.Error(err)
	}
}
