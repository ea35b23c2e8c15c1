package sim

import (
	"slices"
	"strconv"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// A set is kept among a few keys, and may never have more than so many members. Who adds one has scanned the
// keys and found room: two that do so at a time write different keys and read none in common, so that only the
// validation of ranges keeps them apart.
const (
	candidates = 8
	maxMembers = 3
)

func member(i int) string { return "m" + strconv.Itoa(i) }

// allMembers is the range of the candidates.
var allMembers = txn.ScanRequest{Start: []byte("m"), End: []byte("n")}

// enrol adds a member if there is room, or removes one, or only looks.
func (c *client) enrol() {
	a := c.begin()
	a.scan(func() {
		var in, out []string
		for i := range candidates {
			if a.value[member(i)].Present {
				in = append(in, member(i))
			} else {
				out = append(out, member(i))
			}
		}
		r := c.s.w.rand
		switch {
		case len(in) > maxMembers:
			a.forbidden = "a transaction that scanned more members than there may be"
		case r.Intn(4) == 0: // only looks
		case len(in) == maxMembers || len(in) > 0 && r.Intn(3) == 0:
			a.delete(in[r.Intn(len(in))])
		default:
			a.put(out[r.Intn(len(out))], c.unique())
		}
		a.commit()
	})
}

// scan scans the candidates and goes on with then, unless it failed. In the history it is a read of every
// candidate.
func (a *attempt) scan(then func()) {
	found := map[string]string{}
	a.c.scanPages(a.c.membersAt(0), found, a.note, func(done twopc.Completion) {
		if done.Result != twopc.ResultValues {
			a.end(check.Aborted)
			return
		}
		for i := range candidates {
			data, present := found[member(i)]
			value := check.Value{Present: present, Data: data}
			a.value[member(i)] = value
			a.txn.Ops = append(a.txn.Ops, check.Read(member(i), value))
		}
		then()
	})
}

// membersAt asks all groups for the candidates, in small pages and in either direction.
func (c *client) membersAt(at txn.Timestamp) (pages []twopc.Page) {
	request := allMembers
	request.Time = at
	request.Limit, request.Reverse = uint32(1+c.s.w.rand.Intn(4)), c.s.w.rand.Intn(2) == 0
	for g := range c.s.c.plan.Groups {
		pages = append(pages, twopc.Page{Group: wire.GroupID(g), ScanRequest: request})
	}
	return pages
}

// scanPages asks for pages, and for what they leave, until there is no more or one is not answered.
func (c *client) scanPages(pages []twopc.Page, found map[string]string, note func(wire.GroupID, txn.Range), then func(twopc.Completion)) {
	token := c.await(func(done twopc.Completion) {
		var more []twopc.Page
		for i := range done.Pages {
			page := &done.Pages[i]
			note(pages[i].Group, page.Covered(&pages[i].ScanRequest))
			for _, p := range page.Pairs {
				if _, twice := found[string(p.Key)]; twice {
					c.s.w.fail("client %d: a scan shows %q twice", c.id, p.Key)
				}
				found[string(p.Key)] = string(p.Value)
			}
			if page.More {
				more = append(more, twopc.Page{Group: pages[i].Group, ScanRequest: page.Rest(pages[i].ScanRequest)})
			}
		}
		if len(more) > 0 {
			c.scanPages(more, found, note, then)
			return
		}
		then(done)
	})
	c.coord.Scan(c.now(), token, pages)
	c.plan()
}

// note records what was scanned at a group.
func (a *attempt) note(g wire.GroupID, r txn.Range) {
	i := slices.IndexFunc(a.scanned, func(p twopc.Part) bool { return p.Group == g })
	if i < 0 {
		i = len(a.scanned)
		a.scanned = append(a.scanned, twopc.Part{Group: g})
	}
	a.scanned[i].Work.Ranges = append(a.scanned[i].Work.Ranges, r)
}
