/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_TRACE_FLIGHTS_H
#define VNET_TRACE_FLIGHTS_H

/*
 * flights.h - what the kernel tells of traced packets, put together packet by packet
 *
 * The kernel sends a message for each rule that a packet meets and each policy
 * that decides about it, of all packets in turn.  A flight gathers those of one
 * packet.  A message belongs to it by the kernel's number for the packet; that
 * changes where a bridge hands it to the host or copies it to several ports, and
 * there its headers tell (frame_key()).
 *
 * No message says that a packet has arrived.  A flight ends with silence.
 *
 * Pure: clocks are the caller's.
 */

#include "trace/frame.h"

#include <stdbool.h>

#define TRACE_NAME_MAX 64       /* of a table or chain; longer ones are cut off */
#define FLIGHTS_MAX 128         /* past it the oldest ends early */
#define FLIGHT_STEPS_MAX 32     /* of a packet that meets more the middle is left out */
#define FLIGHT_SILENCE_USEC 200000

enum trace_verdict {
	TRACE_CONTINUE, TRACE_ACCEPT, TRACE_DROP, TRACE_RETURN, TRACE_JUMP, TRACE_GOTO,
	TRACE_TAKEN,            /* queued for a program, or kept by the kernel */
};
const char *trace_verdict_name(enum trace_verdict verdict);

/* One decision about a packet. */
struct trace_step {
	uint8_t family;         /* NFPROTO_* of the table */
	bool is_policy;         /* the chain's, else a rule's */
	enum trace_verdict verdict;
	uint64_t handle;        /* of the rule */
	char table[TRACE_NAME_MAX], chain[TRACE_NAME_MAX];
	char to[TRACE_NAME_MAX]; /* of a jump or goto */
};

/* As the kernel sends it. */
struct trace_message {
	struct trace_step step;
	uint32_t id;
	uint32_t mark;
	int iif, oif;           /* indexes; 0: none, or not told: only with head */
	bool is_first;          /* of the rule that every traced frame meets first; with head */
	struct frame_head head; /* size 0: only the first message of a hook has it */
};

/* A frame that the guard took from a traced port. */
struct trace_sample {
	int ifindex;
	unsigned reason;        /* enum guard_reason */
	struct frame_head head;
};

/* What became of a packet; borrowed for the time of the call. */
struct trace_packet {
	int ifindex;            /* the port that it came from */
	int oif;                /* where it was about to leave when it was dropped, or 0 */
	bool is_dropped;        /* by the last step; else it passed all of them */
	uint32_t mark;
	const struct frame_head *head; /* as it came from the port */
	const struct trace_step *steps;
	unsigned n_steps;
};
typedef void (*flight_handler)(void *context, const struct trace_packet *packet);

struct flights;
/* The handler may be called by each function but flights_free(). */
struct flights *flights_new(flight_handler handler, void *context);
struct flights *flights_free(struct flights *flights); /* returns NULL */
void flights_add(struct flights *flights, uint64_t now, const struct trace_message *message);
/* Ends flights of which nothing was heard for FLIGHT_SILENCE_USEC. */
void flights_expire(struct flights *flights, uint64_t now);
bool flights_is_empty(const struct flights *flights);

#endif
