package dump

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Writer writes a dump. It holds one block in memory.
type Writer struct {
	out   io.Writer
	sum   hash.Hash
	head  Head
	count Count
	block block
	bytes int // of the block
	last  []byte
	buf   []byte
}

// NewWriter writes the head. Magic and version of h are set by it.
func NewWriter(out io.Writer, h Head) (*Writer, error) {
	h.Magic, h.Version = magic, version
	w := &Writer{out: out, sum: sha256.New(), head: h}
	return w, w.frame(kindHead, &h)
}

// Add writes a pair. Keys come in ascending order, each once. Key and value are not kept.
func (w *Writer) Add(key, value []byte) error {
	switch {
	case txn.CheckKey(key) != nil || txn.CheckValue(value) != nil:
		return fmt.Errorf("key %.64q: it or its value of %d bytes is longer than may be", key, len(value))
	case w.count.Pairs > 0 && bytes.Compare(key, w.last) <= 0:
		return errors.New("keys are not in ascending order")
	}
	w.block.Keys = append(w.block.Keys, bytes.Clone(key))
	w.block.Values = append(w.block.Values, append([]byte{}, value...))
	w.last = w.block.Keys[len(w.block.Keys)-1]
	w.count.add(key, value)
	const perPairBytes = 16 // what MessagePack adds, and more
	if w.bytes += len(key) + len(value) + perPairBytes; w.bytes < blockBytes {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	if len(w.block.Keys) == 0 {
		return nil
	}
	err := w.frame(kindBlock, &w.block)
	w.block, w.bytes = block{}, 0
	return err
}

// Close writes what is left and the end. A dump that was not closed is none.
func (w *Writer) Close() (Summary, error) {
	if err := w.flush(); err != nil {
		return Summary{}, err
	}
	s := Summary{Head: w.head, Count: w.count, Sum: [sha256.Size]byte(w.sum.Sum(nil))}
	return s, w.frame(kindEnd, &end{w.count, s.Sum[:]})
}

func (w *Writer) frame(kind byte, body any) error {
	b := append(w.buf[:0], 0, 0, 0, 0, kind)
	b = wire.AppendValue(b, body)
	binary.LittleEndian.PutUint32(b, uint32(len(b)-headBytes))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	w.buf = b
	w.sum.Write(b)
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("write the dump: %w", err)
	}
	return nil
}
