package check

import "fmt"

// describe names a transaction in a report: its index, client, outcome and times.
func describe(h History, i int) string {
	t := &h[i]
	return fmt.Sprintf("T%d (client %d, %v, %s)", i, t.Client, t.Outcome, span(t))
}

func span(t *Txn) string {
	if t.End == Never {
		return "[" + instant(t.Start) + " … never ended]"
	}
	return "[" + instant(t.Start) + " … " + instant(t.End) + "]"
}

// instant prints nanoseconds as seconds: all instants of a history come from one clock whose zero is
// arbitrary, and only differences matter.
func instant(ns int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	return fmt.Sprintf("%s%d.%09ds", sign, ns/1e9, ns%1e9)
}
