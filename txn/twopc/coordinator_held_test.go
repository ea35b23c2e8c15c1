package twopc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// TestNoShardIsAskedToRememberTooMuch: one transaction is stuck at group 0, and others are committed at both groups, until
// either holds as many as it may. What goes beyond is told as overload before anything is sent, and what is stuck
// is named; the other group's room is its own.
func TestNoShardIsAskedToRememberTooMuch(t *testing.T) {
	const held = 5
	cfg := testConfig(2)
	cfg.Map, cfg.MaxHeld = shard.Map{Version: 1, Shards: 2}, held
	c := NewCoordinator(cfg)
	keys, token := [2]string{keyOf(cfg.Map, 0), keyOf(cfg.Map, 1)}, uint64(0)
	seqs := map[uint64]uint64{}
	commit := func(g int) {
		token++
		c.Commit(0, token, putWork(keys[g]))
	}
	serve := func(skip uint64) (done []Completion) {
		for {
			r := c.Ready()
			done = append(done, r.Done...)
			for _, m := range r.Send {
				switch m.Kind {
				case wire.KindOpenSession:
					var o txn.OpenSession
					if err := txn.OpenSessionBody.Decode(m.Body, &o); err != nil {
						t.Fatal(err)
					}
					c.Step(0, m.To, wire.KindSessionReply, enc(&txn.SessionReply{Client: o.Client, First: o.First, Session: 1}))
				case wire.KindSubmit:
					var s txn.Submit
					if err := txn.SubmitBody.Decode(m.Body, &s); err != nil {
						t.Fatal(err)
					}
					if seqs[token] = s.ID.Seq; s.ID.Seq != skip {
						c.Step(0, m.To, wire.KindTxnReply, enc(&txn.TxnReply{ID: s.ID, Status: txn.StatusCommitted}))
					}
				}
			}
			if len(r.Send) == 0 {
				return done
			}
		}
	}
	commit(1) // opens the session there
	serve(0)
	stuck := seqs[token] + 2 // the next takes a number for its session
	commit(0)
	if done := serve(stuck); len(done) != 0 || seqs[token] != stuck {
		t.Fatalf("%+v, number %d", done, seqs[token])
	}
	for g, room := range []int{held - 1, held} {
		for range room {
			commit(g)
			if done := serve(stuck); len(done) != 1 || done[0].Result != ResultCommitted {
				t.Fatalf("group %d: %+v", g, done)
			}
		}
	}
	for g := range keys {
		commit(g)
		r := c.Ready()
		if len(r.Send) != 0 || len(r.Done) != 1 || r.Done[0].Result != ResultOverloaded || r.Done[0].Cause.Group != 0 || r.Done[0].ID != (txn.ID{}) {
			t.Errorf("group %d: %+v", g, r)
		}
	}
	c.Step(0, Target{}, wire.KindTxnReply, enc(&txn.TxnReply{ID: txn.ID{Client: cfg.Client, Seq: stuck}, Status: txn.StatusCommitted}))
	serve(0)
	for g := range keys {
		commit(g)
		if done := serve(0); len(done) != 1 || done[0].Result != ResultCommitted {
			t.Errorf("group %d, when nothing is stuck any more: %+v", g, done)
		}
	}
}

func keyOf(m shard.Map, g shard.ID) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("k", i); m.Of([]byte(key)) == g {
			return key
		}
	}
}

// What a client may leave above its mark, a shard takes: both limits are there to be kept together.
func TestShardsHoldWhatClientsMayLeave(t *testing.T) {
	var cfg CoordinatorConfig
	cfg.setDefaults()
	if cfg.MaxHeld > maxRecords || reservedOpen > reservedRecords {
		t.Errorf("clients leave up to %d and %d transactions, shards hold %d and %d", cfg.MaxHeld, reservedOpen, maxRecords, reservedRecords)
	}
}
