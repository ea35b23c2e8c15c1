package paxos

import (
	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The transfer of the applied state itself, to a replica that needs entries which its source no longer
// holds. The state is always a snapshot, at the op applied last, so that none is taken in advance: the
// source's owner takes an image when it is asked for one, and keeps it for as long as it is read. The receiver's
// owner stages what arrives beside its own state. Then the entries above the image are copied, and image,
// log and last-normal view change in one step.
//
// What an image holds is chosen, and right in every view. It may only extend the log of a normal replica:
// one that has grown past the image meanwhile keeps what it has.

// imageCopy is the image that is being received, or waits to be adopted. It outlives the transfer for which
// it was begun: another one may go on with it.
type imageCopy struct {
	op     Op // the state after this op; 0: there is no image
	source ReplicaID
	// offset is how many bytes of the image's stream have come; cursor stands for the first bytes of it, up
	// to where a burst ended, and skip bytes have come since.
	offset uint64
	cursor []byte
	skip   int
	// asked is the offset for which was asked last.
	asked uint64
	// done: all of it has come. staged: the owner holds it complete.
	done, staged bool
}

// ImageRequest asks the owner of a core for a piece of an image, to be given to [Core.SendImage]. The image
// is one whose op is not below [State.Base], preferably the one At, or else the present state.
type ImageRequest struct {
	To      ReplicaID
	Purpose Purpose
	View    View
	// At is the op of the image that is being sent, or 0. Only that image is to be continued: Cursor says
	// where, and Offset is what that place counts as. Every other image begins at its beginning.
	At     Op
	Offset uint64
	Cursor []byte
	// Skip bytes behind the cursor have arrived; Bytes beyond them are wanted.
	Skip, Bytes int
}

// ImagePiece is the answer to an [ImageRequest]: up to Skip + Bytes bytes from the cursor on; for an image
// that begins, Bytes from its beginning on.
type ImagePiece struct {
	Op   Op
	Data []byte
	Next []byte // the cursor behind Data
	Last bool
}

// Staging is a part of an image, to be kept beside the state until Restore.
type Staging struct {
	Op Op
	// First: whatever was staged before is dropped.
	First bool
	Data  []byte
	// Last: the image is complete. The owner examines it and calls [Core.Staged].
	Last bool
}

// maxImageSkip bounds what a receiver may claim to have received since its last cursor: more than any burst.
const maxImageSkip = 1 << 20

// requestImage asks the owner for what a receiver wants of an image.
func (c *Core) requestImage(to ReplicaID, purpose Purpose, f *Fetch) {
	if f.Skip < 0 || f.Skip > maxImageSkip {
		c.ignore(IgnoredMalformed)
		return
	}
	c.out.Images = append(c.out.Images, ImageRequest{
		To: to, Purpose: purpose, View: c.promised, At: f.At, Offset: f.Offset, Cursor: f.Cursor, Skip: f.Skip,
		Bytes: c.cfg.Limits.Burst * c.imageBytes(),
	})
}

// imageBytes is how much of an image one datagram carries.
func (c *Core) imageBytes() int {
	const overhead = 64 // what MessagePack adds, and a cursor of an ordinary key
	return max(c.cfg.Limits.BatchBytes-overhead, 16)
}

// SendImage sends a piece of an image in a burst of datagrams, and pins the log above the image for the
// receiver.
func (c *Core) SendImage(now Time, r ImageRequest, p ImagePiece) {
	c.now = now
	if p.Op < c.log.base || p.Op > c.log.chosen {
		return // of no use: what follows it is gone
	}
	data, offset := p.Data, uint64(0)
	if p.Op == r.At {
		data, offset = data[min(r.Skip, len(data)):], r.Offset
	}
	c.pin(r.To, p.Op)
	size, from := c.imageBytes(), offset
	for left := (len(data) - 1) / size; left >= 0; left-- {
		part := data[:min(size, len(data))]
		data = data[len(part):]
		b := Image{Purpose: r.Purpose, From: from, Offset: offset, Data: part, Left: left}
		if left == 0 {
			b.Next, b.Last = p.Next, p.Last
		}
		offset += uint64(len(part))
		c.send(r.To, frame(wire.KindImage, r.View, p.Op, c.log.chosen, imageBody.Append(nil, &b)))
	}
}

func (c *Core) stepImage(m *Message) {
	var b Image
	if imageBody.Decode(m.Body, &b) != nil {
		c.ignore(IgnoredMalformed)
		return
	}
	if b.Purpose == Extend && c.xfer == nil && !c.extendable(m) {
		return
	}
	x := c.xfer
	switch {
	case x == nil || m.View != x.view || m.Sender != x.source || b.Purpose != x.purpose:
		c.ignore(IgnoredWrongStatus)
	case c.fencing:
		c.ignore(IgnoredFencing)
	case b.Offset == 0 && m.Op > c.image.op && m.Op > x.have():
		c.beginImage(m)
		c.takeImage(m, &b)
	case m.Op == c.image.op && b.Offset < c.image.offset && !c.image.done:
		c.waitLonger(x) // it came twice: the first had only been slow
		c.ignore(IgnoredGap)
	case m.Op != c.image.op || b.Offset != c.image.offset || c.image.done:
		c.ignore(IgnoredGap)
	default:
		c.takeImage(m, &b)
	}
}

// extendable reports whether an image is one that a normal follower needs: its leader says so, who knows
// that the entries are gone. If it is, the copying begins.
func (c *Core) extendable(m *Message) bool {
	if !c.fromLeader(m) {
		return false
	}
	if m.Op <= c.log.last() && !mutant.On("image-cuts-suffix") {
		c.ignore(IgnoredDuplicate)
		return false
	}
	c.xfer = &transfer{purpose: Extend, source: m.Sender, view: m.View, from: c.log.chosen, chosen: c.log.chosen, need: m.Op}
	return true
}

// beginImage drops what was staged before, and what was copied above it.
func (c *Core) beginImage(m *Message) {
	c.dropImage()
	c.image = imageCopy{op: m.Op, source: m.Sender}
	x := c.xfer
	x.from, x.bodies, x.chosen = c.log.chosen, nil, max(c.log.chosen, m.Chosen)
}

// takeImage takes the next part of an image.
func (c *Core) takeImage(m *Message, b *Image) {
	i := &c.image
	c.out.Stage = append(c.out.Stage, Staging{Op: i.op, First: i.offset == 0, Data: b.Data, Last: b.Last})
	i.offset += uint64(len(b.Data))
	i.skip += len(b.Data)
	i.done = b.Last
	if b.Left == 0 {
		i.cursor, i.skip = b.Next, 0
	}
	c.progressed(m)
	// A burst that was asked for before the latest one is followed by that one. If each of them had another one follow, all
	// the rest of the image would come twice, and once more for each time that something was slow.
	if b.Left == 0 && !b.Last && (b.From == i.asked || mutant.On("overtaken-goes-on")) {
		c.fetch()
	}
}

// Staged tells that the image after op, whose last part was in Ready.Stage, is complete and right, or that
// it is not. One that is not begins anew.
func (c *Core) Staged(now Time, op Op, ok bool) {
	c.now = now
	switch {
	case c.image.op != op:
	case !ok:
		c.dropImage()
	case c.image.done:
		c.image.staged = true
		if x := c.xfer; x != nil {
			c.aboveImage(x)
			c.proceed()
		}
	}
	c.check()
}

// aboveImage lets a transfer go on above the complete image.
func (c *Core) aboveImage(x *transfer) {
	x.from, x.bodies = c.image.op, nil
	x.chosen = max(x.chosen, c.image.op)
	if x.purpose == Extend {
		x.need = x.chosen
	}
	if mutant.On("restore-before-tail") {
		c.restore(nil)
	}
	if mutant.On("image-without-tail") {
		x.need = x.from
	}
}

// resumeImage lets a transfer go on with the image that an earlier one left: with a complete one always,
// with a part of one only at its source, for two sources have not the same image.
func (c *Core) resumeImage() {
	i, x := &c.image, c.xfer
	switch {
	case i.op == 0:
	case i.op <= c.log.chosen, !i.done && i.source != x.source:
		c.dropImage()
	case i.staged:
		c.aboveImage(x)
	}
}

// dropImage throws away what is staged.
func (c *Core) dropImage() {
	if c.image.op != 0 {
		c.image = imageCopy{}
		c.out.Stage, c.out.Unstage = nil, true
	}
}

// restore puts the staged image in place of the state, and a log in place of the log that begins where the
// image ends.
func (c *Core) restore(above [][]byte) {
	op := c.image.op
	assert(op > c.log.chosen, "the state after op %d would replace one with %d chosen", op, c.log.chosen)
	c.log = oplog{base: op, chosen: op, bodies: above, pages: newPages(&c.cfg.Limits)}
	c.delivered, c.kept = op, 0
	c.out.Restore = op
	c.image = imageCopy{}
}

// adopt ends the copying to a normal follower, once the fast path is fenced and drained. What the drain
// brought stays: where the log reaches beyond the image, the image has come for nothing; and entries alone
// may have been enough.
func (c *Core) adopt() {
	x := c.xfer
	c.xfer = nil
	switch last := c.log.last(); {
	case c.image.staged && (last < c.image.op || mutant.On("image-cuts-suffix") && c.image.op > c.log.chosen):
		c.restore(x.bodies)
	case last < x.have():
		c.log.bodies = append(c.log.bodies, x.bodies[last-x.from:]...)
	}
	c.dropImage()
	c.learnChosen(x.chosen)
	c.listen()
	c.arm()
	c.acknowledge()
}
