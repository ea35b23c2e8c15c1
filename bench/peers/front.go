package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The front end's protocol is as plain as can be, so that it is raft that is measured. All integers are
// little-endian, a string is its length (4 bytes) and its bytes. A frame is its length (4 bytes) and that many bytes:
//
//	request: id (8), what is asked for (1), and
//	  to read:  keys (2), each a string
//	  to write: reads (2), each a string and the version (8) that was read; writes (2), each two strings, key and value
//	reply:   id (8), status (1), and
//	  to a read: for each key its version (8), 0 where there is none, and a string, the value
//	  of a failure: its text
//
// What is written goes into raft's log as it came, less the id. It is done when it is applied if every key that was
// read still has its version, and otherwise nothing of it is done. Replies come in the order of the requests of a
// connection, and any number may be under way.

// What is asked for. A local read is what the leader holds, which may be old; a linearizable one is not.
const (
	askWrite byte = iota
	askLocal
	askLinearizable
)

// The status of a reply.
const (
	statusDone byte = iota
	statusConflict
	statusFailed
)

// maxFrameBytes bounds a frame, as a length that is garbage must not become an allocation.
const maxFrameBytes = 16 << 20

const idBytes = 8

// frame makes a frame of what follows the id.
func frame(id uint64, body []byte) []byte {
	b := make([]byte, 0, 4+idBytes+len(body))
	b = binary.LittleEndian.AppendUint32(b, uint32(idBytes+len(body)))
	b = binary.LittleEndian.AppendUint64(b, id)
	return append(b, body...)
}

func appendString[T string | []byte](b []byte, s T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func readRequest(ask byte, keys []string) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{ask}, uint16(len(keys)))
	for _, key := range keys {
		b = appendString(b, key)
	}
	return b
}

// writeRequest sets all keys to one value, if those that were read have not changed.
func writeRequest(reads []string, versions []uint64, writes []string, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{askWrite}, uint16(len(reads)))
	for i, key := range reads {
		b = binary.LittleEndian.AppendUint64(appendString(b, key), versions[i])
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(writes)))
	for _, key := range writes {
		b = appendString(appendString(b, key), value)
	}
	return b
}

// errFrame is what a frame is that ends too early or too late.
var errFrame = errors.New("a frame that is not of this protocol")

// cursor reads what a frame holds. After the first failure everything is empty.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.rest) {
		c.bad = true
		return make([]byte, min(n, 8))
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) byte() byte     { return c.take(1)[0] }
func (c *cursor) uint16() int    { return int(binary.LittleEndian.Uint16(c.take(2))) }
func (c *cursor) uint64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

func (c *cursor) string() []byte {
	n := int(binary.LittleEndian.Uint32(c.take(4)))
	if c.bad || n > len(c.rest) {
		c.bad = true
		return nil
	}
	return c.take(n)
}

// end tells whether all of the frame was read, and nothing else.
func (c *cursor) end() error {
	if c.bad || len(c.rest) > 0 {
		return errFrame
	}
	return nil
}

// readFrame returns the id of a frame and the rest of it, in memory of its own.
func readFrame(r *bufio.Reader) (uint64, []byte, error) {
	header, err := r.Peek(4 + idBytes)
	if err != nil {
		return 0, nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < idBytes || length > maxFrameBytes {
		return 0, nil, fmt.Errorf("frame of %d bytes: want %d to %d", length, idBytes, maxFrameBytes)
	}
	id := binary.LittleEndian.Uint64(header[4:])
	if _, err := r.Discard(len(header)); err != nil {
		return 0, nil, err
	}
	rest := make([]byte, length-idBytes)
	_, err = io.ReadFull(r, rest)
	return id, rest, err
}
