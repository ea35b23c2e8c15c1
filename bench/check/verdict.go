package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// AnomalyKind names what is wrong, in the words of Adya's thesis and of Elle where they have one.
type AnomalyKind string

const (
	// G0 is a cycle of overwrites alone: writes of two transactions interleave.
	G0 AnomalyKind = "G0"
	// G1a is a read of what an aborted transaction wrote.
	G1a AnomalyKind = "G1a (aborted read)"
	// G1b is a read of a value that its own transaction had overwritten before it committed.
	G1b AnomalyKind = "G1b (intermediate read)"
	// G1c is a cycle of overwrites and reads: each saw the other's effects.
	G1c AnomalyKind = "G1c"
	// GSingle is a cycle with one read of something that was overwritten: read skew.
	GSingle AnomalyKind = "G-single"
	// G2Item is a cycle with two or more such reads: write skew. What a history holds of a scan is the keys that it
	// saw and missed, so that a phantom is one of these, too.
	G2Item AnomalyKind = "G2-item"

	// The same cycles where some step is that a client ended one transaction before it began the other. There is
	// an order, but not one that agrees with what this client saw itself.

	// G0Process is a cycle of overwrites and sessions.
	G0Process AnomalyKind = "G0-process"
	// G1cProcess is a cycle of overwrites, reads and sessions.
	G1cProcess AnomalyKind = "G1c-process"
	// GSingleProcess is what a client sees that does not read its own writes, or that reads backwards in time.
	GSingleProcess AnomalyKind = "G-single-process"
	// G2ItemProcess is write skew against sessions.
	G2ItemProcess AnomalyKind = "G2-item-process"

	// The same cycles where some step is that a transaction ended before another client began the other: there is an
	// order, but not one that agrees with real time.

	// G0Realtime is a cycle of overwrites and time.
	G0Realtime AnomalyKind = "G0-realtime"
	// G1cRealtime is a cycle of overwrites, reads and time.
	G1cRealtime AnomalyKind = "G1c-realtime"
	// GSingleRealtime is what a stale read, or a lost committed write, looks like.
	GSingleRealtime AnomalyKind = "G-single-realtime"
	// G2ItemRealtime is write skew against time.
	G2ItemRealtime AnomalyKind = "G2-item-realtime"

	// LostUpdate is two transactions that read one version and both replaced it.
	LostUpdate AnomalyKind = "lost update"
	// DirtyRead is a read of a value that nobody wrote.
	DirtyRead AnomalyKind = "read of a value never written"
	// DuplicateWrite is one token that took effect twice.
	DuplicateWrite AnomalyKind = "duplicate write"
	// LostWrite is an acknowledged token that is not there at the end (found by [ExactlyOnce]).
	LostWrite AnomalyKind = "lost write"
	// IncompatibleOrder is two reads of a list of which neither is the beginning of the other.
	IncompatibleOrder AnomalyKind = "incompatible order"
	// Internal is a transaction that does not see its own earlier read or write.
	Internal AnomalyKind = "internal inconsistency"
	// Unexplained is a read of which every version that has its value was impossible at that time.
	Unexplained AnomalyKind = "unexplained read"
	// NotLinearizable is a key whose operations fit no order (found by [Registers]).
	NotLinearizable AnomalyKind = "not linearizable"
	// Undecided is a check that was not finished; it counts as a failure.
	Undecided AnomalyKind = "undecided"
	// WrongTotal is a read of all accounts that does not add up.
	WrongTotal AnomalyKind = "wrong total"
	// WrongCount is a counter that lost an acknowledged increment or counted one twice.
	WrongCount AnomalyKind = "wrong count"
	// Malformed is a history that no client can have seen; it was recorded wrongly.
	Malformed AnomalyKind = "malformed history"
)

// Anomaly is one thing that is wrong. Txns are indexes into the history; Text explains it in lines.
type Anomaly struct {
	Kind AnomalyKind
	Txns []int
	Text string
}

func (a Anomaly) String() string {
	return string(a.Kind) + ": " + a.Text
}

// Verdict is the result of a check. Checked counts what was really judged: transactions, or reads of all
// accounts. A verdict over nothing is not OK, as it would be the same if the store were broken.
type Verdict struct {
	OK        bool
	Checked   int
	Anomalies []Anomaly
	Note      string
}

func (v Verdict) String() string {
	var b strings.Builder
	if v.OK {
		fmt.Fprintf(&b, "ok, %d checked", v.Checked)
	} else {
		fmt.Fprintf(&b, "NOT OK, %d checked", v.Checked)
	}
	if v.Note != "" {
		fmt.Fprintf(&b, " (%s)", v.Note)
	}
	for _, a := range v.Anomalies {
		b.WriteString("\n- ")
		b.WriteString(strings.ReplaceAll(a.String(), "\n", "\n  "))
	}
	return b.String()
}

// Shortest is the anomaly that the fewest transactions are needed for, to begin reading with; false if there is none.
func (v Verdict) Shortest() (Anomaly, bool) {
	if len(v.Anomalies) == 0 {
		return Anomaly{}, false
	}
	return slices.MinFunc(v.Anomalies, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(len(a.Txns), len(b.Txns)), cmp.Compare(len(a.Text), len(b.Text)))
	}), true
}

// maxAnomalies is how many anomalies a verdict holds. One fault often shows in thousands of reads, and
// nobody reads past the first few.
const maxAnomalies = 20

// findings collects anomalies and notes on the way to a verdict.
type findings struct {
	anomalies []Anomaly
	left      int
	notes     []string
}

func (f *findings) add(kind AnomalyKind, txns []int, format string, args ...any) {
	if len(f.anomalies) == maxAnomalies {
		f.left++
		return
	}
	f.anomalies = append(f.anomalies, Anomaly{Kind: kind, Txns: txns, Text: fmt.Sprintf(format, args...)})
}

func (f *findings) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *findings) verdict(checked int) Verdict {
	if f.left > 0 {
		f.note("%d more anomalies left out", f.left)
	}
	if checked == 0 && len(f.anomalies) == 0 {
		f.note("there was nothing to check")
	}
	return Verdict{
		OK:        checked > 0 && len(f.anomalies) == 0,
		Checked:   checked,
		Anomalies: f.anomalies,
		Note:      strings.Join(f.notes, "; "),
	}
}

func malformedVerdict(err error) Verdict {
	var f findings
	f.add(Malformed, nil, "%v", err)
	return f.verdict(0)
}
