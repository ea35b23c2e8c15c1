package check

import (
	"iter"
	"slices"
	"strings"
)

// tokensOf cuts a list into its tokens.
func tokensOf(list Value) iter.Seq[string] {
	if list.Data == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(list.Data, " ")
}

func lengthOf(list Value) int {
	if list.Data == "" {
		return 0
	}
	return strings.Count(list.Data, " ") + 1
}

// addList makes the versions of a list. The longest list that was read tells their order, as far as it
// goes: version i is the list of the first i tokens. Tokens that nobody read come after all of those.
func (o *order) addList() {
	o.addReadTokens(o.longestRead())
	made := make(map[int32]int32)
	for v, version := range o.versions {
		made[version.writer] = int32(v)
	}
	for i := range o.k.accesses {
		a := &o.k.accesses[i]
		o.own[i] = none
		if !a.write || o.c.h[a.txn].Outcome == Aborted {
			continue
		}
		if len(a.between) > 0 || len(a.tokens) == 0 {
			o.c.f.add(Malformed, []int{int(a.txn)}, "%s\n  wrote key %q, which is also appended to: use one or the other",
				describe(o.c.h, int(a.txn)), o.k.name)
			continue
		}
		if v, ok := made[a.txn]; ok {
			o.own[i] = v
		} else if o.c.in[a.txn] {
			o.own[i] = o.addVersion(a.final, a.txn)
		}
	}
}

// longestRead finds the access that read the longest list; nil if nobody read a token.
func (o *order) longestRead() *access {
	var longest *access
	for i := range o.k.accesses {
		a := &o.k.accesses[i]
		if a.read && o.c.in[a.txn] && a.seen.Present && (longest == nil || len(a.seen.Data) > len(longest.seen.Data)) {
			longest = a
		}
	}
	return longest
}

// addReadTokens links one version for each token of the longest list into a chain.
func (o *order) addReadTokens(longest *access) {
	if longest == nil {
		return
	}
	seen := make(map[string]bool)
	end := -1
	for token := range tokensOf(longest.seen) {
		end += 1 + len(token) // the space before it, too
		writer := int32(noTxn)
		if seen[token] {
			o.c.f.add(DuplicateWrite, []int{int(longest.txn)}, "%s\n  read %q = %v, where the token %q is twice",
				describe(o.c.h, int(longest.txn)), o.k.name, longest.seen, token)
		} else {
			writer = o.tokenWriter(token, longest)
		}
		seen[token] = true
		v := o.addVersion(Of(longest.seen.Data[:end]), writer)
		o.versions[v].prev, o.versions[v-1].next = v-1, v
		o.chain = v
	}
}

// tokenWriter is the one committed transaction that appended the token, or noTxn. What no transaction can
// rightly have left behind is reported.
func (o *order) tokenWriter(token string, reader *access) int32 {
	only, possible := int32(noTxn), false
	for _, w := range o.k.appended[token] {
		possible = possible || o.c.h[w.txn].Outcome != Aborted
		if !o.c.in[w.txn] {
			continue
		}
		if only != noTxn {
			o.c.f.add(Malformed, []int{int(only), int(w.txn)}, "token %q is appended to %q twice: tokens must be unique",
				token, o.k.name)
			return noTxn
		}
		only = w.txn
	}
	if !possible {
		o.c.reportUnwritten(o.k, reader.txn, reader.seen, o.k.appended[token])
	}
	return only
}

// matchList matches a read by the length of its list, if it is a beginning of the longest.
func (o *order) matchList(access int32, a *access) {
	n := int32(lengthOf(a.seen))
	if n > o.chain || o.versions[n].value != a.seen {
		o.c.f.add(IncompatibleOrder, []int{int(a.txn)}, "%s\n  read %q = %v, but another transaction read %v: neither begins with the other",
			describe(o.c.h, int(a.txn)), o.k.name, a.seen, o.versions[o.chain].value)
		return
	}
	if n > 0 && o.cutShort(a) {
		o.c.reportUnwritten(o.k, a.txn, a.seen, o.k.appended[lastToken(a.seen)])
		return
	}
	o.matched(access, n)
}

// cutShort tells that the list ends within what one transaction appended.
func (o *order) cutShort(a *access) bool {
	return slices.ContainsFunc(o.k.appended[lastToken(a.seen)], func(w writer) bool {
		return o.c.h[w.txn].Outcome != Aborted && (w.between || w.txn == a.txn)
	})
}

func lastToken(list Value) string {
	return list.Data[strings.LastIndexByte(list.Data, ' ')+1:]
}
