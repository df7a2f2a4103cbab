/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_NL_H
#define VNET_KERNEL_NL_H

/*
 * nl.h - rtnetlink requests: many in one send, answers matched by sequence number
 *
 * A round is: nl_add() one message after the other, put attributes with
 * libmnl's mnl_attr_put*(), then one of nl_send() (changes), nl_get() (one
 * object) or nl_dump() (many).  The buffer belongs to struct nl; a header is
 * valid until the round ends.  Each message must stay below NL_MESSAGE_MAX,
 * which holds every attribute we know at its longest.
 *
 * The kernel runs all messages of one send in order, inside the system call,
 * and goes on after one that failed: rtnetlink batches are no transactions.
 */

#include "vnet/error.h"

#include <libmnl/libmnl.h>
#include <stdint.h>

#define NL_BATCH_MAX 64 /* requests in a send: their answers fit the default receive buffer */
#define NL_MESSAGE_MAX 2048
#define NL_DUMP_TRIES 10        /* of a dump that changes interrupt (NLM_F_DUMP_INTR) */

struct nl_answer {
	int result;             /* 0 or negative errno */
	char text[160];         /* the kernel's extended-ack text or "" */
};

struct nl {
	int fd;
	uint32_t port;          /* our address; notifications name it as their cause */
	uint32_t seq;
	unsigned n;             /* messages of the current round */
	char *out, *in;
	struct nlmsghdr *last;
	struct nl_answer answers[NL_BATCH_MAX];
};

/* protocol: NETLINK_ROUTE, … */
int nl_open(struct nl *nl, int protocol, struct vnet_error *err);
/* On a netlink socket that was made elsewhere: it is taken, also on failure. */
int nl_take(struct nl *nl, int fd, struct vnet_error *err);
void nl_close(struct nl *nl); /* fine on a zeroed or closed one */

/* Begins a message; NULL is never returned: more than NL_BATCH_MAX is a bug of the caller. */
struct nlmsghdr *nl_add(struct nl *nl, uint16_t type, uint16_t flags);
/* The message's fixed header (struct ifinfomsg, …), zeroed; before any attribute. */
void *nl_header(struct nlmsghdr *message, size_t size);
/* Drops what was added since the last round. */
void nl_reset(struct nl *nl);

/*
 * Sends what was added.  0 when every request got its answer, which is then in
 * nl->answers[0..n); negative errno when answers are missing (-ETIMEDOUT,
 * -ENOBUFS): requests may have run.
 */
int nl_send(struct nl *nl);
/* The same, but a request that failed is a failure: the first one, *ret_failed of them (or NULL). */
int nl_send_all(struct nl *nl, unsigned *ret_failed);
/* Sends the one request added; *ret (until the next round) is the object in the answer. */
int nl_get(struct nl *nl, const struct nlmsghdr **ret);

/*
 * Sends the one request added, as a dump.  each() sees every object; when the
 * kernel says that it changed meanwhile, restart() forgets and all begins
 * again, NL_DUMP_TRIES times, then -EAGAIN.
 */
struct nl_dump {
	void (*each)(const struct nlmsghdr *object, void *context);
	void (*restart)(void *context);
	void *context;
};
int nl_dump(struct nl *nl, const struct nl_dump *dump);

/* The text that came with the failure of the last nl_get()/nl_dump() or of request i. */
const char *nl_text(const struct nl *nl, unsigned i);

/* Messages of a received datagram. */
struct nl_reader { const char *at; size_t left; };
/*
 * The next message that is there completely, or NULL.  (libmnl's mnl_nlmsg_ok()
 * takes lengths from 2 GiB on for good ones.)
 */
const struct nlmsghdr *nl_next(struct nl_reader *reader);

/* Attributes of a received message, in bounds whatever the bytes are. */
void nl_attrs(const void *attrs, size_t size, const struct nlattr **ret, size_t n);
void nl_attrs_of(const struct nlmsghdr *message, size_t header, const struct nlattr **ret,
		 size_t n);
void nl_attrs_nested(const struct nlattr *nest, const struct nlattr **ret, size_t n);
/* One after the other, for a nest that has several of a type. */
struct nl_attr_reader { const char *at; size_t left; };
struct nl_attr_reader nl_attr_reader(const struct nlattr *nest);
const struct nlattr *nl_attr_next(struct nl_attr_reader *reader); /* NULL past the last */
uint8_t nl_u8(const struct nlattr *attr);   /* 0 when absent or too short */
uint16_t nl_u16(const struct nlattr *attr);
uint32_t nl_u32(const struct nlattr *attr);
uint64_t nl_u64(const struct nlattr *attr);
/* Copies a string and ends it; "" when absent. */
void nl_str(const struct nlattr *attr, char *ret, size_t size);

#endif
