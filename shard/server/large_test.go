package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// large returns a value that no other seed has.
func large(seed uint64, bytes int) []byte {
	rng, v := rand.New(rand.NewPCG(seed, 1)), make([]byte, bytes)
	for i := range v {
		v[i] = byte(rng.Uint32())
	}
	return v
}

// Values of 1 MiB are written and read while a node is killed and comes back, and all are there afterwards.
func TestLargeValuesOutliveANode(t *testing.T) {
	topology := layOut(3, 1, 3)
	c := startCluster(t, topology, bothKeys)
	db, ctx := c.open(), within(t, 2*patience)
	const rounds = largeRounds
	killed := ""
	for i := range uint64(rounds) {
		switch i {
		case rounds / 3:
			killed = c.leader(0)
			c.stop(killed)
		case 2 * rounds / 3:
			c.start(killed) // without its memory: it copies the state
		}
		key, value := fmt.Sprint("large", i), large(i, txn.MaxValueBytes)
		if err := db.Put(ctx, key, value); err != nil {
			t.Fatalf("put %d: %v", i, err)
		}
		if got, err := db.Get(ctx, key); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("get %d: %d bytes, %v", i, len(got), err)
		}
	}
	c.recovered(killed)
	c.stop(c.leader(0)) // the one that has copied is needed now
	other := c.open()
	for i := range uint64(rounds) {
		if got, err := other.Get(ctx, fmt.Sprint("large", i)); err != nil || !bytes.Equal(got, large(i, txn.MaxValueBytes)) {
			t.Errorf("value %d: %d bytes, %v", i, len(got), err)
		}
	}
	n := 0
	for pair, err := range other.Begin().Scan(ctx, client.ScanOptions{Prefix: "large"}) {
		if err != nil || len(pair.Value) != txn.MaxValueBytes {
			t.Fatalf("scan: %d bytes, %v", len(pair.Value), err)
		}
		n++
	}
	if n != rounds {
		t.Errorf("a scan finds %d of %d", n, rounds)
	}
}

// Eight values of 1 MiB are one transaction over all shards, and are read at once; a byte more is refused before
// anything is sent.
func TestTheLargestTransaction(t *testing.T) {
	topology := layOut(3, 3, 3)
	c := startCluster(t, topology, bothKeys)
	db, ctx := c.open(), within(t, patience)
	for _, one := range []bool{false, true} { // over all shards, and in one
		var keys []string
		tx := db.Begin()
		for i := range uint64(txn.MaxTransactionBytes / txn.MaxValueBytes) {
			g := shard.ID(i % 3)
			if one {
				g = 0
			}
			keys = append(keys, keyIn(topology, g, fmt.Sprint("t", one, i)))
			if err := tx.Put(ctx, keys[i], large(i, txn.MaxValueBytes)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		values, err := db.Begin().GetAll(ctx, keys...)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if !bytes.Equal(v, large(uint64(i), txn.MaxValueBytes)) {
				t.Errorf("value %d: %d bytes", i, len(v))
			}
		}
	}
	tooLarge(ctx, t, db)
}

func tooLarge(ctx context.Context, t *testing.T, db *client.Client) {
	t.Helper()
	tx, value := db.Begin(), large(1, txn.MaxValueBytes)
	for i := range txn.MaxTransactionBytes / txn.MaxValueBytes {
		if err := tx.Put(ctx, fmt.Sprint("above", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Put(ctx, "above", []byte("1")); err != nil {
		t.Fatal(err)
	}
	err := tx.Commit(ctx)
	var limit *txn.LimitError
	if !errors.Is(err, client.ErrTooLarge) || !errors.As(err, &limit) || limit.Limit != txn.MaxTransactionBytes {
		t.Errorf("%v", err)
	}
	for i := range txn.MaxTransactionBytes / txn.MaxValueBytes {
		if _, err := db.Get(ctx, fmt.Sprint("above", i)); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("something of it was applied: %v", err)
		}
	}
}

// Strangers at the ports of the streams keep nobody from their work: noise, silence, and announcements of what
// never comes.
func TestStrangersAtTheStreams(t *testing.T) {
	topology := layOut(3, 1, 3)
	c := startCluster(t, topology, bothKeys)
	db, ctx := c.open(), within(t, patience)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, n := range topology.Nodes {
		wg.Go(func() {
			molest(net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port)+1)), stop)
		})
	}
	for i := range uint64(10) {
		key, value := fmt.Sprint("k", i), large(i, txn.MaxValueBytes)
		if err := db.Put(ctx, key, value); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Get(ctx, key); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	close(stop)
	wg.Wait()
}

// molest opens connections and says something or nothing on them.
func molest(addr string, stop <-chan struct{}) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		if open = append(open, c); len(open) > 100 {
			open[0].Close()
			open = open[1:]
		}
		if i%2 == 0 {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
		}
	}
}
