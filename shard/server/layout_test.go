package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// otherLayouts are what may be wrong with the file of one node of three.
var otherLayouts = map[string]func(*shard.Topology){
	"more shards": func(t *shard.Topology) {
		t.Map.Shards = 6
		t.Groups = shard.Place(t.Nodes, 6, 3)
	},
	"members in another order": func(t *shard.Topology) {
		t.Groups = append([]shard.Group(nil), t.Groups...)
		t.Groups[1] = shard.Group{Members: []string{"n2", "n1", "n0"}}
	},
	"fewer replicas": func(t *shard.Topology) {
		t.Groups = append([]shard.Group(nil), t.Groups...)
		t.Groups[3] = shard.Group{Members: []string{"n2"}}
	},
}

// startAs starts a node with the layout of its own file, and a log.
func (c *cluster) startAs(name string, t shard.Topology, log *logbook) error {
	cfg := c.config(name)
	cfg.Topology, cfg.Admin.Addr, cfg.Log = t, "127.0.0.1:0", slog.New(slog.NewTextHandler(log, nil))
	n, err := server.Start(context.Background(), cfg)
	if err == nil {
		c.nodes[name] = n
	}
	return err
}

// Nodes whose files disagree about the cluster would serve one key at two places. No group forms that has both kinds; each
// side says with whom it disagrees, and counts it. When the file is mended the cluster forms.
func TestLayoutsThatDisagreeFormNoGroup(t *testing.T) {
	for name, change := range otherLayouts {
		t.Run(name, func(t *testing.T) {
			top := layOut(3, 4, 3)
			c, right, wrong := newCluster(t, top, bothKeys), &logbook{}, &logbook{}
			other := top
			change(&other)
			for node, file := range map[string]shard.Topology{"n0": top, "n1": top, "n2": other} {
				log := right
				if node == "n2" {
					log = wrong
				}
				if err := c.startAs(node, file, log); err != nil {
					t.Fatal(err)
				}
			}
			disagreed := paxos.IgnoredOtherLayout
			c.eventually("both sides say with whom they disagree, and count it", func() bool {
				return right.count("other=n2") >= 2 && wrong.count("other=n0") > 0 && wrong.count("other=n1") > 0 &&
					c.status("n0", 0).Ignored[disagreed] > 0 && c.status("n2", 0).Ignored[disagreed] > 0
			})
			var told server.NodeStatus
			o := &operator{tb: t, base: "http://" + c.nodes["n0"].AdminAddr(), http: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
			o.read("/status", &told)
			if r := told.Replicas[0]; len(r.Disagrees) != 1 || r.Disagrees[0] != "n2" {
				t.Errorf("the status of n0 names %v", r.Disagrees)
			}
			for g := range top.Groups {
				for node := range c.nodes {
					if other.Replicas(shard.ID(g)) == 3 && c.status(node, shard.ID(g)).Status != paxos.Forming {
						t.Errorf("group %d has formed on %s", g, node)
					}
				}
			}
			c.stop("n2")
			if err := os.RemoveAll(filepath.Join(c.dir, "n2")); err != nil { // it may be another replica than it thought
				t.Fatal(err)
			}
			c.start("n2")
			singleKeys(t, top, c.open())
		})
	}
}

// A cluster that serves goes on without a node that comes back with another file. On the disk with which it has served the
// node does not start; on a new one it takes no part, and says why.
func TestALayoutIsKept(t *testing.T) {
	top := layOut(3, 4, 3)
	c, log := newCluster(t, top, bothKeys), &logbook{}
	for _, n := range top.Nodes {
		if err := c.startAs(n.Name, top, log); err != nil {
			t.Fatal(err)
		}
	}
	db := c.open()
	singleKeys(t, top, db)
	other := top
	otherLayouts["more shards"](&other)
	c.stop("n2")
	err := c.startAs("n2", other, log)
	if !errors.Is(err, paxos.ErrOtherLayout) || !strings.Contains(err.Error(), "restore the configuration") {
		t.Fatalf("it starts with another layout: %v", err)
	}
	cfg, said := c.config("n2"), &logbook{}
	cfg.Topology, cfg.DataDir, cfg.Log = other, t.TempDir(), slog.New(slog.NewTextHandler(said, nil))
	n, err := server.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.nodes["n2"] = n
	c.eventually("it says with whom it disagrees, and they say so too", func() bool {
		return said.count("other=n0") > 0 && said.count("other=n1") > 0 && log.count("other=n2") >= 2
	})
	if s := c.status("n2", 0); s.Status == paxos.Normal {
		t.Error("it takes part")
	}
	singleKeys(t, top, db)
	c.stop("n2")
	c.start("n2") // with the right file, on the disk that it had
	c.recovered("n2")
}

// A group of one has nobody who could disagree, and its disk remembers.
func TestAGroupOfOneKeepsItsLayout(t *testing.T) {
	top := layOut(1, 1, 1)
	c := startCluster(t, top, bothKeys)
	c.leader(0)
	c.stop("n0")
	other := top
	other.Map.Shards, other.Groups = 2, shard.Place(top.Nodes, 2, 1)
	if err := c.startAs("n0", other, &logbook{}); !errors.Is(err, paxos.ErrOtherLayout) {
		t.Errorf("it starts with another layout: %v", err)
	}
}
