package demo

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/bench/check"
)

// Report is the outcome of a demo; in JSON it is one line.
type Report struct {
	Committed int64 `json:"committed"`
	Aborted   int64 `json:"aborted"`
	// Unknown outcomes are part of the story, and not of the line that other programs read: the history is judged with
	// both answers to each.
	Unknown            int64 `json:"-"`
	LeaderChanges      int64 `json:"leader_changes"`
	MoneyOK            bool  `json:"money_ok"`
	Linearizable       bool  `json:"linearizable"`
	StrictSerializable bool  `json:"strict_serializable"`
	OperationsChecked  int   `json:"operations_checked"`
}

// OK reports whether all promises were kept, over a load that deserves the name.
func (r *Report) OK() bool {
	return r.MoneyOK && r.Linearizable && r.StrictSerializable && r.Committed > 0
}

// rates counts what happens, and shows it live.
type rates struct {
	committed, aborted, unknown atomic.Int64
}

func (r *rates) count(o check.Outcome) {
	switch o {
	case check.Committed:
		r.committed.Add(1)
	case check.Aborted:
		r.aborted.Add(1)
	default:
		r.unknown.Add(1)
	}
}

// show prints a line a second until the context ends.
func (r *rates) show(ctx context.Context, w io.Writer, started time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := r.committed.Load()
		fmt.Fprintf(w, "%4.0f s  %6d commits/s  %d committed, %d aborted, %d unknown\n",
			time.Since(started).Seconds(), now-last, now, r.aborted.Load(), r.unknown.Load())
		last = now
	}
}

// judge checks what the clients saw. Reasons for a bad verdict go to w.
func (r *Report) judge(h check.History, w io.Writer) {
	bank := check.Bank(h, check.Accounts{Keys: accountKeys(), Total: accounts * opening, Balance: parseBalance})
	singles := check.Registers(singleKeys(h))
	all := check.Transactions(h)
	r.MoneyOK, r.Linearizable, r.StrictSerializable = bank.OK, singles.OK, all.OK
	r.OperationsChecked = all.Checked
	for name, v := range map[string]check.Verdict{"money": bank, "single keys": singles, "transactions": all} {
		if !v.OK {
			fmt.Fprintf(w, "%s: %v\n", name, v)
		}
	}
}

// singleKeys are the operations on one register each.
func singleKeys(h check.History) (out check.History) {
	for _, t := range h {
		if len(t.Ops) == 1 {
			out = append(out, t)
		}
	}
	return out
}
