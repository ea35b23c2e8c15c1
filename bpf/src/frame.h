/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frame's header as package paxos/wire lays it out: 64 bytes, little-endian, naturally aligned. A test in
 * Go encodes a frame and reads it back through this struct. */
#pragma once

#include <linux/types.h>
#include <stddef.h>

#define FRAME_MAGIC   0x646f6e61 /* "anod" read as bytes */
#define FRAME_VERSION 1
#define FRAME_BYTES   64

/* The largest body that the fast path carries: with Ethernet, IP, UDP and the frame's header it stays below an
 * MTU of 1500, with 8 bytes to spare. */
#define MAX_BODY 1400

/* The kinds that the programs know; wire.Kind has them all. */
enum kind {
	KIND_ACCEPT = 1,
	KIND_ACCEPTED = 2,
	KIND_PROBE = 20,
	KIND_SIGN = 21,
};

#define FLAG_BROADCAST 1

struct frame {
	__u32 magic;
	__u8 version;
	__u8 kind;
	__u16 flags;
	__u64 cluster;
	__u32 group;
	__u32 length; /* of the body */
	__u64 view;
	__u64 op;
	__u64 chosen;
	__u16 sender;
	__u16 reserved;
	__u32 incarnation;
	__u64 mac;
};

_Static_assert(sizeof(struct frame) == FRAME_BYTES, "the header is 64 bytes");
_Static_assert(offsetof(struct frame, version) == 4, "as in wire/header.go");
_Static_assert(offsetof(struct frame, kind) == 5, "as in wire/header.go");
_Static_assert(offsetof(struct frame, flags) == 6, "as in wire/header.go");
_Static_assert(offsetof(struct frame, cluster) == 8, "as in wire/header.go");
_Static_assert(offsetof(struct frame, group) == 16, "as in wire/header.go");
_Static_assert(offsetof(struct frame, length) == 20, "as in wire/header.go");
_Static_assert(offsetof(struct frame, view) == 24, "as in wire/header.go");
_Static_assert(offsetof(struct frame, op) == 32, "as in wire/header.go");
_Static_assert(offsetof(struct frame, chosen) == 40, "as in wire/header.go");
_Static_assert(offsetof(struct frame, sender) == 48, "as in wire/header.go");
_Static_assert(offsetof(struct frame, reserved) == 50, "as in wire/header.go");
_Static_assert(offsetof(struct frame, incarnation) == 52, "as in wire/header.go");
_Static_assert(offsetof(struct frame, mac) == 56, "as in wire/header.go");

/* A frame with the longest body, also as the words that are hashed and copied. */
#define ENTRY_BYTES (FRAME_BYTES + MAX_BODY)
#define ENTRY_WORDS (ENTRY_BYTES / 8)

struct words {
	__u64 w[ENTRY_WORDS];
};

_Static_assert(sizeof(struct words) == ENTRY_BYTES, "a whole number of words");
