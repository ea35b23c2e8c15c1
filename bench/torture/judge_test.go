package torture

import (
	"strings"
	"testing"

	"github.com/anodekv/anode/bench/check"
)

// told makes a history of transactions one after the other, of which the last ones are the last reads.
func told(txns ...check.Txn) (h check.History) {
	for i, t := range txns {
		t.Start, t.End = int64(10*i), int64(10*i+5)
		if t.Outcome == 0 {
			t.Outcome = check.Committed
		}
		h = append(h, t)
	}
	for _, some := range (LastRound{Number: 1}).keys() {
		last := check.Txn{Client: lastClient, Start: int64(10 * len(h)), End: int64(10*len(h) + 5), Outcome: check.Committed}
		for _, key := range some {
			v := check.Absent
			for _, t := range h {
				for _, o := range t.Ops {
					if o.Key == key && o.Kind == check.KindWrite && t.Outcome == check.Committed {
						v = o.Value
					}
				}
			}
			last.Ops = append(last.Ops, check.Read(key, v))
		}
		h = append(h, last)
	}
	return h
}

func TestJudgesNotice(t *testing.T) {
	k := keys{1}
	r, a, n, l := k.key("r", 1), k.many("a", accounts), k.key("n", 0), k.key("l", 0, 1)
	for name, c := range map[string]struct {
		h    check.History
		what string // that the judgement names; empty if all is well
	}{
		"nothing wrong": {told(check.Txn{Client: 1, Ops: []check.Op{check.Write(r, "x")}}, check.Txn{Client: 2, Ops: []check.Op{check.Read(r, check.Of("x"))}}), ""},
		"a stale read":  {told(check.Txn{Client: 1, Ops: []check.Op{check.Write(r, "x")}}, check.Txn{Client: 2, Ops: []check.Op{check.Read(r, check.Absent)}}), "registers: NOT OK"},
		"an aborted write is read": {told(check.Txn{Client: 1, Ops: []check.Op{check.Write(r, "x")}, Outcome: check.Aborted},
			check.Txn{Client: 2, Ops: []check.Op{check.Read(r, check.Of("x"))}}), "G1a"},
		"money is made":     {told(check.Txn{Client: 1, Ops: []check.Op{check.Write(a[0], "107 t")}}), "bank: NOT OK"},
		"an append is lost": {told(check.Txn{Client: 1, Ops: []check.Op{check.Append(l, "x")}}), "exactly once: NOT OK"},
		"an increment is lost": {told(check.Txn{Client: 1, Ops: []check.Op{check.Read(n, check.Absent), check.Write(n, "1")}},
			check.Txn{Client: 2, Ops: []check.Op{check.Read(n, check.Absent), check.Write(n, "1")}}), "counter " + n + ": NOT OK"},
	} {
		j := Judge(1, c.h, nil)
		if text := j.String(); j.OK() != (c.what == "") || !strings.Contains(text, c.what) {
			t.Errorf("%s: %v, %s", name, j.OK(), text)
		}
	}
	if Judge(1, told(check.Txn{Client: 1, Ops: []check.Op{check.Write(r, "x")}}), []string{"a client was told nonsense"}).OK() {
		t.Error("a complaint is not heard")
	}
	if Judge(1, nil, nil).OK() {
		t.Error("nothing at all is well")
	}
}

func TestTheShortestAnomalyIsShown(t *testing.T) {
	r, s := keys{1}.key("r", 1), keys{1}.key("c", 1)
	h := told(check.Txn{Client: 1, Ops: []check.Op{check.Write(r, "x")}}, check.Txn{Client: 1, Ops: []check.Op{check.Write(s, "y")}, Outcome: check.Aborted},
		check.Txn{Client: 2, Ops: []check.Op{check.Read(r, check.Absent), check.Read(s, check.Of("y"))}})
	a, made, found := Judge(1, h, nil).Shortest(h)
	if !found || len(made) == 0 || len(made) > 2 {
		t.Fatalf("%v, %v, %v", a, made, found)
	}
	if _, _, found := (&Judgement{}).Shortest(nil); found {
		t.Error("something is found in nothing")
	}
}
