/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space and the programs share. A slot is one replica; all its state is found by its number. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "frame.h"
#include "reasons.h"
#include "word.h"

#define MAX_SLOTS   256 /* replicas in one kernel */
#define MAX_MEMBERS 9   /* wire.MaxReplicas */

/* The number of records in every slot's log, less one; a power of two less one. User space sets it and the size
 * of the maps before it loads the programs. */
volatile const __u32 log_mask = 1023;

/* Who a packet speaks to. Address and port are as in the packet. */
struct slot_key {
	__u32 addr;
	__u16 port;
	__u16 zero;
	__u32 group;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SLOTS);
	__type(key, struct slot_key);
	__type(value, __u32);
} slots SEC(".maps");

/* The cells that change, in lines of the cache by who writes them. */
struct control {
	/* A follower's word, see word.h: the op that was claimed last. The programs move it from n-1 to n, user
	 * space fences and arms it, or claims an op itself. */
	__u64 word;
	/* When the programs last acknowledged, on the boot-time clock. Written before the claim. */
	__u64 acked_at;
	__u64 line0[6];

	/* User space has taken over every op up to here: generation and op. */
	__u64 released;
	__u64 line1[7];

	/* The leader's word: fenced and generation. */
	__u64 lead;
	/* The last op that the leader has sent: generation and op. */
	__u64 lead_last;
	/* One of enum wake. */
	__u64 wake;
	__u64 line2[5];

	/* The highest op known to be chosen, and what each member acknowledged: generation and op. Like all ops in words
	 * they are counted from the base of the generation's record. */
	__u64 chosen;
	__u64 cells[MAX_MEMBERS];
	__u64 line3[6];

	/* Hardware addresses: six bytes in memory order, then a byte that is 1 where the address is known. */
	__u64 neighbours[MAX_MEMBERS];
	__u64 line4[7];
};

_Static_assert(sizeof(struct control) % 64 == 0, "whole lines of the cache");

/* When an Accepted is passed up. Whatever it says, the cells and the mark are kept. */
enum wake {
	WAKE_ON_CHOSEN, /* when it moves the chosen op */
	WAKE_NEVER,     /* user space is awake and reads the mark itself */
	WAKE_ALWAYS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct control);
} controls SEC(".maps");

struct member {
	__u32 addr; /* as in the packet */
	__u16 port; /* as in the packet */
	__u16 zero;
	__u32 incarnation;
};

/* What holds for one generation. It is written while no program may use it, and does not change before the
 * generation ends: whoever finds the generation unchanged afterwards has read a whole record. */
struct config {
	__u64 cluster;
	__u64 view;
	__u64 base;   /* the op after which the view's epoch begins: words and cells count from it */
	__u64 key[2]; /* of SipHash; zero for none */
	__u32 group;
	__u32 incarnation; /* our own */
	__u16 self;
	__u16 leader;
	__u16 members; /* n = 2f+1 */
	__u16 quorum;  /* f */
	__u8 hardware[6]; /* our own address */
	__u16 zero;
	struct member member[MAX_MEMBERS];
	__u32 zero2;
};

/* A slot has four records: two in turn for a follower's generations, two for a leader's. */
#define CONFIGS_PER_SLOT 4
#define CONFIG_LEAD      2

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SLOTS * CONFIGS_PER_SLOT);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct config);
} configs SEC(".maps");

/* One claimed op. The tag, generation and op, is published last and by an atomic exchange: a reader that finds
 * it reads a whole record. */
struct record {
	__u64 tag;
	struct words words; /* the frame as it came */
};

struct log {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__uint(value_size, sizeof(struct record));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_SLOTS);
	__type(key, __u32);
	__array(values, struct log);
} logs SEC(".maps");

/* Limits, by name for user space. */
enum limit {
	LIMIT_SLOTS = MAX_SLOTS,
	LIMIT_MEMBERS = MAX_MEMBERS,
	LIMIT_BODY = MAX_BODY,
	LIMIT_OP_BITS = OP_BITS,
	LIMIT_GENERATION_BITS = GENERATION_BITS,
};

/* Nothing reads this. It carries the enums into the object's type information, from which the Go types are made. */
volatile const struct vocabulary {
	enum kind kind;
	enum wake wake;
	enum reason reason;
	enum limit limit;
} vocabulary;

struct counters {
	__u64 n[REASONS];
};

/* The row behind the last slot counts what belongs to no slot. */
#define ELSEWHERE MAX_SLOTS

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SLOTS + 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

static __always_inline void count(__u32 slot, enum reason reason)
{
	struct counters *row = bpf_map_lookup_elem(&counts, &slot);
	__u32 index = reason;

	if (row && index < REASONS)
		__sync_fetch_and_add(&row->n[index], 1);
}

static __always_inline struct config *config_of(__u32 slot, __u32 half, __u64 generation)
{
	__u32 index = slot * CONFIGS_PER_SLOT + half + (generation & 1);

	return bpf_map_lookup_elem(&configs, &index);
}
