// Package wire owns the layout of everything that travels between processes.
//
// A datagram holds one or more frames. A frame is a fixed header of [HeaderSize] bytes followed by a
// body. The header is little-endian and naturally aligned, so that the kernel programs read it as a C
// struct; bodies are MessagePack and opaque to the kernel.
//
//	 0         4    5    6      8           16       20       24
//	 | magic   |ver |kind|flags | cluster   | group  | length |
//	24          32          40          48      50      52       56          64
//	 | view     | op        | chosen    |sender| zero | incarn. | mac       | body ...
//
// What the kernel needs stands in the header; what only a protocol core needs stands in the body. The
// type of a body is defined in the package that means it, and is tied to its [Kind] by [Define].
//
// The last field is a SipHash-2-4 code over header and body ([Key.Seal], [Key.Verify]). Replicas and
// clients use different keys, so that a client can never speak as a replica.
package wire
