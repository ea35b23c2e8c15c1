// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Faults of a laboratory's network, at both directions of each port of its bridge: before the programs of the member
 * that a packet goes to, and behind those of the one that it comes from. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../../../bpf/src/frame.h"

char terms[] SEC("license") = "Dual BSD/GPL";

enum limit {
	LIMIT_PORTS = 16,
	LIMIT_KINDS = 256,
	LIMIT_CELLS = 2 * LIMIT_PORTS * LIMIT_KINDS,
	LIMIT_WAITS = 64, /* ranges of time that packets wait */
};

enum way {
	WAY_FROM, /* the member */
	WAY_TO,
};

/* What had its turn. The mark ends with the bridge's namespace. */
#define RESENT 0xa0de

/* Shares are parts of 2^32; the greatest stands for all. */
struct rule {
	__u32 drop;
	__u32 corrupt;
	__u32 duplicate;
	__u32 replay;
	__u32 delay;
	__u32 wait; /* which range of time a packet waits that is replayed or delayed */
};

struct tally {
	__u64 seen;
	__u64 dropped;
	__u64 corrupted;
	__u64 duplicated;
	__u64 replayed;
	__u64 delayed;
	__u64 failed; /* could not be meddled with as the rule says */
};

/* Set before the program is loaded. Packets that come later go by this interface, to a process that holds them. */
volatile const __u64 seed = 0;
volatile const __u32 waiting_room = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} interfaces SEC(".maps");

/* By port, way and kind of frame. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_CELLS);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_CELLS);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

/* Nothing reads this. It carries the enums into the object's type information, from which the Go types are made. */
volatile const struct vocabulary {
	enum limit limit;
	enum way way;
} vocabulary;

/* The frame in a packet: its kind, 0 for none, and where the payload begins. */
static __always_inline __u32 kind_of(struct __sk_buff *skb, __u32 *payload)
{
	struct ethhdr eth;
	struct iphdr ip;
	struct frame f;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) || eth.h_proto != bpf_htons(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 4 || ip.protocol != IPPROTO_UDP)
		return 0;
	*payload = ETH_HLEN + 4 * ip.ihl + sizeof(struct udphdr);
	if (bpf_skb_load_bytes(skb, *payload, &f, sizeof(f)) || f.magic != FRAME_MAGIC)
		return 0;
	return f.kind;
}

/* The n-th packet of a cell has the same fate whenever the seed is the same (splitmix64). */
static __always_inline __u64 draw(__u32 cell, __u64 n, __u32 what)
{
	__u64 z = seed + ((__u64)cell << 32) + n * 0x9e3779b97f4a7c15 + what * 0xd1b54a32d192ed03;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static __always_inline int strikes(__u32 share, __u32 cell, __u64 n, __u32 what)
{
	return share == 0xffffffff || (__u32)draw(cell, n, what) < share;
}

static __always_inline void add(__u64 *count)
{
	__sync_fetch_and_add(count, 1);
}

/* Turns one bit of the payload over. The checksum is left as it is: on a veth none is made yet, and it is made of what
 * is there, so that only the frame's own code can tell. */
static __always_inline long corrupt(struct __sk_buff *skb, __u32 payload, __u64 chance)
{
	__u32 length = skb->len - payload;
	__u8 byte;
	__u32 at;

	if (payload >= skb->len)
		return -1;
	at = payload + (__u32)(chance >> 8) % length;
	if (bpf_skb_load_bytes(skb, at, &byte, 1))
		return -1;
	byte ^= 1 << (chance & 7);
	return bpf_skb_store_bytes(skb, at, &byte, 1, 0);
}

/* A tag tells the waiting room for how long, and the way back which way the packet was on: 6 bits for each. */
static __always_inline long label(struct __sk_buff *skb, __u32 road, __u32 wait)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), (wait % LIMIT_WAITS) << 6 | (road + 1));
}

static __always_inline long copy_now(struct __sk_buff *skb, enum way way)
{
	long failed;

	skb->mark = RESENT;
	failed = bpf_clone_redirect(skb, skb->ifindex, way == WAY_FROM ? BPF_F_INGRESS : 0);
	skb->mark = 0;
	return failed;
}

static __always_inline long copy_later(struct __sk_buff *skb, __u32 road, __u32 wait)
{
	if (label(skb, road, wait))
		return -1;
	return bpf_clone_redirect(skb, waiting_room, 0) | bpf_skb_vlan_pop(skb);
}

static __always_inline int meddle(struct __sk_buff *skb, enum way way)
{
	__u32 interface = skb->ifindex, payload = 0, road, cell;
	struct tally *tally;
	struct rule *rule;
	__u32 *port;
	__u64 n;

	if (skb->mark == RESENT) {
		skb->mark = 0;
		return TC_ACT_UNSPEC;
	}
	port = bpf_map_lookup_elem(&ports, &interface);
	if (!port)
		return TC_ACT_UNSPEC;
	road = 2 * *port + way;
	cell = road * LIMIT_KINDS + kind_of(skb, &payload);
	rule = bpf_map_lookup_elem(&rules, &cell);
	tally = bpf_map_lookup_elem(&tallies, &cell);
	if (!rule || !tally)
		return TC_ACT_UNSPEC;
	n = __sync_fetch_and_add(&tally->seen, 1);
	if (strikes(rule->drop, cell, n, 1)) {
		add(&tally->dropped);
		return TC_ACT_SHOT;
	}
	if (strikes(rule->corrupt, cell, n, 2))
		add(corrupt(skb, payload, draw(cell, n, 3)) ? &tally->failed : &tally->corrupted);
	if (strikes(rule->duplicate, cell, n, 4))
		add(copy_now(skb, way) ? &tally->failed : &tally->duplicated);
	if (strikes(rule->replay, cell, n, 5))
		add(copy_later(skb, road, rule->wait) ? &tally->failed : &tally->replayed);
	if (!strikes(rule->delay, cell, n, 6))
		return TC_ACT_UNSPEC;
	if (label(skb, road, rule->wait)) {
		add(&tally->failed);
		return TC_ACT_UNSPEC;
	}
	add(&tally->delayed);
	return bpf_redirect(waiting_room, 0);
}

SEC("tcx/ingress")
int fault_from(struct __sk_buff *skb)
{
	return meddle(skb, WAY_FROM);
}

SEC("tcx/egress")
int fault_to(struct __sk_buff *skb)
{
	return meddle(skb, WAY_TO);
}

/* What leaves the waiting room goes on where it was taken out. */
SEC("tcx/ingress")
int fault_resume(struct __sk_buff *skb)
{
	__u32 road = (skb->vlan_tci & 63) - 1, port, *interface;

	if (!skb->vlan_present || road >= 2 * LIMIT_PORTS)
		return TC_ACT_SHOT;
	port = road / 2;
	interface = bpf_map_lookup_elem(&interfaces, &port);
	if (!interface || bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	skb->mark = RESENT;
	return bpf_redirect(*interface, road % 2 == WAY_FROM ? BPF_F_INGRESS : 0);
}
