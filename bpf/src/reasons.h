/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every way out of a program has a reason, counted per slot. What is done with the packet follows from the
 * reason alone, see ingress() in anode.bpf.c. Package bpf names them; a test compares names and numbers. */
#pragma once

enum reason {
	REASON_NONE, /* no decision yet; never counted */

	/* Passed up: not the fast path's business. */
	REASON_FOREIGN,    /* no UDP over IPv4 with one of our frames in it */
	REASON_OPTIONS,    /* IP options */
	REASON_FRAGMENT,   /* part of a larger datagram */
	REASON_NO_SLOT,    /* no replica here has that address, port and group */
	REASON_LENGTH,     /* the payload is not exactly one frame */
	REASON_MALFORMED,  /* version, flags or reserved bits */
	REASON_OTHER_KIND, /* neither Accept, nor Accepted, nor Probe */
	REASON_FENCED,     /* user space has not armed the slot */

	/* Passed up: not from whom, not to whom, or not what it should be. */
	REASON_WRONG_CLUSTER,
	REASON_WRONG_VIEW,
	REASON_WRONG_DESTINATION, /* another hardware address, or a slot that was given away meanwhile */
	REASON_WRONG_SENDER,      /* not the leader, or no other member of the group */
	REASON_WRONG_SOURCE,      /* not the address of the member that it claims to be */
	REASON_WRONG_INCARNATION,
	REASON_WRONG_MAC,
	REASON_UNREADABLE, /* the kernel would not hand out the packet's bytes */

	/* Passed up by a follower. */
	REASON_TOO_LARGE,
	REASON_OP_RANGE, /* op 0, or one that does not fit the word; a probe with an op */
	REASON_GAP,
	REASON_LOG_FULL, /* user space has not released the place */
	REASON_NO_LOG,
	REASON_CONTENDED, /* too many other CPUs at the same cell */
	REASON_RACED,     /* the word changed between check and claim */

	/* A follower's answers. */
	REASON_ACKED,
	REASON_REACKED,    /* an op that it holds already */
	REASON_SIGNED,     /* a probe: it is normal in the view */
	REASON_UNANSWERED, /* stored, but the answer could not be sent: dropped, as if it had got lost */

	/* Passed up by a leader. */
	REASON_ABOVE_LAST, /* acknowledges what was never sent */
	REASON_OLD_CELL,   /* the leader's state was renewed meanwhile */
	REASON_CHOSEN,     /* moves the chosen op */
	REASON_ALWAYS,     /* moves nothing, but user space wants all */

	/* Consumed by a leader. */
	REASON_COUNTED,  /* entered into its cell */
	REASON_REPEATED, /* not above its cell */
	REASON_QUIET,    /* moves the chosen op, but user space is awake and reads the mark */

	/* Broadcast. The first two are counted per datagram, the others per member. */
	REASON_BROADCAST,
	REASON_SEGMENTED, /* a train of datagrams; sent on as it is */
	REASON_CLONED,
	REASON_NO_NEIGHBOUR, /* hardware address unknown: that copy is not made */
	REASON_CLONE_FAILED,

	REASONS
};
