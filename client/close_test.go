package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
)

// sessions counts the clients that the shards keep.
func (f *fake) sessions() (n int) {
	for i := range f.groups {
		f.on(i, func(g *fakeGroup) { n += g.p.Stats().Sessions })
	}
	return n
}

// A client that is closed leaves nothing behind at the shards, which have room for so many clients only.
func TestCloseEndsTheSessions(t *testing.T) {
	f := newFake(t, 3)
	ctx := within(t, 20*time.Second)
	for i := range 5 {
		db, err := client.Open(ctx, f.config())
		must(t, err)
		for k := range 6 {
			must(t, db.Put(ctx, fmt.Sprintf("k%d%d", i, k), []byte("v")))
		}
		if f.sessions() == 0 {
			t.Fatal("no session was opened")
		}
		must(t, db.Close())
		if n := f.sessions(); n != 0 {
			t.Errorf("client %d left %d sessions", i, n)
		}
	}
	if v, err := f.open().Get(ctx, "k00"); err != nil || string(v) != "v" {
		t.Errorf("%q, %v: what a client wrote went with its session", v, err)
	}
}

// Shards that do not take note do not keep a client from being closed.
func TestCloseWaitsForNobodyToTakeNote(t *testing.T) {
	f := newFake(t, 2)
	ctx := within(t, 20*time.Second)
	db, err := client.Open(ctx, f.config())
	must(t, err)
	must(t, db.Put(ctx, "k", nil))
	for i := range f.groups {
		f.on(i, func(g *fakeGroup) { g.filter = func(k wire.Kind) bool { return k != wire.KindEndSession } })
	}
	began := time.Now()
	must(t, db.Close())
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if f.sessions() == 0 {
		t.Error("the session has ended all the same: this test has lost its point")
	}
}
