/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_LAB_EXPECT_H
#define VNET_LAB_EXPECT_H

/*
 * expect.h - what a lab should do, in sentences
 *
 *	A can ping B [over ipv4|ipv6]           A cannot ping B
 *	A can reach B:PORT [over udp|tcp]       A cannot reach B:PORT
 *	A gets an address in PREFIX             A gets no address
 *	A resolves NAME [to ADDRESS]            A cannot resolve NAME
 *	http from A to B:PORT [says TEXT]       no http from A to B:PORT
 *	rate A -> B about 10mbit [within 20%]   rate A -> B at least|at most 10mbit
 *	broadcast of A seen by B, C only        broadcast of A seen by nobody
 *
 * A is a machine; B a machine or an address.  Pure.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "model/source.h"
#include "vnet/error.h"

#define EXPECTATION_NAMES_MAX 64        /* of those that see a broadcast */
#define EXPECTATION_TEXT_MAX 512

enum expectation_kind {
	EXPECT_PING, EXPECT_REACH, EXPECT_ADDRESS, EXPECT_RESOLVE, EXPECT_HTTP, EXPECT_RATE,
	EXPECT_BROADCAST,
};

enum rate_bound { RATE_ABOUT, RATE_AT_LEAST, RATE_AT_MOST };

struct expectation {
	struct source source;
	char *text;             /* as written */
	enum expectation_kind kind;
	bool is_denied;         /* it must not work */
	char *from;             /* a machine */
	char *to;               /* a machine, or the text of an address, or a name to resolve; or NULL */
	unsigned port;          /* of REACH and HTTP */
	int family;             /* AF_INET, AF_INET6; 0: whichever there is, IPv4 first */
	bool is_udp;            /* REACH */
	struct prefix prefix;   /* ADDRESS; family 0: none wanted */
	struct ip address;      /* RESOLVE: family 0: any */
	char *says;             /* HTTP: what the answer holds, or NULL */
	enum rate_bound bound;  /* RATE */
	uint64_t rate;          /* bit/s */
	unsigned tolerance;     /* %, of RATE_ABOUT */
	VEC(char *) seen_by;    /* BROADCAST: these and no others */
};
typedef VEC(struct expectation) expectation_vec;

void expectation_clear(struct expectation *expectation);
/* The error names what was read and which sentences there are. */
int expectation_parse(const char *text, struct expectation *ret, struct vnet_error *err);

#endif
