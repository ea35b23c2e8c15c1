/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A follower's answer: the packet is rewritten in place, an Accept into an Accepted and a Probe into a Sign, and goes back
 * where it came from. */
#pragma once

#include <linux/pkt_cls.h>

#include "packet.h"
#include "siphash.h"

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* An Accepted says "I hold every op up to this one"; what is chosen it leaves to user space. A Sign has the nonce of its
 * Probe there. */
static __always_inline void answer_frame(const struct frame *in, struct frame *out, enum kind kind, const struct config *c)
{
	out->magic = FRAME_MAGIC;
	out->version = FRAME_VERSION;
	out->kind = kind;
	out->flags = 0;
	out->cluster = c->cluster;
	out->group = c->group;
	out->length = 0;
	out->view = in->view;
	out->op = in->op;
	out->chosen = kind == KIND_SIGN ? in->chosen : 0;
	out->sender = c->self;
	out->reserved = 0;
	out->incarnation = c->incarnation;
	out->mac = 0;
}

/* The checksum of UDP covers the addresses too. */
static __always_inline __u16 udp_checksum(struct packet *p)
{
	__u64 sum = bpf_csum_diff(0, 0, (__be32 *)&p->udp, sizeof(p->udp) + FRAME_BYTES, 0);
	__u16 check;

	sum += p->ip.saddr;
	sum += p->ip.daddr;
	sum += bpf_htons(IPPROTO_UDP) + p->udp.len;
	check = ~fold(sum);
	return check ? check : 0xffff; /* zero would mean that there is none */
}

static __always_inline void answer_headers(const struct packet *in, struct packet *out)
{
	__builtin_memcpy(out->eth.h_dest, in->eth.h_source, ETH_ALEN);
	__builtin_memcpy(out->eth.h_source, in->eth.h_dest, ETH_ALEN);
	out->eth.h_proto = in->eth.h_proto;

	out->ip.version = 4;
	out->ip.ihl = 5;
	out->ip.tos = in->ip.tos;
	out->ip.tot_len = bpf_htons(HEADERS - ETH_HLEN);
	out->ip.id = in->ip.id;
	out->ip.frag_off = bpf_htons(0x4000); /* do not fragment */
	out->ip.ttl = 64;
	out->ip.protocol = IPPROTO_UDP;
	out->ip.check = 0;
	out->ip.saddr = in->ip.daddr;
	out->ip.daddr = in->ip.saddr;
	out->ip.check = ~fold((__u64)bpf_csum_diff(0, 0, (__be32 *)&out->ip, sizeof(out->ip), 0));

	out->udp.source = in->udp.dest;
	out->udp.dest = in->udp.source;
	out->udp.len = bpf_htons(HEADERS - UDP_OFFSET);
	out->udp.check = 0;
}

static __always_inline long replace_xdp(void *ctx, struct packet *out, __u32 length)
{
	/* The driver sends these bytes as they are, whatever was still missing when they came: the checksum must be
	 * complete. */
	out->udp.check = udp_checksum(out);
	if (length > HEADERS && bpf_xdp_adjust_tail(ctx, (int)HEADERS - (int)length))
		return -1;
	return bpf_xdp_store_bytes(ctx, 0, &out->eth, HEADERS);
}

/* Where the checksum is left to the device (CHECKSUM_PARTIAL), the field holds the sum of the pseudo header alone,
 * and only its length may change; everywhere else it is to become the complete checksum. A program is not told
 * which it is, but the helper knows: what is not marked as pseudo header it applies to a complete checksum only.
 * So the length is replaced first, as pseudo header, and the second step makes up the rest. */
static __always_inline long replace_tc(void *ctx, const struct packet *in, struct packet *out, __u32 length)
{
	__u16 old = in->udp.check, fresh = udp_checksum(out);
	__u16 from = in->udp.len, to = out->udp.len;
	__u32 at = UDP_OFFSET + offsetof(struct udphdr, check);
	__u64 never_zero = BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE;
	__u32 rest = (__u32)(__u16)~fresh + old + from + (__u16)~to;

	out->udp.check = old;
	if (length > HEADERS && bpf_skb_change_tail(ctx, HEADERS, 0))
		return -1;
	if (bpf_skb_store_bytes(ctx, 0, &out->eth, HEADERS, BPF_F_INVALIDATE_HASH))
		return -1;
	if (bpf_l4_csum_replace(ctx, at, from, to, never_zero | BPF_F_PSEUDO_HDR | sizeof(to)))
		return -1;
	return bpf_l4_csum_replace(ctx, at, 0, rest, never_zero);
}

/* Makes the answer, beside the packet. */
static __always_inline void make_answer(struct scratch *s, enum kind kind, const struct config *c)
{
	__u64 k0 = c->key[0], k1 = c->key[1];

	answer_headers(&s->in, &s->out);
	answer_frame(&s->in.frame, &s->out.frame, kind, c);
	if (k0 || k1)
		s->out.frame.mac = siphash(frame_words(&s->out), FRAME_BYTES, k0, k1);
}

/* Rewrites the packet. It may fail only where the op is stored: then the answer is as good as lost. */
static __always_inline long send_answer(void *ctx, enum hook hook, __u32 length, struct scratch *s)
{
	if (hook == HOOK_XDP)
		return replace_xdp(ctx, &s->out, length);
	return replace_tc(ctx, &s->in, &s->out, length);
}
