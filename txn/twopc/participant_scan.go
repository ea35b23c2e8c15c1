package twopc

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

const (
	// pageBytes is what the answer itself takes, its longest Next included, and pairBytes what MessagePack
	// adds to a pair.
	pageBytes = txn.MaxBoundBytes + 64
	pairBytes = 16
)

func (p *Participant) takeScan(now wire.Time, from wire.Addr, body []byte) {
	var r txn.ScanRequest
	err := txn.ScanRequestBody.Decode(body, &r)
	q := p.question(now, wire.KindScan, from, r.Nonce)
	q.scan, q.time = &r, r.Time
	if err != nil {
		p.refuseQuestion(q, *malformed("%v", err))
		return
	}
	var bad *fault
	if err := txn.CheckBounds(r.Start, r.End); err != nil {
		bad = faultOf(err)
	}
	p.take(q, bad, false)
}

// askScan answers with a page. One that would be empty because the very first key awaits an outcome waits for
// it as a read does.
func (p *Participant) askScan(q *question, w *waiter) {
	page, blocked := p.page(q.scan)
	if blocked != nil {
		p.awaitOutcome(p.waiterOf(q, w), blocked)
		return
	}
	p.answered(q.kind, q.since)
	p.reply(q.from, wire.KindScanReply, txn.ScanReplyBody.Append(nil, &page))
}

// page gathers what the store holds of a range between two ops, up to the first key that awaits an outcome.
// If that leaves nothing to tell, it returns the key.
func (p *Participant) page(s *txn.ScanRequest) (page txn.ScanReply, blocked []byte) {
	page = txn.ScanReply{Nonce: s.Nonce, At: txn.After(p.applied)}
	start, end := s.Start, s.End
	lock, locked := p.unsettledIn(s)
	if locked {
		stopBefore(&page, s, lock)
		if s.Reverse {
			start = page.Next
		} else {
			end = page.Next
		}
	}
	full := p.fill(&page, s, start, end)
	if locked && !full && len(page.Pairs) == 0 {
		return page, lock
	}
	return page, nil
}

// fill adds the pairs of a range, and reports whether the page was full before the range ended. There is room
// for one pair, however large.
func (p *Participant) fill(page *txn.ScanReply, s *txn.ScanRequest, start, end []byte) (full bool) {
	time, limit := s.Time, int(s.Limit)
	if time == 0 {
		time = mvcc.Now
	}
	if limit == 0 {
		limit = txn.MaxScanVisits
	}
	visits, room := 0, txn.MaxPageBytes-pageBytes
	for key, v := range p.store.Walk(start, end, time, s.Reverse) {
		if !v.Deleted {
			room -= pairBytes + len(key) + len(v.Value)
		}
		full := room < 0 && len(page.Pairs) > 0 || len(page.Pairs) == limit
		if visits == txn.MaxScanVisits || !v.Deleted && full {
			stopBefore(page, s, key)
			return true
		}
		visits++
		if !v.Deleted {
			page.Pairs = append(page.Pairs, txn.Pair{Key: key, Value: v.Value})
		}
	}
	return false
}

// stopBefore ends a page before a key.
func stopBefore(page *txn.ScanReply, s *txn.ScanRequest, key []byte) {
	page.More, page.Next = true, key
	if s.Reverse {
		page.Next = txn.Behind(key)
	}
}

// unsettledIn returns the first key in the direction of a scan whose value awaits an outcome.
func (p *Participant) unsettledIn(s *txn.ScanRequest) (key []byte, found bool) {
	if mutant.On("scan-ignores-prepared") {
		return nil, false
	}
	for key, writer := range p.locks.Writes(s.Start, s.End, s.Reverse) {
		if p.votedBy(writer, s.Time) {
			return key, true
		}
	}
	return nil, false
}
