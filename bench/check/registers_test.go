package check

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRegistersReport(t *testing.T) {
	v := Registers(History{
		did(0, 1, Write("x", "a")),
		did(2, 3, Write("x", "b")),
		did(4, 5, Read("x", Of("a"))),
		did(4, 5, Read("y", Absent)),
	})
	if v.OK || v.Checked != 4 || len(v.Anomalies) != 1 || v.Anomalies[0].Kind != NotLinearizable {
		t.Fatal(v)
	}
	if !strings.Contains(v.String(), `> T2 (client 1, committed, [0.000000004s … 0.000000005s]) read "a"`) {
		t.Fatal(v)
	}
}

func TestRegistersUnknown(t *testing.T) {
	maybe := with(Unknown, did(0, 0, Delete("x")))
	before, after := did(2, 3, Write("x", "a")), did(10, 11, Read("x", Absent))
	if v := Registers(History{maybe, before, after}); !v.OK {
		t.Fatalf("the delete may come late: %v", v)
	}
	if v := Registers(History{maybe, before, after, did(12, 13, Write("x", "b")), did(14, 15, Read("x", Absent))}); v.OK {
		t.Fatalf("it cannot come twice: %v", v)
	}
	if v := Registers(History{before, with(Aborted, maybe), after}); v.OK {
		t.Fatalf("an aborted delete had an effect: %v", v)
	}
}

// TestRegistersOutOfTime: a verdict that was not reached is a failure.
func TestRegistersOutOfTime(t *testing.T) {
	v := RegistersWithin(History{did(0, 1, Write("x", "a"))}, -time.Second)
	if v.OK || v.Anomalies[0].Kind != Undecided {
		t.Fatal(v)
	}
	var h History // a hundred concurrent writes and a read that fits none of their orders
	for _, token := range strings.Split(strings.Repeat("a b c d e f g h i j ", 10), " ") {
		h = append(h, did(0, 10, Write("x", token)))
	}
	h = append(h, did(20, 30, Read("x", Of("ghost"))))
	if v := RegistersWithin(h, time.Millisecond); v.OK {
		t.Fatal(v)
	}
}

// TestRegistersTooBusy: more operations at once than can be checked are a failure as well.
func TestRegistersTooBusy(t *testing.T) {
	h := make(History, maxPieceOps+1)
	for i := range h {
		h[i] = did(0, 10, Read("x", Absent))
	}
	if v := Registers(h); v.OK || v.Anomalies[0].Kind != Undecided {
		t.Fatal(v)
	}
}

// TestRegistersPieces: cutting a long history of one key changes no verdict.
func TestRegistersPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := workload{txns: 1000, keys: 1, opsPerTxn: 1, blind: true, deletes: true,
			overlap: rapid.SampledFrom([]int64{4, 8, 12}).Draw(t, "overlap")}
		h := w.history(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		c := newChecker(h)
		ops, _ := c.registerOps(c.keys[0])
		if n, _ := cutPiece(ops, 0); n > 500 {
			t.Fatalf("the first piece has %d operations", n)
		}
		if v := Registers(h); !v.OK {
			t.Fatal(v)
		}
		h[rapid.IntRange(0, len(h)-1).Draw(t, "changed")].Ops = []Op{Read("k0", Of("ghost"))}
		if v := Registers(h); v.OK {
			t.Fatal("a read of nothing passed")
		}
	})
}

func TestRegistersLeavesBlindAppendsOut(t *testing.T) {
	v := Registers(History{did(0, 1, Append("x", "a")), did(2, 3, Read("x", Absent)), did(0, 1, Write("y", "a"))})
	if !v.OK || v.Checked != 1 || !strings.Contains(v.Note, "1 appends") {
		t.Fatal(v)
	}
}
