package replica

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn/twopc"
)

// imageIdle is how long an image is held that nobody asks for: far longer than it takes to ask again.
const imageIdle = 2 * wire.Second

// ImageCounts counts the images of the state that one replica sent and received, and their bytes.
type ImageCounts struct {
	// Taken counts images taken for others, Restored those that replaced this replica's state, Dropped those
	// that were thrown away unfinished or unneeded, Wrong those that were not what their source had.
	Taken, Restored, Dropped, Wrong uint64
	BytesOut, BytesIn               uint64
}

// images is a replica's part in the transfer of state: what it holds for others, and what it is being sent.
type images struct {
	// held is the image that others read. It keeps alive what the state has replaced since it was taken, so
	// that there is never more than one.
	held    *twopc.Image
	usedAt  wire.Time
	staging *twopc.Staging
	counts  ImageCounts
}

// transfer carries out what the core wants done about images.
func (e *MultiPaxos) transfer(t Instant, r *paxos.Ready) {
	if r.Unstage {
		e.unstage()
	}
	if len(r.Stage) > 0 {
		e.stage(t, r.Stage)
	}
	for _, request := range r.Images {
		e.send(t, request)
	}
}

// stage keeps parts of an image aside, and tells the core when it is complete.
func (e *MultiPaxos) stage(t Instant, parts []paxos.Staging) {
	for _, s := range parts {
		if s.First {
			e.images.staging = e.participant.Stage()
		}
		g := e.images.staging
		if g == nil {
			continue // a part before it was bad
		}
		e.images.counts.BytesIn += uint64(len(s.Data))
		err := g.Add(s.Data)
		if err == nil && s.Last {
			err = g.Complete()
		}
		if err != nil || s.Last && g.Op() != s.Op {
			e.images.counts.Wrong++
			e.images.staging = nil
		}
	}
	if last := &parts[len(parts)-1]; last.Last || e.images.staging == nil {
		e.core.Staged(t.Now, last.Op, e.images.staging != nil)
	}
}

func (e *MultiPaxos) unstage() {
	if e.images.staging != nil {
		e.images.counts.Dropped++
		e.images.staging = nil
	}
}

// restore replaces the applied state by the one that is staged.
func (e *MultiPaxos) restore() {
	e.participant.Adopt(e.images.staging)
	e.images.staging = nil
	e.images.counts.Restored++
}

// send answers a request for a piece of an image.
func (e *MultiPaxos) send(t Instant, r paxos.ImageRequest) {
	i := e.hold(t)
	cursor, budget := []byte(nil), r.Bytes
	if i.Op() == r.At {
		cursor, budget = r.Cursor, r.Skip+r.Bytes
	}
	data, next, last, err := i.Piece(cursor, budget)
	if err != nil {
		return // a cursor that is none of ours: its sender begins anew when nothing comes
	}
	e.images.counts.BytesOut += uint64(len(data))
	e.core.SendImage(t.Now, r, paxos.ImagePiece{Op: i.Op(), Data: data, Next: next, Last: last})
}

// hold returns an image to send. All receivers read the same one, as long as what follows it is in the log.
func (e *MultiPaxos) hold(t Instant) *twopc.Image {
	e.release(t)
	if e.images.held == nil {
		e.images.held = e.participant.Image()
		e.images.counts.Taken++
	}
	e.images.usedAt = t.Now
	return e.images.held
}

// release drops the image when nobody asks for it any more, or when what follows it is gone.
func (e *MultiPaxos) release(t Instant) {
	if i := e.images.held; i != nil && (i.Op() < e.core.State().Base || t.Now.Sub(e.images.usedAt) > imageIdle) {
		e.images.held = nil
	}
}
