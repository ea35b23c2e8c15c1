package check

import (
	"maps"
	"slices"
)

// ExactlyOnce checks the lists that a history appended to against what they hold when all is over: every token whose
// append was acknowledged stands there once, one of unknown outcome at most once, and one of an aborted transaction not
// at all. Keys that final does not hold are not checked. Checked counts the acknowledged tokens.
func ExactlyOnce(h History, final map[string]Value) Verdict {
	if err := h.malformed(); err != nil {
		return malformedVerdict(err)
	}
	var f findings
	stand := make(map[string]map[string]int, len(final))
	for key, list := range final {
		stand[key] = make(map[string]int)
		for token := range tokensOf(list) {
			stand[key][token]++
		}
	}
	acknowledged, unknown := 0, 0
	for i := range h {
		for _, op := range h[i].Ops {
			tokens, ok := stand[op.Key]
			if op.Kind != KindAppend || !ok {
				continue
			}
			switch h[i].Outcome {
			case Committed:
				acknowledged++
			case Unknown:
				unknown++
			}
			f.judgeToken(h, i, op, tokens[op.Value.Data])
			delete(tokens, op.Value.Data)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(stand)) {
		for _, token := range slices.Sorted(maps.Keys(stand[key])) {
			f.add(DirtyRead, nil, "list %q ends with the token %q in it, which nobody appended", key, token)
		}
	}
	if unknown > 0 {
		f.note("%d appends have an unknown outcome", unknown)
	}
	return f.verdict(acknowledged)
}

// judgeToken judges a token that stands so many times in the list at the end.
func (f *findings) judgeToken(h History, i int, op Op, times int) {
	kind, text := AnomalyKind(""), ""
	switch {
	case times > 1:
		kind, text = DuplicateWrite, "stands in the list more than once"
	case times == 0 && h[i].Outcome == Committed:
		kind, text = LostWrite, "was acknowledged, and is not in the list"
	case times == 1 && h[i].Outcome == Aborted:
		kind, text = G1a, "was told to have had no effect, and is in the list"
	default:
		return
	}
	f.add(kind, []int{i}, "%s\n  appended %v to %q: it %s (%d times) at the end", describe(h, i), op.Value, op.Key, text, times)
}
