package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// nearby is how many operations a report shows on either side of the one that fits nowhere.
	nearby = 6
	// maxExplainedOps bounds the piece for which porcupine is asked how far it came: it keeps an order
	// per operation.
	maxExplainedOps = 4_000
)

// reportRegister shows the first operation that the longest order found cannot take in, and what went on
// around it.
func (c *checker) reportRegister(k *keyHistory, ops []registerOp, initial int32, left time.Duration) {
	if len(ops) > maxExplainedOps {
		c.f.add(NotLinearizable, nil, "key %q: no order of its %d operations fits", k.name, len(ops))
		return
	}
	bad := firstMisfit(ops, initial, left)
	var b strings.Builder
	for i := max(0, bad-nearby); i < min(len(ops), bad+nearby+1); i++ {
		mark := "  "
		if i == bad {
			mark = "> "
		}
		fmt.Fprintf(&b, "\n  %s%s%s", mark, describe(c.h, int(ops[i].txn)), didTo(k, ops[i].txn))
	}
	c.f.add(NotLinearizable, []int{int(ops[bad].txn)},
		"key %q: no order of its operations fits; the longest one breaks at the operation marked:%s", k.name, b.String())
}

// firstMisfit is the operation that ended first of those which the longest order leaves out.
func firstMisfit(ops []registerOp, initial int32, left time.Duration) int {
	_, info := porcupine.CheckOperationsVerbose(register(initial), porcupineOps(ops), left)
	fits := make([]bool, len(ops))
	for _, i := range longestOrder(&info) {
		fits[i] = true
	}
	bad := -1
	for i := range ops {
		if !fits[i] && !ops[i].unknown && (bad < 0 || ops[i].end < ops[bad].end) {
			bad = i
		}
	}
	return max(bad, 0)
}

func longestOrder(info *porcupine.LinearizationInfo) []int {
	var longest []int
	for _, orders := range info.PartialLinearizations() {
		for _, ids := range orders {
			if len(ids) > len(longest) {
				longest = ids
			}
		}
	}
	return longest
}

func didTo(k *keyHistory, txn int32) string {
	for i := range k.accesses {
		if a := &k.accesses[i]; a.txn == txn && a.read {
			return " read " + a.seen.String() + wroteSuffix(k, a)
		}
	}
	return wroteOf(k, txn)
}
