package twopc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// scan asks for one page and returns it, or reports false while it waits.
func (o *one) scan(r txn.ScanRequest) (page txn.ScanReply, ok bool) {
	o.t.Helper()
	o.replies = nil
	o.puts++
	r.Nonce = o.puts
	o.send(wire.KindScan, enc(&r))
	return o.page()
}

// page returns the page that came last.
func (o *one) page() (page txn.ScanReply, ok bool) {
	o.t.Helper()
	if len(o.replies) == 0 {
		return page, false
	}
	r := o.replies[len(o.replies)-1]
	if err := txn.ScanReplyBody.Decode(r.Body, &page); r.Kind != wire.KindScanReply || err != nil {
		o.t.Fatalf("%v: %v, want a page", r.Kind, err)
	}
	return page, true
}

// pageText renders a page: its keys, and where the next one begins.
func pageText(page txn.ScanReply) string {
	var b strings.Builder
	for _, p := range page.Pairs {
		b.Write(p.Key)
		b.WriteByte(' ')
	}
	if page.More {
		fmt.Fprintf(&b, "…%s", bytes.ReplaceAll(page.Next, []byte{0}, []byte{'+'}))
	}
	return b.String()
}

// filled is a shard with some keys; d is deleted.
func filled(t *testing.T) *one {
	o := newOne(t)
	o.want(o.status(wire.KindSubmit, submit(1, writes("a", "b", "c", "d", "e"))), txn.StatusCommitted, "fill")
	o.want(o.status(wire.KindSubmit, submit(2, deletes("d"))), txn.StatusCommitted, "delete")
	return o
}

func TestAScanIsPagedInBothDirections(t *testing.T) {
	o := filled(t)
	for _, c := range []struct {
		r    txn.ScanRequest
		want string
	}{
		{txn.ScanRequest{}, "a b c e "},
		{txn.ScanRequest{Reverse: true}, "e c b a "},
		{txn.ScanRequest{Start: []byte("b"), End: []byte("e")}, "b c "},
		{txn.ScanRequest{Start: []byte("b"), End: []byte("e"), Reverse: true}, "c b "},
		{txn.ScanRequest{Limit: 2}, "a b …c"},
		{txn.ScanRequest{Limit: 3}, "a b c …e"},
		{txn.ScanRequest{Limit: 4}, "a b c e "},
		{txn.ScanRequest{Limit: 2, Reverse: true}, "e c …b+"},
		{txn.ScanRequest{Start: []byte("x")}, ""},
		{txn.ScanRequest{Start: []byte("c"), End: []byte("b")}, ""},
	} {
		page, ok := o.scan(c.r)
		if !ok || pageText(page) != c.want || page.At != txn.After(o.Applied()) {
			t.Errorf("%+v: %q at %v, want %q", c.r, pageText(page), page.At, c.want)
		}
	}
}

// Pages of any size, put together, are the range, and what they cover is all of it and nothing twice.
func TestPagesMakeUpTheRange(t *testing.T) {
	o := filled(t)
	for limit := uint32(1); limit < 6; limit++ {
		for _, reverse := range []bool{false, true} {
			r := txn.ScanRequest{Limit: limit, Reverse: reverse, Start: []byte("a"), End: []byte("z")}
			var keys []string
			var covered []txn.Range
			for more := true; more; {
				page, ok := o.scan(r)
				if !ok {
					t.Fatal("it waits")
				}
				for _, p := range page.Pairs {
					keys = append(keys, string(p.Key))
				}
				covered = append(covered, page.Covered(&r))
				more = page.More
				r = page.Rest(r)
			}
			if reverse {
				slices.Reverse(keys)
				slices.Reverse(covered)
			}
			if got := strings.Join(keys, ""); got != "abce" {
				t.Errorf("limit %d, reverse %v: %q", limit, reverse, got)
			}
			at := "a"
			for _, c := range covered {
				if string(c.Start) != at {
					t.Errorf("limit %d, reverse %v: %q is not covered", limit, reverse, at)
				}
				at = string(c.End)
			}
			if at != "z" {
				t.Errorf("limit %d, reverse %v: covered up to %q", limit, reverse, at)
			}
		}
	}
}

// A page fits a datagram, unless one pair alone is larger: then it is one pair.
func TestAPageIsSmall(t *testing.T) {
	o := newOne(t)
	for i := range uint64(5) {
		key := []byte(fmt.Sprint("k", i, strings.Repeat("x", txn.MaxKeyBytes-2)))
		w := txn.Work{Writes: []txn.Write{{Key: key, Value: make([]byte, txn.MaxValueBytes)}}}
		o.want(o.status(wire.KindSubmit, submit(1+i, w)), txn.StatusCommitted, "put")
	}
	r, n := txn.ScanRequest{Reverse: true}, 0
	for more := true; more; n++ {
		page, ok := o.scan(r)
		if !ok || len(page.Pairs) != 1 || len(o.replies[0].Body) > wire.MaxStreamBody {
			t.Fatalf("%d pairs in %d bytes", len(page.Pairs), len(o.replies[0].Body))
		}
		more, r = page.More, page.Rest(r)
	}
	if n != 5 {
		t.Errorf("%d pages", n)
	}
	for i := range uint64(100) {
		w := txn.Work{Writes: []txn.Write{{Key: fmt.Appendf(nil, "s%02d", i), Value: make([]byte, 2000)}}}
		o.want(o.status(wire.KindSubmit, submit(10+i, w)), txn.StatusCommitted, "put")
	}
	page, ok := o.scan(txn.ScanRequest{Start: []byte("s")})
	if size := len(o.replies[0].Body); !ok || len(page.Pairs) < 20 || size > txn.MaxPageBytes {
		t.Errorf("%d small pairs in %d bytes", len(page.Pairs), size)
	}
}

// A page that meets nothing but deleted keys ends somewhere, so that it takes bounded time.
func TestAPageOfTombstonesEnds(t *testing.T) {
	o := newOne(t)
	for i := range uint64(2 * txn.MaxScanVisits / 512) {
		var w txn.Work
		for k := range 512 {
			w.Writes = append(w.Writes, txn.Write{Key: fmt.Appendf(nil, "%06d", 512*int(i)+k), Delete: true})
		}
		o.want(o.status(wire.KindSubmit, submit(1+i, w)), txn.StatusCommitted, "delete")
	}
	first, _ := o.scan(txn.ScanRequest{})
	second, ok := o.scan(first.Rest(txn.ScanRequest{}))
	if !ok || pageText(first) != fmt.Sprintf("…%06d", txn.MaxScanVisits) || pageText(second) != "" {
		t.Errorf("%q, then %q", pageText(first), pageText(second))
	}
}

func TestAScanWaitsForPreparedWritesInItsRange(t *testing.T) {
	o := filled(t)
	o.want(o.status(wire.KindPrepare, prepare(3, join(writes("bb"), deletes("c")))), txn.StatusYes, "prepare")
	for _, c := range []struct {
		r    txn.ScanRequest
		want string
	}{
		{txn.ScanRequest{}, "a b …bb"},
		{txn.ScanRequest{Reverse: true}, "e …c+"},
		{txn.ScanRequest{Start: []byte("d")}, "e "},
		{txn.ScanRequest{Limit: 1}, "a …b"},
		{txn.ScanRequest{End: []byte("bb")}, "a b "},
	} {
		if page, ok := o.scan(c.r); !ok || pageText(page) != c.want {
			t.Errorf("%+v: %q, want %q", c.r, pageText(page), c.want)
		}
	}
	if page, ok := o.scan(txn.ScanRequest{Start: []byte("ba")}); ok {
		t.Fatalf("a scan that begins with a prepared write is told %q", pageText(page))
	}
	o.replies = nil
	o.log(Command(wire.KindCommit, commit(3)))
	if page, ok := o.page(); !ok || pageText(page) != "bb e " {
		t.Errorf("after the commit: %q", pageText(page))
	}
}

func TestAScanThatWaitsTooLongIsRefused(t *testing.T) {
	o := filled(t)
	o.want(o.status(wire.KindPrepare, prepare(3, writes("a"))), txn.StatusYes, "prepare")
	if _, ok := o.scan(txn.ScanRequest{}); ok {
		t.Fatal("it does not wait")
	}
	o.now = o.now.Add(defaultReadBound)
	o.Tick(o.now)
	o.gather()
	if r := o.refusal(o.replies[0]); r.Reason != txn.ReasonWaited || r.Kind != wire.KindScan || r.Nonce != o.puts {
		t.Errorf("%+v", r)
	}
}

func TestAScanIsRefusedForItsBounds(t *testing.T) {
	o := newOne(t)
	long := make([]byte, txn.MaxBoundBytes+1)
	if r := o.refusal(o.do(wire.KindScan, enc(&txn.ScanRequest{End: long}))); r.Reason != txn.ReasonTooLarge {
		t.Errorf("%+v", r)
	}
	if r := o.refusal(o.do(wire.KindScan, []byte{0xc1})); r.Reason != txn.ReasonMalformed {
		t.Errorf("%+v", r)
	}
	o.Follow(4)
	o.gather()
	if r := o.refusal(o.do(wire.KindScan, enc(&txn.ScanRequest{}))); r.Reason != txn.ReasonNotLeader {
		t.Errorf("%+v", r)
	}
}

// What a scan saw is validated as its pages recorded it: a phantom in a page's part after the page's moment is a
// conflict, one before it or outside is none.
func TestPhantomsFailValidation(t *testing.T) {
	o := filled(t)
	r := txn.ScanRequest{Limit: 2, End: []byte("f")}
	page, _ := o.scan(r)
	seen := txn.Work{Ranges: []txn.Range{page.Covered(&r)}}
	o.want(o.status(wire.KindSubmit, submit(3, writes("dd"))), txn.StatusCommitted, "behind the page")
	o.want(o.status(wire.KindSubmit, submit(4, join(seen, writes("x")))), txn.StatusCommitted, "with what is behind the page changed")
	o.want(o.status(wire.KindSubmit, submit(5, writes("bb"))), txn.StatusCommitted, "phantom")
	o.want(o.status(wire.KindSubmit, submit(6, join(seen, writes("x")))), txn.StatusNo, "with a phantom")
	rest := page.Rest(r)
	page, _ = o.scan(rest)
	seen = txn.Work{Ranges: []txn.Range{page.Covered(&rest)}}
	o.want(o.status(wire.KindSubmit, submit(7, deletes("dd"))), txn.StatusCommitted, "delete")
	o.want(o.status(wire.KindSubmit, submit(8, join(seen, writes("x")))), txn.StatusNo, "with a key gone")
}
