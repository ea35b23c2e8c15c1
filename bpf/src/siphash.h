/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012) over a frame. The rules of package paxos/wire: the MAC
 * field is zero and the broadcast flag clear while the frame is hashed. Callers see to both. */
#pragma once

#include "frame.h"

static __always_inline __u64 rotate(__u64 x, int by)
{
	return x << by | x >> (64 - by);
}

struct sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static __always_inline void sip_word(struct sip *s, __u64 m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

/* A function of its own for the verifier, so that its loop is looked at once and not once per caller. Bytes
 * beyond the length may be anything. */
__noinline __u64 siphash(const struct words *m, __u32 length, __u64 k0, __u64 k1)
{
	struct sip s = {
		.v0 = k0 ^ 0x736f6d6570736575ULL,
		.v1 = k1 ^ 0x646f72616e646f6dULL,
		.v2 = k0 ^ 0x6c7967656e657261ULL,
		.v3 = k1 ^ 0x7465646279746573ULL,
	};
	__u32 whole = length / 8, rest = length % 8;
	__u64 last = (__u64)length << 56;

	if (!m)
		return 0;
	for (__u32 i = 0; i < ENTRY_WORDS; i++) {
		if (i >= whole)
			break;
		sip_word(&s, m->w[i]);
	}
	/* The compiler would compare the length in place of what the verifier must see to be small. */
	asm volatile("" : "+r"(whole));
	if (rest && whole < ENTRY_WORDS)
		last |= m->w[whole] & ((1ULL << (rest * 8)) - 1);
	sip_word(&s, last);
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
