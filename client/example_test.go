package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"

	"github.com/anodekv/anode/client"
)

// Move money between two accounts, whichever shards they are on: both change, or neither.
func Example() {
	ctx := context.Background()
	servers, stop := exampleServers() // such as 127.0.0.1:7000
	defer stop()
	db, err := client.Open(ctx, client.Config{Servers: servers})
	if err != nil {
		log.Print(err)
		return
	}
	defer db.Close()
	if err := db.Put(ctx, "alice", binary.BigEndian.AppendUint64(nil, 500)); err != nil {
		log.Print(err)
		return
	}

	err = db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
		accounts, err := tx.GetAll(ctx, "alice", "bob")
		if err != nil {
			return err
		}
		alice, bob := cents(accounts[0]), cents(accounts[1])
		if alice < 100 {
			return errors.New("alice has too little")
		}
		if err := tx.Put(ctx, "alice", binary.BigEndian.AppendUint64(nil, alice-100)); err != nil {
			return err
		}
		return tx.Put(ctx, "bob", binary.BigEndian.AppendUint64(nil, bob+100))
	})
	if err != nil {
		log.Print(err)
		return
	}
	accounts, err := db.GetMulti(ctx, "alice", "bob")
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println("alice", cents(accounts[0]), "bob", cents(accounts[1]))
	// Output: alice 400 bob 100
}

// cents reads an account; one that does not exist is empty.
func cents(account []byte) uint64 {
	if len(account) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(account)
}
