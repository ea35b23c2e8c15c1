package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The two layouts for which the placement is made.
func TestClustersServeAllShards(t *testing.T) {
	for _, c := range []struct{ nodes, groups int }{{3, 4}, {5, 6}} {
		t.Run(fmt.Sprintf("%d nodes, %d groups of 3", c.nodes, c.groups), func(t *testing.T) {
			topology := layOut(c.nodes, c.groups, 3)
			cluster := startCluster(t, topology, bothKeys)
			firstLeadersAreSpread(t, cluster)
			db := cluster.open()
			singleKeys(t, topology, db)
			transfers(t, topology, db)
		})
	}
}

func firstLeadersAreSpread(t *testing.T, c *cluster) {
	leads := map[string]int{}
	for g := range c.topology.Groups {
		name := c.leader(shard.ID(g))
		if want := c.topology.Groups[g].Members[0]; name != want {
			t.Errorf("group %d is led by %s first, not by %s", g, name, want)
		}
		leads[name]++
	}
	for _, n := range c.topology.Nodes {
		if most := (len(c.topology.Groups) + len(c.topology.Nodes) - 1) / len(c.topology.Nodes); leads[n.Name] > most {
			t.Errorf("%s leads %d groups, more than %d: %v", n.Name, leads[n.Name], most, leads)
		}
	}
}

// singleKeys puts, reads and deletes one key on every shard.
func singleKeys(t *testing.T, top shard.Topology, db *client.Client) {
	ctx := within(t, patience)
	for g := range top.Groups {
		key, value := keyIn(top, shard.ID(g), "single"), fmt.Appendf(nil, "value %d", g)
		if _, err := db.Get(ctx, key); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("shard %d before the put: %v", g, err)
		}
		if err := db.Put(ctx, key, value); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Get(ctx, key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("shard %d: %q, %v", g, got, err)
		}
		if err := db.Delete(ctx, key); err != nil {
			t.Error(err)
		}
		if _, err := db.Get(ctx, key); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("shard %d after the delete: %v", g, err)
		}
	}
}

// transfers moves money along the shards: from each to the next, in transactions over two of them.
func transfers(t *testing.T, top shard.Topology, db *client.Client) {
	ctx, accounts := within(t, patience), make([]string, len(top.Groups))
	for g := range accounts {
		accounts[g] = keyIn(top, shard.ID(g), "account")
		if err := db.Put(ctx, accounts[g], binary.BigEndian.AppendUint64(nil, 100)); err != nil {
			t.Fatal(err)
		}
	}
	for g := range accounts {
		if err := transfer(ctx, db, accounts[g], accounts[(g+1)%len(accounts)], uint64(g+1)); err != nil {
			t.Fatal(err)
		}
	}
	// Shard g has given g+1 and got g; shard 0 has got what the last one gave.
	for g, key := range accounts {
		want := uint64(99)
		if g == 0 {
			want += uint64(len(accounts))
		}
		if got, err := db.Get(ctx, key); err != nil || binary.BigEndian.Uint64(got) != want {
			t.Errorf("shard %d holds %x, %v, want %d", g, got, err, want)
		}
	}
}

func transfer(ctx context.Context, db *client.Client, from, to string, amount uint64) error {
	return db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		both, err := tx.GetAll(ctx, from, to)
		if err != nil {
			return err
		}
		a, b := binary.BigEndian.Uint64(both[0]), binary.BigEndian.Uint64(both[1])
		if err := tx.Put(ctx, from, binary.BigEndian.AppendUint64(nil, a-amount)); err != nil {
			return err
		}
		return tx.Put(ctx, to, binary.BigEndian.AppendUint64(nil, b+amount))
	})
}

// A node that starts again on its promise files has lost its data. It recovers all of it: afterwards it may
// be one of the only two that are left.
func TestNodeRecoversFromItsPromises(t *testing.T) {
	top := layOut(3, 4, 3)
	c := startCluster(t, top, bothKeys)
	db := c.open()
	ctx := within(t, patience)
	keys := make([]string, len(top.Groups))
	for g := range keys {
		keys[g] = keyIn(top, shard.ID(g), "before")
		if err := db.Put(ctx, keys[g], []byte(keys[g])); err != nil {
			t.Fatal(err)
		}
	}
	c.stop("n1")
	c.start("n1")
	c.recovered("n1")
	for g := range keys {
		s := c.status("n1", shard.ID(g))
		if s.Incarnation != 2 {
			t.Errorf("group %d: incarnation %d in its second life", g, s.Incarnation)
		}
		if s.Counters.FramesIn == 0 {
			t.Errorf("group %d: has heard nothing and takes part", g)
		}
	}
	c.stop("n0")
	for g, key := range keys {
		if got, err := db.Get(ctx, key); err != nil || string(got) != key {
			t.Errorf("shard %d after the loss of n0: %q, %v", g, got, err)
		}
	}
	if err := writeAll(ctx, db, keys); err != nil {
		t.Error(err)
	}
}

// writeAll writes all keys in one transaction.
func writeAll(ctx context.Context, db *client.Client, keys []string) error {
	return db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		for _, key := range keys {
			if err := tx.Put(ctx, key, []byte("after")); err != nil {
				return err
			}
		}
		return nil
	})
}

// A node gives back all its ports before Stop returns: it can be started again at once, many times.
func TestStopGivesEverythingBack(t *testing.T) {
	c := newCluster(t, layOut(1, 2, 1), bothKeys)
	for range 50 {
		c.start("n0")
		c.stop("n0")
	}
	goleak.VerifyNone(t)
}
