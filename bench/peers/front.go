package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The front end's protocol is as plain as can be, so that it is raft that is measured. All integers are
// little-endian; a frame is its length (4 bytes) and that many bytes:
//
//	request: id (8), key length (2), key, value
//	reply:   id (8), error text, empty if the put is committed
//
// Replies come in the order of the requests of a connection, and any number may be under way.

// maxFrameBytes bounds a frame, as a length that is garbage must not become an allocation.
const maxFrameBytes = 16 << 20

const (
	idBytes        = 8
	keyLengthBytes = 2
)

func appendRequest(b []byte, id uint64, key, value []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(idBytes+keyLengthBytes+len(key)+len(value)))
	b = binary.LittleEndian.AppendUint64(b, id)
	return appendCommand(b, key, value)
}

// appendCommand writes what goes into raft's log: the request without its id.
func appendCommand(b, key, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, key...)
	return append(b, value...)
}

func parseCommand(b []byte) (key, value []byte, err error) {
	if len(b) < keyLengthBytes {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := keyLengthBytes + int(binary.LittleEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return b[keyLengthBytes:n], b[n:], nil
}

func appendReply(b []byte, id uint64, problem string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(idBytes+len(problem)))
	b = binary.LittleEndian.AppendUint64(b, id)
	return append(b, problem...)
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
