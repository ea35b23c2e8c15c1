/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packing for everything that user space and the programs change together:
 *
 *	bit 63     62 .. 44      43 .. 0
 *	fenced     generation    op
 *
 * An op is counted from the base of its epoch, which the record of the generation tells: of a frame's 64 bits the
 * upper 16 are the epoch's. 44 bits of op last for half a year at a million ops a second, 19 bits of generation
 * for half a million arms. User space refuses to arm before either overflows, and the programs accept no op above
 * OP_MAX. */
#pragma once

#include <linux/types.h>

#define OP_BITS         44
#define GENERATION_BITS 19
#define OP_MAX          ((1ULL << OP_BITS) - 1)
#define GENERATION_MAX  ((1ULL << GENERATION_BITS) - 1)
#define FENCED          (1ULL << 63)

_Static_assert(OP_BITS + GENERATION_BITS == 63, "one bit is left for the fence");

static __always_inline __u64 word_op(__u64 w)
{
	return w & OP_MAX;
}

static __always_inline __u64 word_generation(__u64 w)
{
	return w >> OP_BITS & GENERATION_MAX;
}

static __always_inline __u64 word_make(__u64 generation, __u64 op)
{
	return generation << OP_BITS | op;
}

/* A slot that was never armed has generation 0: fresh memory must not look armed. */
static __always_inline int word_armed(__u64 w)
{
	return !(w & FENCED) && word_generation(w) != 0;
}

/* Atomics. The compiler turns them into single instructions of the v3 instruction set, fully ordered. */
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))

static __always_inline __u64 compare_and_swap(__u64 *at, __u64 old, __u64 new)
{
	return __sync_val_compare_and_swap(at, old, new);
}

/* A read that cannot be ordered before what the program did until here. */
static __always_inline __u64 read_ordered(__u64 *at)
{
	return __sync_fetch_and_add(at, 0);
}
