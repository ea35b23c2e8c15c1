package twopc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// single is a coordinator of one shard whose session is open.
func single(t *testing.T, change func(*CoordinatorConfig)) *Coordinator {
	t.Helper()
	cfg := testConfig(1)
	cfg.Map = shard.Map{Version: 1, Shards: 1}
	change(&cfg)
	c := NewCoordinator(cfg)
	c.Commit(0, 1<<60, putWork("open"))
	c.Step(0, Target{}, wire.KindSessionReply, enc(&txn.SessionReply{Client: 0xc, First: 1, Session: 1}))
	c.Step(0, Target{}, wire.KindTxnReply, enc(&txn.TxnReply{ID: txn.ID{Client: 0xc, Seq: 2}, Status: txn.StatusCommitted}))
	wantDone(t, c, 1<<60, ResultCommitted)
	return c
}

func putWork(keys ...string) txn.Work { return writes(keys...) }

func wantDone(t *testing.T, c *Coordinator, token uint64, want Result) Completion {
	t.Helper()
	for _, done := range c.Ready().Done {
		if done.Token == token {
			if done.Result != want {
				t.Errorf("token %d: %v (%v), want %v", token, done.Result, done.Cause, want)
			}
			return done
		}
	}
	t.Errorf("token %d is not answered, want %v", token, want)
	return Completion{}
}

func committed(c *Coordinator, seq uint64) {
	c.Step(0, Target{}, wire.KindTxnReply, enc(&txn.TxnReply{ID: txn.ID{Client: 0xc, Seq: seq}, Status: txn.StatusCommitted}))
}

func TestCallersBeyondTheLimitAreTurnedAway(t *testing.T) {
	c := single(t, func(cfg *CoordinatorConfig) { cfg.MaxOpen = 3 })
	for token := range uint64(3) {
		c.Read(0, token, [][]byte{[]byte("k")}, false)
	}
	c.Read(0, 3, [][]byte{[]byte("k")}, false)
	wantDone(t, c, 3, ResultOverloaded)
	c.Cancel(0, 1)
	wantDone(t, c, 1, ResultCancelled)
	c.Read(0, 4, [][]byte{[]byte("k")}, false)
	if r := c.Ready(); len(r.Done) != 0 || len(r.Send) != 1 {
		t.Errorf("there is room again: %+v", r)
	}
}

func TestUnfinishedTransactionsCountThoughTheirCallersAreGone(t *testing.T) {
	c := single(t, func(cfg *CoordinatorConfig) { cfg.MaxOpen = 2 })
	for token := range uint64(2) {
		c.Commit(0, token, putWork("k"))
		c.Cancel(0, token)
	}
	c.Commit(0, 2, putWork("k"))
	if done := wantDone(t, c, 2, ResultOverloaded); done.Cause.String() != "group 0: no answer" {
		t.Errorf("the obstacle is the shard that does not answer: %v", done.Cause)
	}
	committed(c, 3)
	c.Commit(0, 3, putWork("k"))
	if n := c.Unfinished(); n != 2 {
		t.Errorf("%d unfinished, want the old one and the new one", n)
	}
}

func TestNumbersDoNotRunAwayFromTheMark(t *testing.T) {
	c := single(t, func(cfg *CoordinatorConfig) { cfg.MaxSpan = 10 })
	c.Commit(0, 0, putWork("stuck"))
	c.Ready()
	for token := uint64(1); token < 10; token++ {
		c.Commit(0, token, putWork("k"))
		committed(c, 3+token)
		wantDone(t, c, token, ResultCommitted)
	}
	c.Commit(0, 10, putWork("k"))
	wantDone(t, c, 10, ResultOverloaded)
	committed(c, 3)
	wantDone(t, c, 0, ResultCommitted)
	c.Commit(0, 11, putWork("k"))
	committed(c, 13)
	wantDone(t, c, 11, ResultCommitted)
}

func TestWhatDoesNotFitIsNotSent(t *testing.T) {
	c := single(t, func(*CoordinatorConfig) {})
	work := txn.Work{Writes: make([]txn.Write, txn.MaxCommandBytes/txn.MaxValueBytes+1)}
	for i := range work.Writes {
		work.Writes[i] = txn.Write{Key: fmt.Append(nil, "k", i), Value: make([]byte, txn.MaxValueBytes)}
	}
	c.Commit(0, 1, work)
	if done := wantDone(t, c, 1, ResultRejected); done.Cause.Reason != txn.ReasonTooLarge {
		t.Errorf("%v", done.Cause)
	}
	c.Commit(0, 2, txn.Work{Writes: work.Writes[:txn.MaxTransactionBytes/txn.MaxValueBytes]})
	if r := c.Ready(); len(r.Send) != 1 {
		t.Errorf("the largest transaction fits: %+v", r)
	}
}

// A large request is given the time that it takes before it is sent again.
func TestLargeRequestsAreRepeatedLater(t *testing.T) {
	for _, size := range []int{100, txn.MaxValueBytes} {
		c := single(t, func(*CoordinatorConfig) {})
		c.Commit(0, 1, txn.Work{Writes: []txn.Write{{Key: []byte("k"), Value: make([]byte, size)}}})
		c.Ready()
		due, _ := c.NextDeadline()
		if took := wire.Duration(size/carriedBytes) * wire.Millisecond; due < wire.Time(took) || due > wire.Time(took+2*defaultRetry) {
			t.Errorf("%d bytes are sent again after %d ns", size, due)
		}
	}
}

func TestATokenInUseIsABug(t *testing.T) {
	c := single(t, func(*CoordinatorConfig) {})
	c.Read(0, 1, [][]byte{[]byte("k")}, false)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	c.Read(0, 1, [][]byte{[]byte("k")}, false)
}

func TestOutcomesAreForgottenInTheEnd(t *testing.T) {
	c := single(t, func(*CoordinatorConfig) {})
	for seq := uint64(3); seq < 3+maxRemembered+1; seq++ {
		c.Commit(0, seq, putWork("k"))
		c.Cancel(0, seq)
		committed(c, seq)
	}
	c.Ready()
	if n := len(c.outcomes.of); n != maxRemembered || len(c.outcomes.order) != n {
		t.Errorf("%d remembered, want %d", n, maxRemembered)
	}
	c.Outcome(0, 1, txn.ID{Client: 0xc, Seq: 3})
	wantDone(t, c, 1, ResultUnknown)
	c.Outcome(0, 1, txn.ID{Client: 0xc, Seq: 4})
	wantDone(t, c, 1, ResultCommitted)
	c.Outcome(0, 1, txn.ID{Seq: 4})
	wantDone(t, c, 1, ResultUnknown)
}

// TestTheSameSeedSaysTheSame: a replay is a replay only if nothing depends on the order of a map.
func TestTheSameSeedSaysTheSame(t *testing.T) {
	run := func() string {
		var b strings.Builder
		c := NewCoordinator(testConfig(7))
		for token := range uint64(50) {
			c.Commit(wire.Time(token), token, putWork(fmt.Sprint("a", token), fmt.Sprint("b", token), fmt.Sprint("c", token)))
			c.Read(wire.Time(token), 100+token, [][]byte{fmt.Appendf(nil, "a%d", token), fmt.Appendf(nil, "d%d", token)}, false)
		}
		for g := range wire.GroupID(4) {
			for first := range uint64(5) {
				c.Step(60, Target{Group: g}, wire.KindSessionReply, enc(&txn.SessionReply{Client: 0xc, First: first, Session: 9}))
			}
		}
		for range 400 {
			now, _ := c.NextDeadline()
			c.Tick(now)
			fmt.Fprintf(&b, "%d %v\n", now, c.Ready())
		}
		return b.String()
	}
	if first := run(); first != run() {
		t.Error("two runs differ")
	}
}

// FuzzCoordinatorStep: whatever arrives, the coordinator neither panics nor answers twice.
func FuzzCoordinatorStep(f *testing.F) {
	f.Add(uint8(wire.KindTxnReply), uint32(0), enc(&txn.TxnReply{ID: txn.ID{Client: 0xc, Seq: 3}, Status: txn.StatusYes}))
	f.Add(uint8(wire.KindTxnReply), uint32(0), enc(&txn.TxnReply{ID: txn.ID{Client: 0xc, Seq: 3}, Status: 200}))
	f.Add(uint8(wire.KindRefusal), uint32(0), enc(&txn.Refusal{Kind: wire.KindSubmit, ID: txn.ID{Client: 0xc, Seq: 3}, Reason: txn.ReasonTooLarge}))
	f.Add(uint8(wire.KindRefusal), uint32(0), enc(&txn.Refusal{Kind: wire.KindRead, Nonce: 0xc + 1, Reason: 99, View: 1 << 63}))
	f.Add(uint8(wire.KindReadReply), uint32(0), enc(&txn.ReadReply{Nonce: 0xc + 1, Values: []txn.Value{{}}}))
	f.Add(uint8(wire.KindSessionReply), uint32(5), enc(&txn.SessionReply{Client: 0xc, First: 1, Session: 1}))
	f.Add(uint8(0), uint32(0), []byte(nil))
	f.Fuzz(func(t *testing.T, kind uint8, from uint32, body []byte) {
		c := single(&testing.T{}, func(*CoordinatorConfig) {})
		c.Commit(0, 1, putWork("k"))
		c.Read(0, 2, [][]byte{[]byte("k")}, false)
		for range 2 {
			c.Step(1, Target{wire.GroupID(from), wire.ReplicaID(from >> 16)}, wire.Kind(kind), body)
		}
		answered := map[uint64]int{}
		for token := range uint64(3) {
			c.Cancel(2, token)
		}
		for _, done := range c.Ready().Done {
			answered[done.Token]++
		}
		if answered[1] != 1 || answered[2] != 1 {
			t.Errorf("answered %v, want each of 1 and 2 once", answered)
		}
	})
}
