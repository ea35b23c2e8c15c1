package dump

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Reader reads a dump. It holds one block in memory, whatever the file claims. Only when [Reader.Next] has returned
// [io.EOF] is it known that the dump is whole.
type Reader struct {
	in     io.Reader
	sum    hash.Hash
	head   Head
	count  Count
	offset int64 // of the frame that was read last
	read   int64
	block  block
	next   int // of the block
	last   []byte
	done   bool
	whole  Summary
}

// NewReader reads the head. It fails with [ErrDamaged] if there is none that this version knows.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: in, sum: sha256.New()}
	kind, body, err := r.frame()
	switch {
	case err != nil:
		return nil, err
	case kind != kindHead || wire.DecodeValue(body, &r.head) != nil || r.head.Magic != magic:
		return nil, damaged("it does not begin like one")
	case r.head.Version != version:
		return nil, damaged("it has format version %d, and this program reads %d", r.head.Version, version)
	}
	return r, nil
}

// Head says what the dump is of.
func (r *Reader) Head() Head { return r.head }

// Next returns the next pair, which is good for ever, and [io.EOF] behind the last one of a whole dump. Every other
// error of what is read is [ErrDamaged].
func (r *Reader) Next() (key, value []byte, err error) {
	for r.next == len(r.block.Keys) {
		if r.done {
			return nil, nil, io.EOF
		}
		if err := r.advance(); err != nil {
			return nil, nil, err
		}
	}
	key, value = r.block.Keys[r.next], r.block.Values[r.next]
	r.next++
	if txn.CheckKey(key) != nil || txn.CheckValue(value) != nil {
		return nil, nil, damaged("the block at byte %d has a key or a value that cannot be", r.offset)
	}
	if r.count.Pairs > 0 && bytes.Compare(key, r.last) <= 0 {
		return nil, nil, damaged("the block at byte %d has keys that are not in order", r.offset)
	}
	r.last = key
	r.count.add(key, value)
	return key, value, nil
}

// Summary is what the dump says of itself, once Next has returned [io.EOF].
func (r *Reader) Summary() Summary { return r.whole }

// advance reads the next block, or the end.
func (r *Reader) advance() error {
	before := [sha256.Size]byte(r.sum.Sum(nil))
	kind, body, err := r.frame()
	if err != nil {
		return err
	}
	switch kind {
	case kindBlock:
		r.block, r.next = block{}, 0
		if wire.DecodeValue(body, &r.block) != nil || len(r.block.Keys) != len(r.block.Values) || len(r.block.Keys) == 0 {
			return damaged("the block at byte %d cannot be read", r.offset)
		}
		return nil
	case kindEnd:
		return r.finish(body, before)
	}
	return damaged("there is a frame of kind %d at byte %d", kind, r.offset)
}

// finish compares what was read with what the end says, and sees that nothing follows.
func (r *Reader) finish(body []byte, sum [sha256.Size]byte) error {
	var e end
	switch {
	case wire.DecodeValue(body, &e) != nil:
		return damaged("the end at byte %d cannot be read", r.offset)
	case e.Count != r.count:
		return damaged("it holds %d keys, and says that it holds %d", r.count.Pairs, e.Count.Pairs)
	case !bytes.Equal(e.Sum, sum[:]):
		return damaged("it is put together from several, or was changed: the sum over all of it differs")
	}
	switch n, err := io.ReadFull(r.in, make([]byte, 1)); {
	case n > 0:
		return damaged("something follows its end, at byte %d", r.read)
	case !errors.Is(err, io.EOF):
		return err
	}
	r.done, r.whole = true, Summary{r.head, r.count, sum}
	r.block, r.next = block{}, 0
	return nil
}

// frame reads one frame, and makes sure of its sum before anything is taken from it.
func (r *Reader) frame() (kind byte, body []byte, err error) {
	r.offset = r.read
	var head [headBytes]byte
	if err := r.fill(head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > maxBody && r.offset == 0 {
		return 0, nil, damaged("it does not begin like one")
	}
	if length > maxBody {
		return 0, nil, damaged("the frame at byte %d says that it is %d bytes long, the limit is %d", r.offset, length, maxBody)
	}
	rest := make([]byte, int(length)+sumBytes)
	if err := r.fill(rest); err != nil {
		return 0, nil, err
	}
	body = rest[:length]
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, body)
	if sum != binary.LittleEndian.Uint32(rest[length:]) {
		return 0, nil, damaged("the frame at byte %d was changed: its sum differs", r.offset)
	}
	return head[headBytes-1], body, nil
}

func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.in, b)
	r.read += int64(n)
	r.sum.Write(b[:n])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("it is cut short, at byte %d", r.read)
	}
	return err
}

// Verify reads a whole dump, and says what it holds.
func Verify(in io.Reader) (Summary, error) {
	r, err := NewReader(in)
	if err != nil {
		return Summary{}, err
	}
	for {
		switch _, _, err := r.Next(); {
		case errors.Is(err, io.EOF):
			return r.Summary(), nil
		case err != nil:
			return Summary{}, err
		}
	}
}
