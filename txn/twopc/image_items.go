package twopc

import (
	"cmp"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// The sections of an image, in their order.
const (
	sectionHead uint8 = iota
	sectionVersions
	sectionSessions
)

// What an item of an image is; the byte stands before it.
const (
	itemHead uint8 = iota + 1
	itemVersion
	itemSession
	itemRecord
)

// imageCursor is a place in the stream of an image: an item, and how many of its bytes are sent already.
type imageCursor struct {
	Section uint8
	Key     []byte       // among the versions
	Client  txn.ClientID // among the sessions
	Index   uint32       // of the version in its chain; or of the record in its session, from 1
	Skip    uint32
}

func parseImageCursor(b []byte) (c imageCursor, err error) {
	if len(b) == 0 {
		return c, nil
	}
	if err := wire.DecodeValue(b, &c); err != nil {
		return c, fmt.Errorf("%w: cursor: %w", ErrImage, err)
	}
	if c.Section > sectionSessions {
		return c, fmt.Errorf("%w: no section %d", ErrImage, c.Section)
	}
	return c, nil
}

// imageHead opens an image: all that is not counted in items, how many of those follow, and the hash of
// the state, by which the receiver knows that it holds the same.
type imageHead struct {
	Op         wire.Op
	Clock      txn.Timestamp
	FloorOp    wire.Op
	FloorIndex uint32
	Horizon    txn.Timestamp
	Unreadable uint64
	Alarms     uint64
	Counted    LogStats
	Versions   int
	Sessions   int
	Records    int
	Hash       uint64
}

func (m *machine) imageHead() imageHead {
	floor := m.store.Floor()
	return imageHead{
		Op: m.applied, Clock: m.clock, FloorOp: floor.Op, FloorIndex: floor.Index, Horizon: m.store.Horizon(),
		Unreadable: m.unreadable, Alarms: m.alarms, Counted: m.counted,
		Versions: m.store.Stats().Versions, Sessions: len(m.sessions), Records: m.records, Hash: m.hash(),
	}
}

// imageVersion is one version of one key.
type imageVersion struct {
	Key     []byte
	Op      wire.Op
	Index   uint32
	Time    txn.Timestamp
	Deleted bool
	Value   []byte
}

// imageSession is a session without its records, which follow.
type imageSession struct {
	Client  txn.ClientID
	First   uint64
	Op      wire.Op
	Mark    uint64
	Claimed uint64
	Used    txn.Timestamp
	// Reserved: it admits only deletes.
	Reserved bool
}

func (s *session) picture() *imageSession {
	return &imageSession{s.client, s.first, s.op, s.mark, s.claimed, s.used, s.reserved}
}

func (i *imageSession) session() *session {
	return &session{client: i.Client, first: i.First, op: i.Op, mark: i.Mark, claimed: i.Claimed, used: i.Used, reserved: i.Reserved}
}

// imageRecord is a record of the session before it. Prepare is the body of a prepared transaction: its
// locks follow from it. Members are those of a commit that they may still ask for.
type imageRecord struct {
	Seq     uint64
	Hash    uint64
	Status  txn.Status
	Time    txn.Timestamp
	Key     []byte
	Prepare []byte
	Members []Member
	Frozen  bool
}

func (r *record) picture() *imageRecord {
	i := &imageRecord{Seq: r.id.Seq, Hash: r.hash, Status: r.status, Time: r.time, Key: r.key, Frozen: r.frozen}
	if r.prepare != nil {
		i.Prepare = PrepareBody.Append(nil, r.prepare)
	} else {
		i.Members = r.members
	}
	return i
}

func (i *imageRecord) record(client txn.ClientID) (*record, error) {
	r := &record{id: txn.ID{Client: client, Seq: i.Seq}, hash: i.Hash, status: i.Status, time: i.Time, key: i.Key, members: i.Members, frozen: i.Frozen}
	if i.Status != txn.StatusYes {
		return r, nil
	}
	r.prepare = new(Prepare)
	if err := PrepareBody.Decode(i.Prepare, r.prepare); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	r.members = r.prepare.Members
	return r, nil
}

func compareSessions(a, b *session) int { return cmp.Compare(a.client, b.client) }

// kindOfItem is the byte that stands before an item.
func kindOfItem(item any) uint8 {
	switch item.(type) {
	case *imageHead:
		return itemHead
	case *imageVersion:
		return itemVersion
	case *imageSession:
		return itemSession
	case *imageRecord:
		return itemRecord
	}
	panic(fmt.Sprintf("twopc: an image holds no %T", item))
}
