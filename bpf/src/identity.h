/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may speak. Every frame is held against the record of the generation; nothing in it is believed before its
 * code has been verified. */
#pragma once

#include "packet.h"
#include "siphash.h"

/* Answers for a packet that was flooded to us would teach bridges that another's address is ours. */
static __always_inline int is_ours(const struct packet *p, const struct config *c)
{
	__u32 self = c->self;

	if (self >= MAX_MEMBERS)
		return 0;
	for (int i = 0; i < ETH_ALEN; i++)
		if (p->eth.h_dest[i] != c->hardware[i])
			return 0;
	return p->ip.daddr == c->member[self].addr && p->udp.dest == c->member[self].port &&
	       p->frame.group == c->group;
}

static __always_inline enum reason check_identity(const struct packet *p, const struct config *c)
{
	const struct frame *f = &p->frame;
	__u32 sender = f->sender;

	if (f->cluster != c->cluster)
		return REASON_WRONG_CLUSTER;
	if (!is_ours(p, c))
		return REASON_WRONG_DESTINATION;
	if (f->view != c->view)
		return REASON_WRONG_VIEW;
	if (sender >= MAX_MEMBERS || sender >= c->members || sender == c->self)
		return REASON_WRONG_SENDER;
	if (p->ip.saddr != c->member[sender].addr || p->udp.source != c->member[sender].port)
		return REASON_WRONG_SOURCE;
	if (f->incarnation != c->member[sender].incarnation)
		return REASON_WRONG_INCARNATION;
	return REASON_NONE;
}

/* The frame's op as words hold it. What lies before the epoch comes out above OP_MAX: a base has 16 bits, in front of
 * 48 that are zero. */
static __always_inline __u64 op_of(const struct packet *p, const struct config *c)
{
	return p->frame.op - c->base;
}

/* Verifies the code of the frame in the scratch memory. The frame is as it came when this returns. Without a
 * key there is no code, as in package paxos/wire. */
static __always_inline enum reason check_mac(struct packet *p, __u32 length, const struct config *c)
{
	__u64 k0 = c->key[0], k1 = c->key[1], got = p->frame.mac, want;

	if (!k0 && !k1)
		return REASON_NONE;
	p->frame.mac = 0;
	want = siphash(frame_words(p), length, k0, k1);
	p->frame.mac = got;
	return got == want ? REASON_NONE : REASON_WRONG_MAC;
}
