package check

import (
	"slices"
	"strings"
	"testing"
)

// by is a transaction of a client that the others of the history share no session with, unless they name it, too.
func by(client int, t Txn) Txn {
	t.Client = client
	return t
}

// apart gives a client of its own to every transaction that names none.
func apart(h History) History {
	h = slices.Clone(h)
	for i := range h {
		if h[i].Client == 1 {
			h[i].Client = 100 + i
		}
	}
	return h
}

// did is a committed transaction.
func did(start, end int64, ops ...Op) Txn {
	return Txn{Client: 1, Start: start, End: end, Ops: ops, Outcome: Committed}
}

func with(outcome Outcome, t Txn) Txn {
	t.Outcome = outcome
	if outcome == Unknown {
		t.End = Never
	}
	return t
}

// planted are histories with exactly one thing wrong, or nothing (kind ""), and words the report must have.
var planted = []struct {
	name string
	kind AnomalyKind
	h    History
	says []string
}{
	{"writes of two transactions interleave", G0, History{
		did(0, 10, Append("x", "x1"), Append("y", "y1")),
		did(0, 10, Append("x", "x2"), Append("y", "y2")),
		did(0, 20, Read("x", List("x1", "x2"))),
		did(0, 20, Read("y", List("y2", "y1"))),
	}, []string{"T0 -ww-> T1 -ww-> T0", `"x" = "x1"`}},
	{"read of an aborted write", G1a, History{
		with(Aborted, did(0, 10, Write("x", "a"))),
		did(20, 30, Read("x", Of("a"))),
	}, []string{"T0", "aborted", "T1"}},
	{"read of an aborted append", G1a, History{
		with(Aborted, did(0, 10, Append("x", "a"))),
		did(20, 30, Read("x", List("a"))),
	}, nil},
	{"read of an intermediate write", G1b, History{
		did(0, 10, Write("x", "a"), Write("x", "b")),
		did(0, 30, Read("x", Of("a"))),
	}, []string{"overwrote itself"}},
	{"read between two appends of one transaction", G1b, History{
		did(0, 10, Append("x", "a"), Append("x", "b")),
		did(0, 30, Read("x", List("a"))),
		did(0, 30, Read("x", List("a", "b"))),
	}, nil},
	{"each saw the other's write", G1c, History{
		did(0, 10, Write("x", "a"), Read("y", Of("b"))),
		did(0, 10, Write("y", "b"), Read("x", Of("a"))),
	}, []string{"-wr->"}},
	{"each read and replaced the other's write", G1c, History{
		did(0, 10, Read("x", Of("b")), Write("x", "a")),
		did(0, 10, Read("x", Of("a")), Write("x", "b")),
	}, nil},
	{"read skew", GSingle, History{
		did(0, 10, Read("x", Absent), Read("y", Absent), Write("x", "1"), Write("y", "1")),
		did(0, 10, Read("x", Absent), Read("y", Of("1"))),
	}, []string{"-rw->", "absent"}},
	{"read skew along many, beside a write skew of two", GSingle, History{
		did(0, 10, Read("x", Absent), Write("y", "1"), Read("d", Of("4"))),
		did(0, 10, Read("y", Absent), Write("x", "1"), Write("a", "1")),
		did(0, 10, Read("a", Of("1")), Write("b", "2")),
		did(0, 10, Read("b", Of("2")), Write("c", "3")),
		did(0, 10, Read("c", Of("3")), Write("d", "4")),
	}, []string{"-rw->", "-wr->"}},
	{"write skew", G2Item, History{
		did(0, 10, Read("x", Absent), Read("y", Absent), Write("x", "1")),
		did(0, 10, Read("x", Absent), Read("y", Absent), Write("y", "1")),
	}, []string{"absent, and T1 replaced that"}},
	{"write skew after deletes", G2Item, History{
		did(0, 1, Read("x", Absent), Read("y", Absent), Write("x", "0"), Write("y", "0")),
		did(2, 3, Read("x", Of("0")), Read("y", Of("0")), Delete("x"), Delete("y")),
		did(10, 20, Read("x", Absent), Read("y", Absent), Write("x", "1")),
		did(10, 20, Read("x", Absent), Read("y", Absent), Write("y", "1")),
	}, nil},
	{"lost update", LostUpdate, History{
		did(0, 10, Read("x", Absent), Write("x", "1")),
		did(0, 10, Read("x", Absent), Write("x", "2")),
	}, []string{"both read", `wrote "1"`, `wrote "2"`}},
	{"lost update of a deleted key", LostUpdate, History{
		did(0, 1, Read("x", Absent), Write("x", "0")),
		did(2, 3, Read("x", Of("0")), Delete("x")),
		did(10, 20, Read("x", Absent), Write("x", "1")),
		did(10, 20, Read("x", Absent), Write("x", "2")),
	}, nil},
	{"lost update of a list", LostUpdate, History{
		did(0, 10, Append("x", "1")),
		did(20, 30, Read("x", List("1")), Append("x", "2")),
		did(20, 30, Read("x", List("1")), Append("x", "3")),
	}, nil},
	{"a committed write lost", LostUpdate, History{
		did(0, 1, Read("x", Absent), Write("x", "1")),
		did(2, 3, Read("x", Of("1")), Write("x", "2")),
		did(4, 5, Read("x", Of("1")), Write("x", "3")),
	}, []string{"T1", "T2"}},
	{"stale read", GSingleRealtime, History{
		did(0, 1, Read("x", Absent), Write("x", "1")),
		did(2, 3, Read("x", Absent)),
	}, []string{"T0 ended at 0.000000001s, before T1 began at 0.000000002s"}},
	{"stale read of a blind write", GSingleRealtime, History{
		did(0, 1, Write("x", "1")),
		did(2, 3, Write("x", "2")),
		did(4, 5, Read("x", Of("1"))),
	}, nil},
	{"read from the future", G1cRealtime, History{
		did(0, 1, Read("x", Of("1"))),
		did(2, 3, Write("x", "1")),
	}, nil},
	{"overwritten against real time", G0Realtime, History{
		did(0, 1, Append("x", "a")),
		did(2, 3, Append("x", "b")),
		did(0, 9, Read("x", List("b", "a"))),
	}, nil},
	{"write skew in real time", G2ItemRealtime, History{
		did(0, 30, Read("x", Absent), Write("y", "1")),
		did(1, 2, Read("x", Absent), Write("x", "1")),
		did(5, 6, Read("y", Absent)),
	}, []string{"T0 -rw-> T1 -rt-> T2 -rw-> T0"}},
	{"each read what the other appended, and two more reads tell the order", G1c, History{
		did(0, 10, Append("x", "1"), Append("y", "1")),
		did(0, 10, Append("x", "2"), Read("z", List("1"))),
		did(0, 10, Append("z", "1"), Read("x", List("1", "2")), Append("y", "2")),
		did(0, 10, Read("y", List("1", "2"))),
	}, []string{"-wr->"}},
	{"read skew in lists", GSingle, History{
		did(0, 10, Append("x", "1"), Append("y", "1")),
		did(0, 10, Read("x", List("1")), Read("y", Absent)),
	}, []string{"-rw->"}},
	{"write skew in lists", G2Item, History{
		did(0, 10, Read("x", Absent), Append("y", "1")),
		did(0, 10, Read("y", Absent), Append("x", "1")),
	}, nil},
	{"a scan that missed a key, and one that missed another", G2Item, History{
		did(0, 10, Read("set-1", Absent), Read("set-2", Absent), Write("set-1", "in")),
		did(0, 10, Read("set-1", Absent), Read("set-2", Absent), Write("set-2", "in")),
		did(20, 30, Read("set-1", Of("in")), Read("set-2", Of("in"))),
	}, nil},

	{"overwritten against its session", G0Process, History{
		by(7, did(0, 1, Append("x", "a"))),
		by(7, did(2, 3, Append("x", "b"))),
		did(0, 9, Read("x", List("b", "a"))),
	}, []string{"T0 -so-> T1 -ww-> T0", "before the same client began"}},
	{"read of its own client's future", G1cProcess, History{
		by(7, did(0, 1, Read("x", Of("1")))),
		by(7, did(2, 3, Write("x", "1"))),
	}, []string{"T0 -so-> T1 -wr-> T0"}},
	{"own write of an earlier transaction not seen", GSingleProcess, History{
		by(7, did(0, 1, Read("x", Absent), Write("x", "1"))),
		by(7, did(2, 3, Read("x", Absent))),
	}, []string{"T0 -so-> T1 -rw-> T0"}},
	{"reads that go backwards", GSingleProcess, History{
		did(0, 90, Read("x", Absent), Write("x", "1")),
		by(7, did(10, 20, Read("x", Of("1")))),
		by(7, did(30, 40, Read("x", Absent))),
	}, []string{"-wr-> T1 -so-> T2 -rw-> T0"}},
	{"reads that go backwards, of blind writes", GSingleProcess, History{
		did(0, 90, Write("x", "1")),
		did(0, 90, Write("x", "2")),
		by(7, did(10, 20, Read("x", Of("1")))),
		by(7, did(30, 40, Read("x", Of("2")))),
		by(8, did(10, 20, Read("x", Of("2")))),
		by(8, did(30, 40, Read("x", Of("1")))),
	}, []string{"one client wrote or read the first, and then the other"}},
	{"write skew against a session", G2ItemProcess, History{
		did(0, 30, Read("x", Absent), Write("y", "1")),
		by(7, did(1, 2, Read("x", Absent), Write("x", "1"))),
		by(7, did(5, 6, Read("y", Absent))),
	}, []string{"T0 -rw-> T1 -so-> T2 -rw-> T0"}},

	{"read of what nobody wrote", DirtyRead, History{
		did(0, 1, Read("x", Of("ghost"))),
	}, []string{"nobody wrote"}},
	{"list with a token that nobody appended", DirtyRead, History{
		did(0, 1, Append("x", "a")),
		did(0, 5, Read("x", List("ghost", "a"))),
	}, nil},
	{"read of its own later write", DirtyRead, History{
		did(0, 1, Read("x", Of("a")), Write("x", "a")),
	}, []string{"itself only later"}},
	{"a token applied twice", DuplicateWrite, History{
		did(0, 1, Append("x", "a")),
		did(2, 3, Append("x", "b")),
		did(4, 5, Read("x", List("a", "b", "a"))),
	}, []string{`"a" is twice`}},
	{"lists that contradict each other", IncompatibleOrder, History{
		did(0, 9, Append("x", "a")),
		did(0, 9, Append("x", "b")),
		did(0, 9, Read("x", List("a"))),
		did(0, 9, Read("x", List("b", "a"))),
	}, nil},
	{"a lost append", GSingleRealtime, History{
		did(0, 1, Append("x", "a")),
		did(2, 3, Append("x", "b")),
		did(4, 5, Read("x", List("a"))),
	}, nil},
	{"own write not seen", Internal, History{
		did(0, 1, Write("x", "a"), Read("x", Absent)),
	}, []string{"own write"}},
	{"two reads differ", Internal, History{
		did(0, 1, Write("x", "a")),
		did(0, 9, Read("x", Absent), Read("x", Of("a"))),
	}, []string{"earlier read"}},
	{"own append not seen", Internal, History{
		did(0, 1, Append("x", "a"), Read("x", Absent)),
	}, nil},
	{"absent between two deletes", Unexplained, History{
		did(0, 1, Write("x", "a")),
		did(2, 3, Read("x", Of("a")), Delete("x")),
		did(4, 5, Read("x", Absent), Write("x", "b")),
		did(6, 7, Read("x", Absent)),
		did(8, 9, Read("x", Of("b")), Delete("x")),
	}, []string{"which no version explains"}},
	{"half of an unknown transaction", GSingleRealtime, History{
		with(Unknown, did(0, 0, Read("x", Absent), Read("y", Absent), Write("x", "1"), Write("y", "1"))),
		did(10, 11, Read("x", Of("1"))),
		did(12, 13, Read("y", Absent)),
	}, nil},
	{"half of an unknown transaction, known by its delete", GSingleRealtime, History{
		did(0, 1, Write("x", "1"), Write("y", "1")),
		with(Unknown, did(2, 2, Read("x", Of("1")), Read("y", Of("1")), Delete("x"), Write("y", "2"))),
		did(10, 11, Read("x", Absent)),
		did(12, 13, Read("y", Of("1"))),
	}, nil},
	{"an end before the start", Malformed, History{did(5, 1, Read("x", Absent))}, []string{"one clock"}},
	{"no outcome", Malformed, History{{Start: 1, End: 2}}, nil},
	{"a list that is also written", Malformed, History{
		did(0, 1, Append("x", "a")),
		did(2, 3, Write("x", "b")),
	}, nil},

	{"unknown, seen later", "", History{
		with(Unknown, did(0, 0, Write("x", "1"), Write("y", "1"))),
		did(10, 11, Read("x", Absent), Read("y", Absent)),
		did(12, 13, Read("x", Of("1")), Read("y", Of("1"))),
	}, nil},
	{"unknown, never seen", "", History{
		with(Unknown, did(0, 0, Read("x", Absent), Write("x", "1"))),
		did(1, 2, Read("x", Absent), Write("x", "2")),
		did(10, 11, Read("x", Of("2"))),
	}, []string{"1 of unknown outcome"}},
	{"unknown that read what never was", "", History{
		with(Unknown, did(0, 0, Read("x", Of("ghost")), Write("x", "1"))),
		did(10, 11, Read("x", Absent)),
	}, nil},
	{"aborted with a torn read", "", History{
		did(0, 1, Write("x", "1"), Write("y", "1")),
		with(Aborted, did(0, 1, Read("x", Of("1")), Read("y", Absent), Write("z", "1"))),
	}, nil},
	{"concurrent blind writes in either order", "", History{
		did(0, 9, Write("x", "1")),
		did(0, 9, Write("x", "2")),
		did(0, 11, Read("x", Of("1"))),
	}, []string{"1 keys have writes whose order nothing tells"}},
	{"instants that touch are concurrent", "", History{
		did(0, 5, Write("x", "1")),
		did(5, 9, Read("x", Absent)),
	}, nil},
	{"deleted and made again", "", History{
		did(0, 9, Read("x", Absent), Write("x", "a")),
		did(0, 9, Read("x", Of("a")), Delete("x")),
		did(0, 9, Read("x", Absent), Write("x", "b")),
		did(0, 9, Read("x", Absent)),
	}, []string{"1 reads not checkable"}},
	{"one value written twice", "", History{
		did(0, 1, Write("x", "a")),
		did(2, 3, Write("x", "b")),
		did(4, 5, Write("x", "a")),
		did(6, 7, Read("x", Of("a"))),
	}, nil},
	{"reads of its own appends", "", History{
		did(0, 1, Append("x", "a")),
		did(2, 3, Append("x", "b"), Read("x", List("a", "b")), Append("x", "c"), Read("x", List("a", "b", "c"))),
		did(4, 5, Read("x", List("a", "b", "c"))),
	}, nil},
}

func TestPlanted(t *testing.T) {
	for _, test := range planted {
		t.Run(test.name, func(t *testing.T) {
			v := Transactions(apart(test.h))
			text := v.String()
			t.Log(text)
			if test.kind == "" && !v.OK {
				t.Fatalf("flagged")
			}
			if test.kind != "" && (v.OK || len(v.Anomalies) != 1 || v.Anomalies[0].Kind != test.kind) {
				t.Fatalf("want one %s", test.kind)
			}
			for _, words := range test.says {
				if !strings.Contains(text, words) {
					t.Errorf("the report does not say %q", words)
				}
			}
		})
	}
}
