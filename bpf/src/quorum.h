/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A leader's part: count acknowledgements, and wake user space only for one that moves the chosen op. */
#pragma once

#include "follower.h"
#include "identity.h"
#include "word.h"

/* Raises a cell to an op, from a value of the generation that was checked. A CPU that was stalled since an older
 * generation finds the cell renewed and writes nothing. */
static __always_inline enum reason raise(__u64 *cell, __u64 generation, __u64 op)
{
	for (int i = 0; i < TRIES; i++) {
		__u64 old = READ_ONCE(*cell);

		if (old & FENCED || word_generation(old) != generation)
			return REASON_OLD_CELL;
		if (word_op(old) >= op)
			return REASON_REPEATED;
		if (compare_and_swap(cell, old, word_make(generation, op)) == old)
			return REASON_NONE;
	}
	return REASON_CONTENDED;
}

/* 1 if a is less than b, without a branch: ops are far below 2^63. The verifier follows every branch both ways,
 * and nine times nine of them are more than it can follow; the empty statement keeps the compiler from making one. */
static __always_inline __u64 less(__u64 a, __u64 b)
{
	__u64 borrow = a - b;

	asm volatile("" : "+r"(borrow));
	return borrow >> 63;
}

/* What the members but ourselves have acknowledged in this generation. */
static __always_inline void read_cells(struct control *control, const struct config *config, __u64 generation,
				       __u64 *acked)
{
	for (int i = 0; i < MAX_MEMBERS; i++) {
		__u64 cell = READ_ONCE(control->cells[i]);
		__u64 counts = less(i, config->members) & ((cell >> OP_BITS) == generation) & (i != config->self);

		acked[i] = word_op(cell) & -counts;
	}
}

/* The highest op that f members have acknowledged in this generation. A function of its own for the same reason as
 * siphash(). */
__noinline __u64 quorum_op(struct control *control, const struct config *config, __u64 generation)
{
	__u64 acked[MAX_MEMBERS], best = 0;

	if (!control || !config)
		return 0;
	read_cells(control, config, generation, acked);
	for (int i = 0; i < MAX_MEMBERS; i++) {
		__u64 holders = MAX_MEMBERS, op;

		for (int j = 0; j < MAX_MEMBERS; j++)
			holders -= less(acked[j], acked[i]);
		op = acked[i] & (less(holders, config->quorum) - 1);
		best ^= (best ^ op) & -less(best, op);
	}
	return best;
}

static __always_inline enum reason check_above(__u64 op, __u64 generation, struct control *control)
{
	__u64 last = READ_ONCE(control->lead_last);

	if (op == 0 || op > OP_MAX)
		return REASON_OP_RANGE;
	if (word_generation(last) != generation || op > word_op(last))
		return REASON_ABOVE_LAST;
	return REASON_NONE;
}

/* Enters an acknowledgement, and says what that did. */
static __always_inline enum reason enter(struct control *control, const struct config *config, __u64 generation,
					 __u32 sender, __u64 op)
{
	enum reason reason = raise(&control->cells[sender], generation, op);

	if (reason != REASON_NONE)
		return reason;
	op = quorum_op(control, config, generation);
	if (op == 0)
		return REASON_COUNTED;
	reason = raise(&control->chosen, generation, op);
	if (reason == REASON_NONE)
		return REASON_CHOSEN;
	return reason == REASON_REPEATED ? REASON_COUNTED : reason;
}

/* Whether user space wants to see the packet. */
static __always_inline enum reason wake(struct control *control, enum reason reason)
{
	__u64 want = READ_ONCE(control->wake);

	if (want == WAKE_NEVER && reason == REASON_CHOSEN)
		return REASON_QUIET;
	if (want == WAKE_ALWAYS && (reason == REASON_COUNTED || reason == REASON_REPEATED))
		return REASON_ALWAYS;
	return reason;
}

static __always_inline enum reason lead(struct scratch *s, __u32 slot, struct control *control)
{
	__u64 word = READ_ONCE(control->lead), generation = word_generation(word);
	struct config *config = config_of(slot, CONFIG_LEAD, generation);
	struct frame *f = &s->in.frame;
	__u32 sender = f->sender;
	enum reason reason;
	__u64 op;

	if (!word_armed(word) || !config)
		return REASON_FENCED;
	op = op_of(&s->in, config);
	reason = check_identity(&s->in, config);
	if (reason == REASON_NONE && f->length != 0)
		reason = REASON_LENGTH;
	if (reason == REASON_NONE)
		reason = check_mac(&s->in, FRAME_BYTES, config);
	if (reason == REASON_NONE)
		reason = check_above(op, generation, control);
	if (reason != REASON_NONE)
		return reason;
	if (sender >= MAX_MEMBERS)
		return REASON_WRONG_SENDER;
	return wake(control, enter(control, config, generation, sender, op));
}
