package mvcc

import (
	"fmt"
	"slices"
	"testing"

	"github.com/anodekv/anode/txn"
	"pgregory.net/rapid"
)

// TestQueueAgainstASet adds and removes in any order, most of it forwards as a log does, and compares with a plain
// sorted list.
func TestQueueAgainstASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, now := newQueue(), 0
		var model []candidate
		latest := rapid.SampledFrom([]int{9, 200}).Draw(t, "latest") // near the end, or far from it
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.IntRange(0, 2).Draw(t, "tick")
			c := candidate{time: txn.Timestamp(now), chain: &chain{key: fmt.Appendf(nil, "k%d", rapid.IntRange(0, 2).Draw(t, "key"))}}
			if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
				c.time -= txn.Timestamp(rapid.IntRange(0, latest).Draw(t, "by"))
			}
			i, known := slices.BinarySearchFunc(model, c, candidate.compare)
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0: // any
				q.remove(c)
				if known {
					model = slices.Delete(model, i, i+1)
				}
			case 1: // the oldest, as collecting does
				if len(model) > 0 {
					q.remove(model[0])
					model = slices.Delete(model, 0, 1)
				}
			default:
				q.add(c)
				if !known {
					model = slices.Insert(model, i, c)
				}
			}
			checkModel(t, &q, model, c)
		}
	})
}

func checkModel(t *rapid.T, q *queue, model []candidate, c candidate) {
	if _, want := slices.BinarySearchFunc(model, c, candidate.compare); q.has(c) != want || q.len() != len(model) {
		t.Fatalf("%d candidates, want %d; %v is there: %v", q.len(), len(model), c, q.has(c))
	}
	oldest, ok := q.oldest()
	if ok != (len(model) > 0) || ok && oldest.compare(model[0]) != 0 {
		t.Fatalf("the oldest is %v, want one of %v", oldest, model)
	}
	n, upTo := q.count(c.time, 5)
	want, wantUpTo := 0, txn.Timestamp(0)
	for _, d := range model {
		if d.time <= c.time && want < 5 {
			want, wantUpTo = want+1, d.time
		}
	}
	if n != want || upTo != wantUpTo {
		t.Fatalf("counted %d up to %d, want %d up to %d", n, upTo, want, wantUpTo)
	}
	if live := q.list[q.first:]; len(live) > 0 && (live[0].gone || live[len(live)-1].gone) || !slices.IsSortedFunc(live, candidate.compare) {
		t.Fatalf("the list is %v", live)
	}
}

// The list of a queue that moves forward for ever keeps its room.
func TestQueueKeepsItsRoom(t *testing.T) {
	q, c := newQueue(), &chain{}
	for now := range 100_000 {
		q.add(candidate{time: txn.Timestamp(now), chain: c})
		if now >= 100 {
			oldest, _ := q.oldest()
			q.remove(oldest)
		}
	}
	if cap(q.list) > 1000 || q.late.Len() != 0 {
		t.Errorf("room for %d, %d late, for 100 candidates", cap(q.list), q.late.Len())
	}
	for now := range 100_000 {
		q.add(candidate{time: txn.Timestamp(1_000_000 + now), chain: c})
	}
	for q.len() > 10 {
		oldest, _ := q.oldest()
		q.remove(oldest)
	}
	for now := range 200_000 {
		q.add(candidate{time: txn.Timestamp(2_000_000 + now), chain: c})
		oldest, _ := q.oldest()
		q.remove(oldest)
	}
	if cap(q.list) > 1000 {
		t.Errorf("room for %d is kept for 10 candidates", cap(q.list))
	}
}

// A candidate that came late is not doubled when it is added again after the list has become shorter, and what comes near the
// end of the list needs no tree.
func TestQueueKnowsWhatCameLate(t *testing.T) {
	q := newQueue()
	of := func(time int, key string) candidate {
		return candidate{time: txn.Timestamp(time), chain: &chain{key: []byte(key)}}
	}
	for i := range 2 * near {
		q.add(of(i, "k"))
	}
	late, soon := of(5, "late"), of(2*near-2, "soon")
	q.add(late)
	q.add(soon)
	if q.late.Len() != 1 || !q.has(late) || !q.has(soon) {
		t.Fatalf("%d in the tree, want the one that is far from the end of the list", q.late.Len())
	}
	for i := 2*near - 1; i > 10; i-- {
		q.remove(of(i, "k"))
	}
	q.remove(soon)
	before := q.len()
	q.add(late)
	if q.len() != before {
		t.Errorf("%d candidates, of which one twice", q.len())
	}
}
