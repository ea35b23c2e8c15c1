/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Broadcast: user space sends one flagged Accept, and one copy leaves for every other member. The flag is cleared
 * before the first copy is made; the code of the frame was computed as if it were clear. */
#pragma once

#include <linux/pkt_cls.h>

#include "identity.h"
#include "packet.h"
#include "word.h"

/* Copies enter the hook again. They are told apart by this value of tc_index, a field that travels with the packet
 * inside this machine, steers nothing unless somebody configures it to, and is zero in a fresh packet. */
#define COPY 0xa0de

#define IP_CHECK  (ETH_HLEN + offsetof(struct iphdr, check))
#define IP_DADDR  (ETH_HLEN + offsetof(struct iphdr, daddr))
#define UDP_DEST  (UDP_OFFSET + offsetof(struct udphdr, dest))
#define UDP_CHECK (UDP_OFFSET + offsetof(struct udphdr, check))
#define FLAGS     (FRAME_OFFSET + offsetof(struct frame, flags))

/* Where the packet goes at the moment: checksums are changed by differences. */
struct heading {
	__be32 addr;
	__be16 port;
};

static __always_inline long clear_flag(struct __sk_buff *skb, __u16 flags)
{
	__u16 none = 0;

	skb->tc_index = COPY;
	if (bpf_skb_store_bytes(skb, FLAGS, &none, sizeof(none), 0))
		return -1;
	return bpf_l4_csum_replace(skb, UDP_CHECK, flags, none, BPF_F_MARK_MANGLED_0 | sizeof(none));
}

/* Addresses the packet to a member. */
static __always_inline long head_for(struct __sk_buff *skb, struct heading *h, const struct member *m, __u64 hardware)
{
	__be32 addr = m->addr;
	__be16 port = m->port;

	if (bpf_l3_csum_replace(skb, IP_CHECK, h->addr, addr, sizeof(addr)) ||
	    bpf_l4_csum_replace(skb, UDP_CHECK, h->addr, addr, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | sizeof(addr)) ||
	    bpf_l4_csum_replace(skb, UDP_CHECK, h->port, port, BPF_F_MARK_MANGLED_0 | sizeof(port)))
		return -1;
	h->addr = addr;
	h->port = port;
	if (bpf_skb_store_bytes(skb, 0, &hardware, ETH_ALEN, 0) ||
	    bpf_skb_store_bytes(skb, IP_DADDR, &addr, sizeof(addr), 0))
		return -1;
	return bpf_skb_store_bytes(skb, UDP_DEST, &port, sizeof(port), 0);
}

/* Whether the frame is the leader's own, of the view that it leads. */
static __always_inline enum reason check_own(const struct packet *p, const struct config *c)
{
	const struct frame *f = &p->frame;
	__u32 self = c->self;

	if (self >= MAX_MEMBERS || f->sender != self)
		return REASON_WRONG_SENDER;
	if (p->ip.saddr != c->member[self].addr || p->udp.source != c->member[self].port)
		return REASON_WRONG_SOURCE;
	if (f->cluster != c->cluster)
		return REASON_WRONG_CLUSTER;
	if (f->view != c->view)
		return REASON_WRONG_VIEW;
	return f->kind == KIND_ACCEPT ? REASON_NONE : REASON_OTHER_KIND;
}

/* Sends a copy to every member but one, which gets the packet itself. */
static __always_inline void copy_to_members(struct __sk_buff *skb, struct heading *h, struct control *control,
					    const struct config *c, __u32 slot, __u32 spare)
{
	for (__u32 i = 0; i < MAX_MEMBERS; i++) {
		__u64 hardware = READ_ONCE(control->neighbours[i]);

		if (i >= c->members || i == c->self || i == spare)
			continue;
		if (!(hardware >> 48))
			count(slot, REASON_NO_NEIGHBOUR);
		else if (head_for(skb, h, &c->member[i], hardware) || bpf_clone_redirect(skb, skb->ifindex, 0))
			count(slot, REASON_CLONE_FAILED);
		else
			count(slot, REASON_CLONED);
	}
}

/* The member that gets the packet itself: the last one whose hardware address is known. */
static __always_inline __u32 last_known(struct control *control, const struct config *c)
{
	__u32 last = MAX_MEMBERS;

	for (__u32 i = 0; i < MAX_MEMBERS; i++)
		if (i < c->members && i != c->self && READ_ONCE(control->neighbours[i]) >> 48)
			last = i;
	return last;
}

static __always_inline enum reason spread(struct __sk_buff *skb, struct packet *p, __u32 slot, struct control *control,
					  const struct config *c)
{
	struct heading h = { .addr = p->ip.daddr, .port = p->udp.dest };
	__u32 last = last_known(control, c);
	__u64 hardware;

	if (last >= MAX_MEMBERS)
		return REASON_NO_NEIGHBOUR;
	if (clear_flag(skb, p->frame.flags))
		return REASON_CLONE_FAILED;
	copy_to_members(skb, &h, control, c, slot, last);
	hardware = READ_ONCE(control->neighbours[last]);
	if (head_for(skb, &h, &c->member[last], hardware))
		return REASON_CLONE_FAILED;
	return REASON_BROADCAST;
}

/* Everything that leaves the interface passes here: what carries no flag of ours must leave at once. */
static __always_inline enum reason broadcast(struct __sk_buff *skb, __u32 *slot)
{
	struct scratch *s;
	struct control *control;
	struct config *config;
	struct packet *p;
	enum reason reason;
	__u64 word;

	if (skb->tc_index == COPY)
		return REASON_NONE;
	s = scratch();
	if (!s)
		return REASON_NONE;
	p = &s->in;
	if (read_headers(skb, HOOK_TC, skb->len, p) != REASON_NONE || p->frame.flags != FLAG_BROADCAST)
		return REASON_NONE;
	reason = find_slot(p->ip.saddr, p->udp.source, p->frame.group, slot);
	if (reason != REASON_NONE)
		return reason;
	if (skb->gso_segs > 1)
		return REASON_SEGMENTED;
	control = bpf_map_lookup_elem(&controls, slot);
	if (!control)
		return REASON_NO_SLOT;
	reason = check_lengths(p, skb->len);
	if (reason != REASON_NONE)
		return reason;
	word = READ_ONCE(control->lead);
	config = config_of(*slot, CONFIG_LEAD, word_generation(word));
	if (!word_armed(word) || !config)
		return REASON_FENCED;
	reason = check_own(p, config);
	if (reason != REASON_NONE)
		return reason;
	return spread(skb, p, *slot, control, config);
}
