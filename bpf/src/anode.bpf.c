// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs. Two hooks share one ingress: native or generic XDP, and tcx where XDP cannot be had. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "broadcast.h"
#include "follower.h"
#include "packet.h"
#include "quorum.h"
#include "reasons.h"

char terms[] SEC("license") = "Dual BSD/GPL";

/* Decides about a packet, and finds the slot that it is counted for. */
static __always_inline enum reason handle(void *ctx, enum hook hook, __u32 length, __u32 *slot)
{
	struct scratch *s = scratch();
	struct control *control;
	enum reason reason;

	if (!s)
		return REASON_UNREADABLE;
	reason = read_headers(ctx, hook, length, &s->in);
	if (reason != REASON_NONE)
		return reason;
	reason = find_slot(s->in.ip.daddr, s->in.udp.dest, s->in.frame.group, slot);
	if (reason != REASON_NONE)
		return reason;
	control = bpf_map_lookup_elem(&controls, slot);
	if (!control)
		return REASON_NO_SLOT;
	reason = check_lengths(&s->in, length);
	if (reason == REASON_NONE)
		reason = check_form(&s->in.frame);
	if (reason != REASON_NONE)
		return reason;
	switch (s->in.frame.kind) {
	case KIND_ACCEPT:
		return follow(ctx, hook, length, s, *slot, control);
	case KIND_ACCEPTED:
		return lead(s, *slot, control);
	case KIND_PROBE:
		return sign(ctx, hook, length, s, *slot, control);
	}
	return REASON_OTHER_KIND;
}

enum verdict {
	VERDICT_PASS,
	VERDICT_ANSWER,
	VERDICT_CONSUME,
};

/* What is done with a packet follows from the reason. A packet that is passed is an ordinary packet: it never
 * means that something was acknowledged or chosen. */
static __always_inline enum verdict verdict(enum reason reason)
{
	switch (reason) {
	case REASON_ACKED:
	case REASON_REACKED:
	case REASON_SIGNED:
		return VERDICT_ANSWER;
	case REASON_UNANSWERED:
	case REASON_COUNTED:
	case REASON_REPEATED:
	case REASON_QUIET:
		return VERDICT_CONSUME;
	default:
		return VERDICT_PASS;
	}
}

static __always_inline enum verdict ingress(void *ctx, enum hook hook, __u32 length)
{
	__u32 slot = ELSEWHERE;
	enum reason reason = handle(ctx, hook, length, &slot);

	count(slot, reason);
	return verdict(reason);
}

SEC("xdp")
int anode_xdp(struct xdp_md *ctx)
{
	switch (ingress(ctx, HOOK_XDP, ctx->data_end - ctx->data)) {
	case VERDICT_ANSWER:
		return XDP_TX;
	case VERDICT_CONSUME:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* For tcx, TC_ACT_UNSPEC has the number and the meaning of TCX_NEXT: the next program in the chain sees the packet.
 * TC_ACT_SHOT is TCX_DROP. */
SEC("tcx/ingress")
int anode_ingress(struct __sk_buff *skb)
{
	/* A tag that the device took off the packet would not be seen; XDP sees it in the packet. Either way it is
	 * none of ours, as is a packet that is too short. */
	switch (ingress(skb, HOOK_TC, skb->vlan_present ? 0 : skb->len)) {
	case VERDICT_ANSWER:
		return bpf_redirect(skb->ifindex, 0);
	case VERDICT_CONSUME:
		return TC_ACT_SHOT;
	default:
		return TC_ACT_UNSPEC;
	}
}

SEC("tcx/egress")
int anode_egress(struct __sk_buff *skb)
{
	__u32 slot = ELSEWHERE;
	enum reason reason = broadcast(skb, &slot);

	if (reason != REASON_NONE)
		count(slot, reason);
	return TC_ACT_UNSPEC;
}
