package txn

import "github.com/anodekv/anode/paxos/wire"

// Limits on scans.
const (
	// MaxBoundBytes bounds the ends of a range. The place right behind the longest key is one byte longer
	// than the key.
	MaxBoundBytes = MaxKeyBytes + 1
	// MaxScanVisits bounds the keys that one page of a scan looks at, deleted ones included, and with it
	// the time that a page takes.
	MaxScanVisits = 4096
	// MaxPageBytes bounds a page of a scan, unless one pair alone is larger: what is asked for in pages
	// should not keep others waiting, and small pages travel fast.
	MaxPageBytes = wire.MaxBody - 1024
)

// ScanRequest asks a leader for the keys Start <= k < End of its shard, in order, and their newest committed
// values. An empty End means no upper bound. The answer is a page: it may cover less than the range.
type ScanRequest struct {
	// Nonce pairs the answer with the request; it is the client's own.
	Nonce      uint64
	Start, End []byte
	// Limit bounds the pairs of the page. Zero leaves it to the shard.
	Limit uint32
	// Reverse begins at the end of the range and goes down.
	Reverse bool
	// Time, if not zero, asks for the values as they were then; see [ReadRequest].
	Time Timestamp
}

// Pair is a key with its value.
type Pair struct{ Key, Value []byte }

// ScanReply answers a [ScanRequest] with one page.
//
// The page covers Start <= k < Next of the request's range, or Next <= k < End of a reverse one, all of it as
// it stood at At. It is the whole range unless More is set: then the next page is the same request with Start,
// or End, moved to Next. A page ends where it is full, and before a key whose value awaits the outcome of a
// transaction.
type ScanReply struct {
	Nonce uint64
	At    Position
	Pairs []Pair
	More  bool
	Next  []byte
}

// Covered is the part of the request's range that the page tells about, for validation.
func (r *ScanReply) Covered(q *ScanRequest) Range {
	covered := Range{Start: q.Start, End: q.End, At: r.At}
	switch {
	case !r.More:
	case q.Reverse:
		covered.Start = r.Next
	default:
		covered.End = r.Next
	}
	return covered
}

// Rest is the request for what the page does not tell about. It makes sense only if there is More.
func (r *ScanReply) Rest(q ScanRequest) ScanRequest {
	if q.Reverse {
		q.End = r.Next
	} else {
		q.Start = r.Next
	}
	return q
}

// Behind is the place right behind a key: nothing lies between.
func Behind(key []byte) []byte { return append(append(make([]byte, 0, len(key)+1), key...), 0) }

// The bodies of scans.
var (
	ScanRequestBody = wire.Define[ScanRequest](wire.KindScan)
	ScanReplyBody   = wire.Define[ScanReply](wire.KindScanReply)
)
