package twopc

import (
	"encoding/binary"
	"fmt"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

// maxImageItem bounds one item of an image in bytes: the longest is the record of a prepared transaction,
// whose body may grow by a small factor when it is written anew, but for its values.
const maxImageItem = 2 * txn.MaxCommandBytes

// Staging is an image that arrives, kept aside until it is complete. What it holds at most is told by its
// head.
type Staging struct {
	head    imageHead
	begun   bool // the head is there
	m       machine
	pending []byte       // the beginning of an item whose rest has not come
	version imageVersion // being decoded: here it need not be allocated
	session *session
	// versions and sessions count what has come.
	versions, sessions int
}

// Stage begins an image that may replace this participant's state. The participant itself is not touched
// before [Participant.Adopt].
func (p *Participant) Stage() *Staging { return &Staging{m: newMachine(p.realm)} }

// Add takes the next bytes of the stream. After an error the staging is of no more use.
func (g *Staging) Add(data []byte) error {
	g.pending = append(g.pending, data...)
	rest := g.pending
	for {
		length, n := binary.Uvarint(rest)
		switch {
		case n < 0 || length > maxImageItem || n > 0 && length == 0:
			return fmt.Errorf("%w: an item of %d bytes", ErrImage, length)
		case n == 0 || length > uint64(len(rest)-n):
			if len(rest) < len(g.pending) {
				g.pending = append(g.pending[:0], rest...)
			}
			return nil
		}
		if err := g.take(rest[n : n+int(length)]); err != nil {
			return err
		}
		rest = rest[n+int(length):]
	}
}

// take takes one item. The head comes first, and once.
func (g *Staging) take(item []byte) error {
	kind, body := item[0], item[1:]
	if (kind == itemHead) == g.begun {
		return fmt.Errorf("%w: the head is not where it belongs", ErrImage)
	}
	switch kind {
	case itemHead:
		return g.takeHead(body)
	case itemVersion:
		return g.takeVersion(body)
	case itemSession:
		return g.takeSession(body)
	case itemRecord:
		return g.takeRecord(body)
	}
	return fmt.Errorf("%w: an item of kind %d", ErrImage, kind)
}

func (g *Staging) takeHead(body []byte) error {
	if err := wire.DecodeValue(body, &g.head); err != nil {
		return fmt.Errorf("%w: head: %w", ErrImage, err)
	}
	h := &g.head
	g.begun = true
	g.m.applied, g.m.clock, g.m.unreadable, g.m.alarms, g.m.counted = h.Op, h.Clock, h.Unreadable, h.Alarms, h.Counted
	g.m.store.LoadFloor(txn.Position{Op: h.FloorOp, Index: h.FloorIndex})
	g.m.store.LoadHorizon(h.Horizon)
	return nil
}

func (g *Staging) takeVersion(body []byte) error {
	g.version = imageVersion{}
	v := &g.version
	if err := wire.DecodeValue(body, v); err != nil {
		return fmt.Errorf("%w: version: %w", ErrImage, err)
	}
	g.versions++
	if g.versions > g.head.Versions || g.sessions > 0 {
		return fmt.Errorf("%w: a version too many", ErrImage)
	}
	at := txn.Position{Op: v.Op, Index: v.Index}
	if err := g.m.store.Load(v.Key, mvcc.Version{At: at, Time: v.Time, Value: v.Value, Deleted: v.Deleted}); err != nil {
		return fmt.Errorf("%w: %w", ErrImage, err)
	}
	return nil
}

func (g *Staging) takeSession(body []byte) error {
	var s imageSession
	if err := wire.DecodeValue(body, &s); err != nil {
		return fmt.Errorf("%w: session: %w", ErrImage, err)
	}
	g.sessions++
	if g.sessions > g.head.Sessions || g.session != nil && s.Client <= g.session.client {
		return fmt.Errorf("%w: a session too many", ErrImage)
	}
	g.session = s.session()
	g.m.sessions[s.Client] = g.session
	g.m.sum += g.session.digest()
	if g.session.reserved {
		g.m.reserved++
	}
	return nil
}

func (g *Staging) takeRecord(body []byte) error {
	var i imageRecord
	if err := wire.DecodeValue(body, &i); err != nil {
		return fmt.Errorf("%w: record: %w", ErrImage, err)
	}
	s := g.session
	if s == nil || g.m.records >= g.head.Records || len(s.records) > 0 && i.Seq <= s.records[len(s.records)-1].id.Seq {
		return fmt.Errorf("%w: a record too many", ErrImage)
	}
	r, err := i.record(s.client)
	if err != nil {
		return err
	}
	g.m.enter(s, r)
	if r.id.Seq < s.floor() && r.needed() && r.prepare == nil {
		g.m.orphans.Set(r.id)
	}
	if r.prepare != nil && !mutant.On("image-without-locks") {
		g.m.locks.Lock(r.id, &r.prepare.Work)
	}
	return nil
}

// Op is the last op that the staged state holds, once its head is there.
func (g *Staging) Op() wire.Op { return g.head.Op }

// Complete reports with an error what is missing or wrong, after the last piece: the state must have the
// hash that its source had.
func (g *Staging) Complete() error {
	switch {
	case !g.begun || len(g.pending) > 0:
		return fmt.Errorf("%w: cut short", ErrImage)
	case g.versions != g.head.Versions || g.sessions != g.head.Sessions || g.m.records != g.head.Records:
		return fmt.Errorf("%w: %d versions, %d sessions, %d records of %d, %d, %d", ErrImage,
			g.versions, g.sessions, g.m.records, g.head.Versions, g.head.Sessions, g.head.Records)
	case g.m.hash() != g.head.Hash:
		return fmt.Errorf("%w: the state after op %d has another hash than its source", ErrImage, g.head.Op)
	}
	return nil
}

// Adopt replaces the whole applied state by a complete staged one, which belongs to the participant from
// then on. State never goes back, and a leader's never needs replacing: both would be bugs.
func (p *Participant) Adopt(g *Staging) {
	if p.role == leading || g.head.Op < p.applied {
		panic(fmt.Sprintf("twopc: the state after op %d replaces that after op %d, leading %v", g.head.Op, p.applied, p.role == leading))
	}
	if err := g.Complete(); err != nil {
		panic(err)
	}
	realm := p.realm
	p.machine = g.m
	p.realm = realm
	p.leave(p.role, p.view)
}
