package twopc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

// ErrImage says that bytes are no image of a shard's state, or not the whole of one.
var ErrImage = errors.New("twopc: malformed image")

// Image is the whole applied state of a shard as it stood after one op. The participant goes on meanwhile:
// the store's tree is shared until one side writes, and a session is copied by the participant when it first
// changes after the image was taken ([machine.unshare]).
//
// An image is read as one long stream of items, in pieces of any size. Where a piece ends is told by a
// cursor, from which the stream can be taken up again, at any time and any number of times: whoever sends it
// keeps nothing but the image. Items are cut wherever a piece is full, so that no item is too long to travel.
type Image struct {
	op       wire.Op
	head     imageHead
	store    *mvcc.Reader
	sessions []*session // in ascending order of client
	// cut is the item in which the last piece ended, so that a long one is not encoded for every piece of it.
	cut cutItem
	// room holds the last piece.
	room []byte
}

// Image takes an image of the state as it stands. It costs one pointer per session and nothing per key.
func (p *Participant) Image() *Image {
	m := &p.machine
	m.generation++
	i := &Image{op: m.applied, store: m.store.Snapshot(), sessions: make([]*session, 0, len(m.sessions))}
	for _, s := range m.sessions {
		i.sessions = append(i.sessions, s)
	}
	slices.SortFunc(i.sessions, compareSessions)
	i.head = m.imageHead()
	return i
}

// Op is the last op that the image holds.
func (i *Image) Op() wire.Op { return i.op }

// unshare must come before a client's session, or a record of it, is changed: where an image holds them
// they are copied first.
func (m *machine) unshare(client txn.ClientID) {
	if s := m.sessions[client]; s != nil && s.generation != m.generation && !mutant.On("image-not-frozen") {
		m.sessions[client] = s.clone(m.generation)
	}
}

func (s *session) clone(generation uint64) *session {
	c := *s
	c.generation = generation
	c.records = make([]*record, len(s.records))
	for i, r := range s.records {
		copied := *r
		c.records[i] = &copied
	}
	return &c
}

// Piece returns about budget bytes of the stream from a cursor on, the empty cursor being its beginning, and
// the cursor behind them. The last piece says so. The only error is a cursor that no piece came with. The bytes are
// good until the next call.
func (i *Image) Piece(cursor []byte, budget int) (data, next []byte, last bool, err error) {
	from, err := parseImageCursor(cursor)
	if err != nil {
		return nil, nil, false, err
	}
	w := imageWriter{budget: budget, skip: int(from.Skip), cut: &i.cut, data: i.room[:0]}
	all := i.write(&w, from)
	i.room = w.data
	if all {
		return w.data, nil, true, nil
	}
	return w.data, wire.AppendValue(nil, &w.next), false, nil
}

// write writes the items from a cursor on, and reports whether it came to the end of the image.
func (i *Image) write(w *imageWriter, from imageCursor) bool {
	switch from.Section {
	case sectionHead:
		if !w.item(from, func() any { return &i.head }) {
			return false
		}
		from = imageCursor{Section: sectionVersions}
		fallthrough
	case sectionVersions:
		if !i.writeVersions(w, from) {
			return false
		}
		from = imageCursor{Section: sectionSessions}
		fallthrough
	default:
		return i.writeSessions(w, from)
	}
}

func (i *Image) writeVersions(w *imageWriter, from imageCursor) bool {
	first := int(from.Index)
	for key, versions := range i.store.ChainsFrom(from.Key) {
		for n := first; n < len(versions); n++ {
			v := &versions[n]
			at := imageCursor{Section: sectionVersions, Key: key, Index: uint32(n)}
			if !w.item(at, func() any {
				w.version = imageVersion{key, v.At.Op, v.At.Index, v.Time, v.Deleted, v.Value}
				return &w.version
			}) {
				return false
			}
		}
		first = 0
	}
	return true
}

// writeSessions writes each session, and then its records: index 0 is the session.
func (i *Image) writeSessions(w *imageWriter, from imageCursor) bool {
	at, _ := slices.BinarySearchFunc(i.sessions, &session{client: from.Client}, compareSessions)
	first := int(from.Index)
	for _, s := range i.sessions[at:] {
		for n := first; n <= len(s.records); n++ {
			at := imageCursor{Section: sectionSessions, Client: s.client, Index: uint32(n)}
			picture := func() any { return s.picture() }
			if n > 0 {
				picture = func() any { return s.records[n-1].picture() }
			}
			if !w.item(at, picture) {
				return false
			}
		}
		first = 0
	}
	return true
}

// imageWriter gathers items until a piece is full.
type imageWriter struct {
	budget  int
	skip    int // bytes of the first item that earlier pieces brought
	data    []byte
	scratch []byte       // scratch
	version imageVersion // the same: most items are one
	next    imageCursor
	cut     *cutItem // of the piece before, and then of this one
}

// cutItem is an item, encoded, that stands at a cursor.
type cutItem struct {
	at   imageCursor
	body []byte
}

// of returns what stands at a cursor, or nil.
func (c *cutItem) of(at *imageCursor) []byte {
	if c.at.Section != at.Section || c.at.Client != at.Client || c.at.Index != at.Index || !bytes.Equal(c.at.Key, at.Key) {
		return nil
	}
	return c.body
}

// item writes one item that stands at a cursor, or what fits of it. It reports whether there is room for more.
func (w *imageWriter) item(at imageCursor, picture func() any) bool {
	if len(w.data) >= w.budget {
		w.next = at
		return false
	}
	body := w.cut.of(&at)
	if body == nil || w.skip == 0 {
		item := picture()
		body = wire.AppendValue(append(w.scratch[:0], kindOfItem(item)), item)
		w.scratch = body
	}
	var length [binary.MaxVarintLen64]byte
	head := length[:binary.PutUvarint(length[:], uint64(len(body)))]
	size := len(head) + len(body)
	skip := min(w.skip, size)
	w.skip = 0
	end := min(size, skip+w.budget-len(w.data))
	w.data = appendPart(w.data, head, body, skip, end)
	if end < size {
		*w.cut = cutItem{at, body}
		at.Skip = uint32(end)
		w.next = at
		return false
	}
	return true
}

// appendPart appends the bytes from start to end of head and body, one behind the other.
func appendPart(dst, head, body []byte, start, end int) []byte {
	n := len(head)
	if start < n {
		dst = append(dst, head[start:min(end, n)]...)
	}
	if end > n {
		dst = append(dst, body[max(start-n, 0):end-n]...)
	}
	return dst
}
