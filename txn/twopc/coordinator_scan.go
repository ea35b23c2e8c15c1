package twopc

import (
	"cmp"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Page asks one group for one page of a scan. The nonce is the coordinator's.
type Page struct {
	Group wire.GroupID
	txn.ScanRequest
}

// Scan asks for one page of each of some groups, at most one of a group. The completion has the pages in the
// order in which they were asked for. Keys are spread over all groups: a caller that wants a range asks all of
// them, merges, and goes on with the rest of a group when it has come to the end of the group's page.
func (c *Coordinator) Scan(now wire.Time, token uint64, pages []Page) {
	defer c.check()
	if !c.admit(token, 0) {
		return
	}
	g := c.newGather(token, 0)
	g.pages = make([]txn.ScanReply, len(pages))
	for i := range pages {
		k := c.gathers(g, wire.KindScan, pages[i].Group)
		request := pages[i].ScanRequest
		request.Nonce = k.nonce
		k.body = txn.ScanRequestBody.Append(k.body, &request)
		k.slots = append(k.slots, i)
	}
	c.startGather(now, g, ResultValues)
}

func (c *Coordinator) onPage(now wire.Time, from Target, body []byte) {
	var r txn.ScanReply
	if txn.ScanReplyBody.Decode(body, &r) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if k := c.pending(wire.KindScan, r.Nonce, from); k != nil {
		k.gather.pages[k.slots[0]] = r
		c.answer(now, k, from, ResultValues)
	}
}

// CommitScanned is [Coordinator.Commit] for a transaction that scanned: scanned holds, per group, the ranges
// that it saw there, and work everything else.
func (c *Coordinator) CommitScanned(now wire.Time, token uint64, work txn.Work, scanned []Part) {
	if len(work.Ranges) > 0 {
		panic("twopc: the ranges of a transaction must be given by shard")
	}
	parts := c.split(&work)
	for _, s := range scanned {
		i := slices.IndexFunc(parts, func(p Part) bool { return p.Group == s.Group })
		if i < 0 {
			i = len(parts)
			parts = append(parts, Part{Group: s.Group})
		}
		parts[i].Work.Ranges = append(parts[i].Work.Ranges, s.Work.Ranges...)
	}
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Group, b.Group) })
	c.CommitParts(now, token, parts)
}
