package client

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

const (
	// firstPage is for how many keys each shard is asked at first by a scan without a limit: most scans are
	// short, and every shard has to be asked. Later pages grow, up to what fits an answer.
	firstPage = 128
	// maxPages bounds the pages of one shard that a scan keeps apart for validation. What comes later is
	// taken together, as if all of it had been seen when the first of it was.
	maxPages = 64
)

// walk goes through a range of keys, in the order of all keys, while each shard holds some of them.
type walk struct {
	c          *Client
	reverse    bool
	start, end string // an empty end is no bound
	streams    []stream
	// passed is the last key that was shown, or hidden because the transaction deleted it; begun says that
	// there is one.
	passed string
	begun  bool
	// ended: there is nothing beyond passed.
	ended bool
}

// stream is one shard's part of a walk.
type stream struct {
	pairs []txn.Pair // fetched and not yet passed
	// rest asks for what has not been fetched, if there is more.
	rest twopc.Page
	more bool
	// pages are the parts of the range that were fetched, each with the position at which it was so.
	pages []txn.Range
}

// walk begins to go through a range, now or as it was at a time.
func (c *Client) walk(opts *ScanOptions, at txn.Timestamp) (*walk, error) {
	if n := max(len(opts.Prefix), len(opts.Start), len(opts.End)); n > txn.MaxKeyBytes {
		return nil, newError("scan", "", ErrTooLarge, &txn.LimitError{What: "the bound of a scan", Unit: "bytes", Size: n, Limit: txn.MaxKeyBytes})
	}
	w := &walk{c: c, reverse: opts.Reverse}
	w.start, w.end = opts.bounds()
	if w.end != "" && w.start >= w.end {
		return w, nil // no key is in it
	}
	request := txn.ScanRequest{
		Start: []byte(w.start), End: []byte(w.end), Reverse: w.reverse, Time: at, Limit: firstPage,
	}
	if opts.Limit > 0 {
		request.Limit = uint32(min(opts.Limit, txn.MaxScanVisits))
	}
	for g := range c.loop.addrs {
		w.streams = append(w.streams, stream{more: true, rest: twopc.Page{Group: wire.GroupID(g), ScanRequest: request}})
	}
	return w, nil
}

// bounds is the one range that all three bounds leave.
func (o *ScanOptions) bounds() (start, end string) {
	start, end = max(o.Start, o.Prefix), o.End
	if last := behindPrefix(o.Prefix); last != "" && (end == "" || last < end) {
		end = last
	}
	return start, end
}

// behindPrefix is the lowest string above all that begin with a prefix, or empty if there is none.
func behindPrefix(prefix string) string {
	b := bytes.TrimRight([]byte(prefix), "\xff")
	if len(b) == 0 {
		return ""
	}
	b[len(b)-1]++
	return string(b)
}

// before tells whether the walk comes to a before it comes to b.
func (w *walk) before(a, b string) bool {
	if w.reverse {
		return a > b
	}
	return a < b
}

// head returns the next pair that any shard holds, or nil at the end. It stays there until it is passed.
func (w *walk) head(ctx context.Context) (*txn.Pair, error) {
	if err := w.fetch(ctx); err != nil {
		return nil, err
	}
	var first *txn.Pair
	for i := range w.streams {
		if s := &w.streams[i]; len(s.pairs) > 0 && (first == nil || w.before(string(s.pairs[0].Key), string(first.Key))) {
			first = &s.pairs[0]
		}
	}
	return first, nil
}

// fetch sees to it that every stream which has more has something to show: only then is the first of all known.
func (w *walk) fetch(ctx context.Context) error {
	for {
		var pages []twopc.Page
		var of []*stream
		for i := range w.streams {
			if s := &w.streams[i]; s.more && len(s.pairs) == 0 {
				pages, of = append(pages, s.rest), append(of, s)
			}
		}
		if len(pages) == 0 {
			return nil
		}
		replies, err := w.c.pages(ctx, pages)
		if err != nil {
			return err
		}
		for i, s := range of {
			s.take(&replies[i])
		}
	}
}

// take takes in the page that rest asked for.
func (s *stream) take(page *txn.ScanReply) {
	s.pairs, s.more = page.Pairs, page.More
	s.note(page.Covered(&s.rest.ScanRequest))
	s.rest.ScanRequest = page.Rest(s.rest.ScanRequest)
	s.rest.Limit = min(4*s.rest.Limit, txn.MaxScanVisits)
}

// note adds what a page covered to what was seen, behind the page before it. Two pages of one moment are one; and
// to say of a page that it was seen earlier than it was is safe, for validation then demands more.
func (s *stream) note(r txn.Range) {
	last := len(s.pages) - 1
	if last < 0 || s.pages[last].At != r.At && len(s.pages) < maxPages {
		s.pages = append(s.pages, r)
		return
	}
	p := &s.pages[last]
	if s.rest.Reverse {
		p.Start = r.Start
	} else {
		p.End = r.End
	}
	if r.At.Compare(p.At) < 0 {
		p.At = r.At
	}
}

// pass moves the walk on to a key: the head of a stream, a key of the transaction's own, or both.
func (w *walk) pass(key string) {
	w.passed, w.begun = key, true
	for i := range w.streams {
		if s := &w.streams[i]; len(s.pairs) > 0 && string(s.pairs[0].Key) == key {
			s.pairs = s.pairs[1:]
		}
	}
}

// next returns the next of some keys, which are in ascending order, that the walk has not passed.
func (w *walk) next(keys []string) (key string, ok bool) {
	if w.reverse {
		i := len(keys)
		if w.begun {
			i, _ = slices.BinarySearch(keys, w.passed)
		} else if w.end != "" {
			i, _ = slices.BinarySearch(keys, w.end)
		}
		if i == 0 || keys[i-1] < w.start {
			return "", false
		}
		return keys[i-1], true
	}
	i, found := slices.BinarySearch(keys, max(w.start, w.passed))
	if found && w.begun {
		i++
	}
	if i == len(keys) || w.end != "" && keys[i] >= w.end {
		return "", false
	}
	return keys[i], true
}

// seen is what the walk has shown of a stream, to be validated: nothing beyond the last key that it passed.
func (w *walk) seen(s *stream) []txn.Range {
	if w.ended {
		return s.pages
	}
	if !w.begun {
		return nil
	}
	var seen []txn.Range
	passed, behind := []byte(w.passed), txn.Behind([]byte(w.passed))
	for _, r := range s.pages {
		switch {
		case !w.reverse && (len(r.End) == 0 || bytes.Compare(r.End, behind) > 0):
			r.End = behind
		case w.reverse && bytes.Compare(r.Start, passed) < 0:
			r.Start = passed
		}
		if len(r.End) == 0 || bytes.Compare(r.Start, r.End) < 0 {
			seen = append(seen, r)
		}
	}
	return seen
}

// rest lets go of what was fetched and is not going to be shown.
func (w *walk) rest() {
	for i := range w.streams {
		w.streams[i].pairs = nil
	}
}

// pages fetches one page of each of some shards.
func (c *Client) pages(ctx context.Context, pages []twopc.Page) ([]txn.ScanReply, error) {
	k := c.take(errandScan)
	k.pages = pages
	if err := c.do(ctx, k, "scan", ""); err != nil {
		return nil, err
	}
	defer c.release(k)
	if k.result.Result != twopc.ResultValues {
		return nil, failure("scan", "", &k.result, ctx.Err())
	}
	if len(k.result.Pages) != len(pages) {
		return nil, newError("scan", "", ErrInternal, errors.New("a page is missing"))
	}
	return k.result.Pages, nil
}
