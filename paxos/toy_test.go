package paxos

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
)

// toy is a state machine: its state is a digest of all entries that it applied. Its image is a stream that
// grows with the log, so that sending it takes a while; its cursors are offsets.
type toy struct {
	applied Op
	digest  uint64
	// staged is what has come of an image of stagedOp.
	staged   []byte
	stagedOp Op
}

func (t *toy) apply(body []byte) {
	t.applied++
	t.digest = link(t.digest, body)
}

// link is the digest of a history with one more entry.
func link(digest uint64, body []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, digest))
	_, _ = h.Write(body)
	return h.Sum64()
}

// image is the stream of a state: the digest, and then filler that no two states share.
func (t *toy) image() []byte {
	b := binary.LittleEndian.AppendUint64(nil, t.digest)
	for i := range min(t.applied, 300) {
		b = append(b, byte(t.digest>>(i%57)), byte(i))
	}
	return b
}

// piece answers a request with the present state: a machine whose every image is the latest makes receivers
// begin anew whenever it has moved on.
func pieceOf(op Op, stream []byte, r ImageRequest) ImagePiece {
	start, end := 0, r.Bytes
	if r.At == op {
		if len(r.Cursor) == 8 {
			start = int(binary.LittleEndian.Uint64(r.Cursor))
		}
		end = start + r.Skip + r.Bytes
	}
	end = min(end, len(stream))
	start = min(start, end)
	return ImagePiece{Op: op, Data: stream[start:end], Next: binary.LittleEndian.AppendUint64(nil, uint64(end)), Last: end == len(stream)}
}

func (t *toy) stage(s Staging) {
	if s.First {
		t.staged, t.stagedOp = nil, s.Op
	}
	t.staged = append(t.staged, s.Data...)
}

// complete reports whether what is staged is an image of its op.
func (t *toy) complete() bool {
	if len(t.staged) < 8 {
		return false
	}
	staged := &toy{applied: t.stagedOp, digest: binary.LittleEndian.Uint64(t.staged)}
	return string(staged.image()) == string(t.staged)
}

func (t *toy) restore(op Op) error {
	if t.stagedOp != op || !t.complete() {
		return fmt.Errorf("restores op %d from an image of op %d, %d bytes of it", op, t.stagedOp, len(t.staged))
	}
	*t = toy{applied: op, digest: binary.LittleEndian.Uint64(t.staged)}
	return nil
}

// gallery holds the images that a host has been asked for.
type gallery []picture

type picture struct {
	op     Op
	stream []byte
}

// find returns the image of an op that is wanted, or one that is not below a base, or a new one.
func (g *gallery) find(t *toy, at, base Op) picture {
	for _, p := range *g {
		if p.op >= base && p.op == at {
			return p
		}
	}
	p := picture{t.applied, t.image()}
	*g = append((*g)[max(0, len(*g)-1):], p)
	return p
}
