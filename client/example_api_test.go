package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
)

// exampleCluster stands for a cluster that runs somewhere: the examples start one in their own process. In a test of
// your own let anodetest.Start do that.
func exampleCluster() (db *client.Client, stop func()) {
	ctx := context.Background()
	cluster, err := local.Start(ctx, local.Config{Nodes: 3, Shards: 2})
	if err != nil {
		log.Fatal(err)
	}
	db, err = client.Open(ctx, client.Config{Servers: cluster.Servers(), Key: cluster.ClientKey()})
	if err != nil {
		log.Fatal(err)
	}
	return db, func() { _ = db.Close(); cluster.Stop() }
}

// exampleServers are those of such a cluster without keys.
func exampleServers() (servers []string, stop func()) {
	cluster, err := local.Start(context.Background(), local.Config{Nodes: 3, Shards: 2, Open: true})
	if err != nil {
		log.Fatal(err)
	}
	return cluster.Servers(), cluster.Stop
}

func ExampleClient_Get() {
	db, stop := exampleCluster() // client.Open
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	if err := db.Put(ctx, "greeting", []byte("hello")); err != nil {
		log.Print(err)
		return
	}
	v, err := db.Get(ctx, "greeting")
	fmt.Printf("%s %v\n", v, err)
	_, err = db.Get(ctx, "farewell")
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// hello <nil>
	// true
}

func ExampleUpdateValue() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	next := func(ctx context.Context, tx *client.Txn) (int, error) {
		v, err := tx.Get(ctx, "tickets")
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return 0, err
		}
		n, _ := strconv.Atoi(string(v))
		return n + 1, tx.Put(ctx, "tickets", []byte(strconv.Itoa(n+1)))
	}
	for range 3 {
		ticket, err := client.UpdateValue(ctx, db, next, client.Attempts(100), client.Priority(client.High))
		fmt.Println(ticket, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

func ExampleClient_GetMulti() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	if err := db.Put(ctx, "a", []byte("1")); err != nil {
		log.Print(err)
		return
	}
	values, err := db.GetMulti(ctx, "a", "b")
	fmt.Printf("%s, %v, %v\n", values[0], values[1] == nil, err)
	// Output: 1, true, <nil>
}

func ExampleClient_CompareAndSwap() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	fmt.Println(db.CompareAndSwap(ctx, "lock", nil, []byte("me")))      // there is no lock: take it
	fmt.Println(db.CompareAndSwap(ctx, "lock", nil, []byte("another"))) // there is one
	fmt.Println(db.CompareAndSwap(ctx, "lock", []byte("me"), nil))      // it is mine: release it
	// Output:
	// true <nil>
	// false <nil>
	// true <nil>
}

func ExampleTxn_Scan() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	for _, user := range []string{"user/ann", "user/bob", "user/cyd", "admin/eve"} {
		if err := db.Put(ctx, user, []byte(user[len(user)-3:])); err != nil {
			log.Print(err)
			return
		}
	}
	err := db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		for pair, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "user/", Reverse: true, Limit: 2}) {
			if err != nil {
				return err
			}
			fmt.Printf("%s = %s\n", pair.Key, pair.Value)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// user/cyd = cyd
	// user/bob = bob
	// <nil>
}

func ExampleStaleness() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	if err := db.Put(ctx, "stock", []byte("12")); err != nil {
		log.Print(err)
		return
	}
	time.Sleep(200 * time.Millisecond)
	if err := db.Put(ctx, "stock", []byte("11")); err != nil {
		log.Print(err)
		return
	}
	err := db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		v, err := tx.Get(ctx, "stock")
		fmt.Printf("a moment ago: %s\n", v)
		return err
	}, client.Staleness(100*time.Millisecond))
	fmt.Println(err)
	// Output:
	// a moment ago: 12
	// <nil>
}
