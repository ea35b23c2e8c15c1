package check

import (
	"strings"
	"testing"
)

func TestBank(t *testing.T) {
	accounts := Accounts{Keys: []string{"a", "b"}, Total: 100}
	all := func(a, b Value) Txn { return did(0, 1, Read("a", a), Read("b", b)) }
	for _, test := range []struct {
		name    string
		h       History
		checked int
		says    string // empty: all is well
	}{
		{"constant", History{all(Of("100"), Absent), all(Of("30"), Of("70"))}, 2, ""},
		{"money lost", History{all(Of("30"), Of("60"))}, 1, "saw 90 in all accounts instead of 100 (-10): a=\"30\" b=\"60\""},
		{"money made", History{all(Of("50"), Of("60"))}, 1, "(+10)"},
		{"an aborted read may be torn", History{all(Of("50"), Of("50")), with(Aborted, all(Of("1"), Of("1")))}, 1, ""},
		{"only what was read before its own writes", History{all(Of("50"), Of("50")),
			did(0, 1, Read("a", Of("50")), Write("a", "40"), Read("a", Of("40")), Read("b", Of("50")), Write("b", "60"))}, 2, ""},
		{"not a number", History{all(Of("50"), Of("fifty"))}, 1, "is not a number"},
		{"nobody read them all", History{did(0, 1, Read("a", Of("1")))}, 0, "nothing to check"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := Bank(test.h, accounts)
			if v.OK != (test.says == "") || v.Checked != test.checked || !strings.Contains(v.String(), test.says) {
				t.Fatal(v)
			}
		})
	}
}

func TestCounter(t *testing.T) {
	h := History{
		did(0, 1, Read("n", Absent), Write("n", "1")),
		did(2, 3, Read("n", Of("1")), Write("n", "2")),
		with(Unknown, did(4, 4, Read("n", Of("2")), Write("n", "3"))),
		with(Aborted, did(5, 6, Read("n", Of("2")), Write("n", "3"))),
		did(7, 8, Read("n", Of("2")), Write("other", "1")),
	}
	for value, says := range map[string]string{
		"1": "1 lost",
		"2": "",
		"3": "",
		"4": "1 took effect twice",
		"x": "not a number",
	} {
		v := Counter(h, "n", Of(value))
		if v.OK != (says == "") || v.Checked != 2 || !strings.Contains(v.String(), says) {
			t.Errorf("final %s: %v", value, v)
		}
	}
}

// TestNothingIsNotOK: a check that saw nothing would pass on a broken store as well.
func TestNothingIsNotOK(t *testing.T) {
	for name, v := range map[string]Verdict{
		"transactions": Transactions(nil),
		"registers":    Registers(nil),
		"bank":         Bank(nil, Accounts{}),
		"counter":      Counter(nil, "n", Absent),
	} {
		if v.OK || !strings.Contains(v.String(), "NOT OK, 0 checked (there was nothing to check)") {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// TestAnomaliesAreBounded: the verdict says how many it does not show.
func TestAnomaliesAreBounded(t *testing.T) {
	h := make(History, maxAnomalies+5)
	for i := range h {
		h[i] = did(0, 1, Read("x", Of("ghost")))
	}
	v := Transactions(h)
	if v.OK || len(v.Anomalies) != maxAnomalies || !strings.Contains(v.Note, "5 more anomalies") {
		t.Fatal(v)
	}
}
