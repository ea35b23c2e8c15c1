/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A follower's part: store the entry, acknowledge it; and give a leader that asks a sign of being followed. For entries the
 * order is the contract, and never another:
 *
 *	check everything - note the time - claim - write the record - publish its tag - answer
 *
 * Nothing can fail between claim and tag. Every doubt before the claim passes the packet up unchanged. What the answer
 * says is made before the claim too: only until then is it certain that the generation's record has not changed. */
#pragma once

#include "answer.h"
#include "identity.h"
#include "word.h"

#define TRIES 8 /* at a cell that other CPUs change too */

/* Copies a frame into a record, in a function of its own for the same reason as siphash(). */
__noinline int copy_frame(struct record *to, const struct words *from, __u32 length)
{
	__u32 n = (length + 7) / 8;

	if (!to || !from)
		return 0;
	for (__u32 i = 0; i < ENTRY_WORDS; i++) {
		if (i >= n)
			break;
		to->words.w[i] = from->w[i];
	}
	return 0;
}

/* Reads the body behind the headers that are already there. */
static __always_inline enum reason read_body(void *ctx, enum hook hook, struct scratch *s)
{
	__u32 length = s->in.frame.length;

	if (length == 0)
		return REASON_NONE;
	if (length > MAX_BODY)
		return REASON_TOO_LARGE;
	if (load(ctx, hook, HEADERS, s->body, length))
		return REASON_UNREADABLE;
	return REASON_NONE;
}

/* Whether the op may be acknowledged as far as the word and the log are concerned. */
static __always_inline enum reason check_op(__u64 op, __u64 word, struct control *control)
{
	__u64 last = word_op(word), released;

	if (op == 0 || op > OP_MAX)
		return REASON_OP_RANGE;
	if (op <= last)
		return REASON_NONE;
	if (op > last + 1)
		return REASON_GAP;
	released = READ_ONCE(control->released);
	if (word_generation(released) != word_generation(word) || op > word_op(released) + log_mask + 1)
		return REASON_LOG_FULL;
	return REASON_NONE;
}

static __always_inline struct record *record_of(__u32 slot, __u64 op)
{
	void *log = bpf_map_lookup_elem(&logs, &slot);
	__u32 index = op & log_mask;

	if (!log)
		return 0;
	return bpf_map_lookup_elem(log, &index);
}

/* Notes when we acknowledge: the latest time of all CPUs. */
static __always_inline enum reason note_time(struct control *control)
{
	__u64 now = bpf_ktime_get_boot_ns();

	for (int i = 0; i < TRIES; i++) {
		__u64 then = READ_ONCE(control->acked_at);

		if (then >= now || compare_and_swap(&control->acked_at, then, now) == then)
			return REASON_NONE;
	}
	return REASON_CONTENDED;
}

/* Whether the word is of the generation that was checked: it is read once more, after all checks. Then an op that is held
 * already may be acknowledged again, and a probe be given a sign. */
static __always_inline int still_armed(struct control *control, __u64 word)
{
	__u64 now = read_ordered(&control->word);

	return word_armed(now) && word_generation(now) == word_generation(word);
}

static __always_inline enum reason store(struct control *control, struct record *record, struct scratch *s, __u64 word,
					 __u64 op)
{
	__u64 next = word_make(word_generation(word), op);

	if (compare_and_swap(&control->word, word, next) != word)
		return REASON_RACED;
	copy_frame(record, frame_words(&s->in), FRAME_BYTES + s->in.frame.length);
	__sync_lock_test_and_set(&record->tag, next);
	return REASON_ACKED;
}

static __always_inline enum reason follow(void *ctx, enum hook hook, __u32 length, struct scratch *s, __u32 slot,
					  struct control *control)
{
	__u64 word = READ_ONCE(control->word);
	struct config *config = config_of(slot, 0, word_generation(word));
	struct record *record;
	enum reason reason;
	__u64 op;

	if (!word_armed(word) || !config)
		return REASON_FENCED;
	op = op_of(&s->in, config);
	reason = check_identity(&s->in, config);
	if (reason == REASON_NONE && s->in.frame.sender != config->leader)
		reason = REASON_WRONG_SENDER;
	if (reason == REASON_NONE)
		reason = read_body(ctx, hook, s);
	if (reason == REASON_NONE)
		reason = check_mac(&s->in, FRAME_BYTES + s->in.frame.length, config);
	if (reason == REASON_NONE)
		reason = check_op(op, word, control);
	if (reason != REASON_NONE)
		return reason;
	record = record_of(slot, op);
	if (!record)
		return REASON_NO_LOG;
	make_answer(s, KIND_ACCEPTED, config);

	reason = note_time(control);
	if (reason != REASON_NONE)
		return reason;
	if (op <= word_op(word))
		reason = still_armed(control, word) ? REASON_REACKED : REASON_RACED;
	else
		reason = store(control, record, s, word, op);
	if (reason == REASON_RACED)
		return reason;
	return send_answer(ctx, hook, length, s) ? REASON_UNANSWERED : reason;
}

/* A leader that is asked for a read probes whether it is still followed. To be armed is to be normal in the view, and a
 * replica promises no other before it has fenced: so the sign says that this one had not, at a moment after the question
 * was asked. It binds to nothing and grants no lease: neither op nor time is noted. */
static __always_inline enum reason sign(void *ctx, enum hook hook, __u32 length, struct scratch *s, __u32 slot,
					struct control *control)
{
	__u64 word = READ_ONCE(control->word);
	struct config *config = config_of(slot, 0, word_generation(word));
	enum reason reason;

	if (!word_armed(word) || !config)
		return REASON_FENCED;
	reason = check_identity(&s->in, config);
	if (reason == REASON_NONE && s->in.frame.sender != config->leader)
		reason = REASON_WRONG_SENDER;
	if (reason == REASON_NONE && s->in.frame.length != 0)
		reason = REASON_LENGTH;
	if (reason == REASON_NONE)
		reason = check_mac(&s->in, FRAME_BYTES, config);
	if (reason == REASON_NONE && s->in.frame.op != 0)
		reason = REASON_OP_RANGE;
	if (reason != REASON_NONE)
		return reason;
	make_answer(s, KIND_SIGN, config);
	if (!still_armed(control, word))
		return REASON_RACED;
	return send_answer(ctx, hook, length, s) ? REASON_UNANSWERED : REASON_SIGNED;
}
