package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/anodekv/anode/client"
)

func ExampleOpen() {
	servers, stop := exampleServers() // such as 10.0.0.1:7000 and 10.0.0.2:7000
	defer stop()

	// The search for the cluster ends with the context. A cluster with keys wants its client key in Config.Key.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	db, err := client.Open(ctx, client.Config{Servers: servers})
	if err != nil {
		log.Print(err)
		return
	}
	defer db.Close()
	fmt.Println(db.Shards(), "shards")
	// Output: 2 shards
}

func ExampleClient_Put() {
	db, stop := exampleCluster()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	fmt.Println(db.Put(ctx, "greeting", []byte("hello")))
	fmt.Println(db.Delete(ctx, "greeting"))
	_, err := db.Get(ctx, "greeting")
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// <nil>
	// <nil>
	// true
}

func ExampleClient_Update() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	// An error of the function gives the transaction up, and comes back as it is.
	errTaken := errors.New("the name is taken")
	register := func(name, mail string) error {
		return db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
			if _, err := tx.Get(ctx, "user/"+name); err == nil {
				return errTaken
			} else if !errors.Is(err, client.ErrNotFound) {
				return err
			}
			if err := tx.Put(ctx, "user/"+name, []byte(mail)); err != nil {
				return err
			}
			return tx.Put(ctx, "mail/"+mail, []byte(name))
		})
	}
	fmt.Println(register("ann", "ann@example.org"))
	fmt.Println(register("ann", "another@example.org"))
	// Output:
	// <nil>
	// the name is taken
}

func ExampleClient_View() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	if err := db.Put(ctx, "left", []byte("1")); err != nil {
		log.Print(err)
		return
	}
	// Both are of one moment, whichever shards they are on.
	err := db.View(ctx, func(ctx context.Context, tx *client.Txn) error {
		values, err := tx.GetAll(ctx, "left", "right")
		if err != nil {
			return err
		}
		fmt.Printf("%s, %v\n", values[0], values[1] == nil)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1, true
	// <nil>
}

func ExampleViewValue() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	for _, key := range []string{"job/1", "job/2", "done/1"} {
		if err := db.Put(ctx, key, nil); err != nil {
			log.Print(err)
			return
		}
	}
	jobs, err := client.ViewValue(ctx, db, func(ctx context.Context, tx *client.Txn) (n int, _ error) {
		for _, err := range tx.Scan(ctx, client.ScanOptions{Prefix: "job/"}) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	})
	fmt.Println(jobs, err)
	// Output: 2 <nil>
}

// Who does not want a function to be run again begins a transaction and sees each conflict.
func ExampleClient_Begin() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	tx := db.Begin()
	defer tx.Rollback() // does nothing after a commit
	if _, err := tx.Get(ctx, "seat"); !errors.Is(err, client.ErrNotFound) {
		log.Print(err)
		return
	}
	if err := db.Put(ctx, "seat", []byte("another")); err != nil { // meanwhile somebody takes it
		log.Print(err)
		return
	}
	if err := tx.Put(ctx, "seat", []byte("me")); err != nil {
		log.Print(err)
		return
	}
	fmt.Println(errors.Is(tx.Commit(ctx), client.ErrConflict))
	// Output: true
}

func ExampleClient_SnapshotAt() {
	db, stop := exampleCluster()
	defer stop()
	ctx := context.Background()

	if err := db.Put(ctx, "page", []byte("old")); err != nil {
		log.Print(err)
		return
	}
	time.Sleep(50 * time.Millisecond)
	before := time.Now()
	time.Sleep(50 * time.Millisecond)
	if err := db.Put(ctx, "page", []byte("new")); err != nil {
		log.Print(err)
		return
	}
	v, err := db.SnapshotAt(before).Get(ctx, "page")
	fmt.Printf("%s %v\n", v, err)
	// Output: old <nil>
}

// A write whose answer is lost may have happened. It is never repeated by itself; the cluster can be asked about it.
func ExampleClient_Outcome() {
	db, stop := exampleCluster()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	hasty, enough := context.WithTimeout(ctx, 10*time.Microsecond) // less than an answer takes
	defer enough()
	err := db.Put(hasty, "order/1", []byte("book"))
	var unknown *client.Error
	if errors.Is(err, client.ErrOutcomeUnknown) && errors.As(err, &unknown) {
		outcome, asked := db.Outcome(ctx, unknown.Txn)
		if asked != nil {
			log.Print(asked)
			return
		}
		if outcome == client.Committed {
			err = nil
		}
	}
	if err != nil { // it did not happen, and may be done again
		err = db.Put(ctx, "order/1", []byte("book"))
	}
	fmt.Println(err)
	// Output: <nil>
}
