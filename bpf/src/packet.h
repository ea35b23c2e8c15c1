/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet as the programs see it, whichever hook it came through: copied into memory of this CPU. What was
 * checked there is what is stored, even if somebody can still write to the packet itself. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "frame.h"
#include "maps.h"
#include "reasons.h"

enum hook {
	HOOK_XDP,
	HOOK_TC,
};

/* Everything before the body. The gap at the front aligns the frame, and with it all its fields. */
struct packet {
	__u8 gap[6];
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct frame frame;
};

#define HEADERS    (sizeof(struct packet) - 6)
#define UDP_OFFSET (ETH_HLEN + sizeof(struct iphdr))
#define FRAME_OFFSET (UDP_OFFSET + sizeof(struct udphdr))

_Static_assert(offsetof(struct packet, ip) == 20, "no hole behind Ethernet");
_Static_assert(offsetof(struct packet, udp) == 40, "no hole behind IP");
_Static_assert(offsetof(struct packet, frame) == 48, "no hole behind UDP");
_Static_assert(HEADERS == 106, "no hole in front of the body");

/* The packet at hand and the answer to it. The answer stands first, so that behind its frame, too, lie as many
 * bytes as the hash function's argument has. */
struct scratch {
	struct packet out;
	struct packet in;
	__u8 body[MAX_BODY];
};

_Static_assert(offsetof(struct scratch, body) == 2 * sizeof(struct packet), "no hole in front of the body");

/* Programs run with softirqs disabled, and none that uses this memory can interrupt another on its CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

static __always_inline struct words *frame_words(struct packet *p)
{
	return (struct words *)&p->frame;
}

static __always_inline long load(void *ctx, enum hook hook, __u32 offset, void *to, __u32 length)
{
	if (hook == HOOK_XDP)
		return bpf_xdp_load_bytes(ctx, offset, to, length);
	return bpf_skb_load_bytes(ctx, offset, to, length);
}

/* Reads the headers. What is not refused here has an IP header of 20 bytes, a UDP header and a frame's header;
 * nothing is known about lengths yet. */
static __always_inline enum reason read_headers(void *ctx, enum hook hook, __u32 length, struct packet *p)
{
	if (length < HEADERS)
		return REASON_FOREIGN;
	if (load(ctx, hook, 0, &p->eth, HEADERS))
		return REASON_UNREADABLE;
	if (p->eth.h_proto != bpf_htons(ETH_P_IP) || p->ip.version != 4 || p->ip.protocol != IPPROTO_UDP)
		return REASON_FOREIGN;
	if (p->ip.ihl != 5)
		return REASON_OPTIONS;
	if (p->ip.frag_off & bpf_htons(0x3fff)) /* more fragments, or not the first */
		return REASON_FRAGMENT;
	if (p->frame.magic != FRAME_MAGIC)
		return REASON_FOREIGN;
	return REASON_NONE;
}

/* Finds the replica that an address, a port and the frame's group belong to. */
static __always_inline enum reason find_slot(__be32 addr, __be16 port, __u32 group, __u32 *slot)
{
	struct slot_key key = { .addr = addr, .port = port, .group = group };
	__u32 *found = bpf_map_lookup_elem(&slots, &key);

	if (!found || *found >= MAX_SLOTS)
		return REASON_NO_SLOT;
	*slot = *found;
	return REASON_NONE;
}

/* Three lengths must say the same as the packet's own: IP's, UDP's and the frame's. */
static __always_inline enum reason check_lengths(const struct packet *p, __u32 length)
{
	__u32 datagram = length - UDP_OFFSET;

	if (bpf_ntohs(p->ip.tot_len) != length - ETH_HLEN || bpf_ntohs(p->udp.len) != datagram)
		return REASON_LENGTH;
	if (p->frame.length != length - HEADERS)
		return REASON_LENGTH;
	return REASON_NONE;
}

static __always_inline enum reason check_form(const struct frame *f)
{
	if (f->version != FRAME_VERSION || f->flags != 0 || f->reserved != 0)
		return REASON_MALFORMED;
	return REASON_NONE;
}
