package server_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
)

// refused starts a node that must not start, and looks at what is said about it.
func refused(t *testing.T, name string, cfg server.Config, want error, words ...string) {
	t.Helper()
	n, err := server.Start(context.Background(), cfg)
	if err == nil {
		n.Stop()
		t.Errorf("%s: the node starts", name)
		return
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("%s: %v is not %v", name, err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q does not tell %q", name, err, word)
		}
	}
}

// What may be wrong with a data directory. The node does not start, not even in part.
func TestNodeDoesNotStartOnABadPromise(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir, file string) error
		want  error
		words []string
	}{
		"cut short": {func(_, file string) error { return os.Truncate(file, 11) }, replica.ErrBadPromise, []string{"promise-0", "restore it"}},
		"empty":     {func(_, file string) error { return os.Truncate(file, 0) }, replica.ErrBadPromise, []string{"promise-0"}},
		"another file": {func(_, file string) error {
			return os.WriteFile(file, []byte("a shopping list, longer than a head"), 0o600)
		},
			replica.ErrBadPromise, []string{"promise-0"}},
		"of another group":   {func(dir, file string) error { return os.Rename(filepath.Join(dir, "promise-1"), file) }, replica.ErrForeignPromise, []string{"promise-0", "of group 1", "of group 0"}},
		"of another replica": {savePromise(func(p *paxos.Promise) { p.Replica = 2 }), replica.ErrForeignPromise, []string{"promise-0", "replica 2", "data directory of its own"}},
		"of another cluster": {savePromise(func(p *paxos.Promise) { p.Cluster = 4711 }), replica.ErrForeignPromise, []string{"promise-0", "cluster 4711"}},
		"unreadable": {func(_, file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
			syscall.EISDIR, []string{"read promise", "promise-0"}},
		"unwritable": {func(_, file string) error { return os.Mkdir(file+".new", 0o700) }, syscall.EISDIR, []string{"write promise", "promise-0"}},
	} {
		top := layOut(1, 2, 1)
		cluster := newCluster(t, top, bothKeys)
		cluster.start("n0")
		cluster.stop("n0")
		cfg := cluster.config("n0")
		if err := c.spoil(cfg.DataDir, filepath.Join(cfg.DataDir, "promise-0")); err != nil {
			t.Fatal(err)
		}
		refused(t, name, cfg, c.want, append(c.words, "node n0, group 0")...)
		cfg.Disks = func(shard.Seat) replica.Disk { return &replica.MemoryDisk{} }
		n, err := server.Start(context.Background(), cfg)
		if err != nil {
			t.Fatalf("%s: something is left of the node that did not start: %v", name, err)
		}
		n.Stop()
	}
}

// savePromise replaces a promise by a sound one that is another replica's.
func savePromise(change func(*paxos.Promise)) func(dir, file string) error {
	return func(_, file string) error {
		disk := replica.PromiseFile{Path: file}
		p, _, err := disk.Load()
		if err != nil {
			return err
		}
		change(&p)
		return disk.Save(p)
	}
}

func TestNodeDoesNotStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*server.Config)
		want  error
		words []string
	}{
		"no such directory":                  {func(c *server.Config) { c.DataDir = filepath.Join(file, "below") }, syscall.ENOTDIR, []string{"data directory", file}},
		"no directory":                       {func(c *server.Config) { c.DataDir = "" }, nil, []string{"no data directory"}},
		"unknown name":                       {func(c *server.Config) { c.Name = "n7" }, nil, []string{`"n7"`, "not in the topology"}},
		"no cluster":                         {func(c *server.Config) { c.Topology.Cluster = 0 }, nil, []string{"cluster id is 0"}},
		"half of the keys":                   {func(c *server.Config) { c.Keys.Replica = wire.Key{} }, nil, []string{"only one of the two keys"}},
		"a client's key among the replicas'": {func(c *server.Config) { c.Keys.Also.Replica = c.Keys.Client }, nil, []string{"a client could speak as a replica"}},
		"the same keys":                      {func(c *server.Config) { c.Keys.Replica = c.Keys.Client }, nil, []string{"a client could speak as a replica"}},
		"an unknown host":                    {func(c *server.Config) { c.Topology.Nodes[0].Host = "no.such.host.invalid" }, nil, []string{"no.such.host.invalid"}},
		"a host elsewhere":                   {func(c *server.Config) { c.Topology.Nodes[0].Host = "192.0.2.1" }, syscall.EADDRNOTAVAIL, []string{"192.0.2.1:12000"}},
		"a slow election":                    {func(c *server.Config) { c.Timing.Election = 1 }, nil, []string{"election timeout"}},
		"a full disk": {func(c *server.Config) {
			disk := &fullDisk{}
			disk.full.Store(true)
			c.Disks = func(shard.Seat) replica.Disk { return disk }
		}, syscall.ENOSPC, []string{"node n0, group 0"}},
		"a long topology": {func(c *server.Config) {
			c.Topology.Nodes[0].Name = strings.Repeat("n", 1<<16)
			c.Name = c.Topology.Nodes[0].Name
			c.Topology.Groups = shard.Place(c.Topology.Nodes, 2, 1)
		}, nil, []string{"shorter names"}},
	} {
		cfg := newCluster(t, layOut(1, 2, 1), bothKeys).config("n0")
		c.spoil(&cfg)
		refused(t, name, cfg, c.want, c.words...)
	}
}

// Two processes with one address: the second one says which.
func TestPortsAreNotShared(t *testing.T) {
	c := startCluster(t, layOut(1, 2, 1), bothKeys)
	for name, move := range map[string]uint16{"the door": 0, "a replica": 1} {
		cfg := newCluster(t, c.topology, bothKeys).config("n0")
		cfg.Topology.Nodes = []shard.Node{c.topology.Nodes[0]}
		cfg.Topology.Nodes[0].Port -= move // then the door of the second is free, and group 0 meets a door
		taken := fmt.Sprintf("%s:%d", c.topology.Nodes[0].Host, c.topology.Nodes[0].Port)
		refused(t, name, cfg, syscall.EADDRINUSE, taken)
	}
}

// fullDisk fails as soon as it is full.
type fullDisk struct {
	replica.MemoryDisk
	full atomic.Bool
}

func (d *fullDisk) Save(p paxos.Promise) error {
	if d.full.Load() {
		return &os.PathError{Op: "write", Path: "promise", Err: syscall.ENOSPC}
	}
	return d.MemoryDisk.Save(p)
}

// A replica that cannot write its promise must not make it. Its node stops, all of it, and says why; the
// others go on.
func TestAFullDiskTakesItsNodeDown(t *testing.T) {
	top := layOut(5, 1, 5)
	c := newCluster(t, top, bothKeys)
	for _, n := range top.Nodes[:4] {
		c.start(n.Name)
	}
	cfg := c.config("n4")
	disk := &fullDisk{}
	cfg.Disks = func(shard.Seat) replica.Disk { return disk }
	victim, err := server.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Stop()
	first := c.leader(0)
	db := c.open()
	if err := db.Put(within(t, patience), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	c.stop(first) // the others promise another view
	err = victim.Wait()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "cannot keep its promise of view") {
		t.Errorf("the node has stopped because of %v", err)
	}
	for _, s := range victim.Status(within(t, patience)) {
		if !errors.Is(s.Err, syscall.ENOSPC) || s.Normal() {
			t.Errorf("its status tells %v, normal %v", s.Err, s.Normal())
		}
	}
	if got, err := db.Get(within(t, patience), "k"); err != nil || string(got) != "v" {
		t.Errorf("without the two: %q, %v", got, err)
	}
}
