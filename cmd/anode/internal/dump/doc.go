// Package dump is the format of a dump: all keys of a cluster with their values, of one moment, in a file.
//
// A file is a row of frames. Each is
//
//	length  4 bytes, little-endian: of the body
//	kind    1 byte: head, block or end
//	body    MessagePack
//	sum     4 bytes, little-endian: CRC-32C of all before it in the frame
//
// The head comes first and once, with what the file is and where it is from. Blocks hold the pairs, in ascending
// order of the keys' bytes, each key once. The end comes last and once: it counts what there is, and holds the SHA-256
// of every byte before it. Nothing may follow. So a file that was cut short, put together from two, or changed in any
// bit is told from a whole one; against somebody who changes it on purpose, the sums protect nothing.
package dump
