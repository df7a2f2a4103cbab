/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LAB_PROBE_H
#define CLI_LAB_PROBE_H

/*
 * probe.h - finds out whether one expectation holds, by doing what it says
 *
 * Runs in a process of the lab that belongs to the probe alone: it moves from one
 * machine's network to another's.
 */

#include "lab/lab.h"

struct probe_result {
	bool holds;
	bool is_error;          /* it could not be found out */
	char reason[400];       /* what was seen instead, or "" */
	struct ip to;           /* where its packets went; family 0: nowhere */
};

void probe(const struct lab *lab, const struct expectation *e, struct probe_result *ret);
/* Enters the network of a machine; a failure ends the process. */
void probe_enter(const char *machine);
/*
 * The address of a machine that is nearest to another one: on a subnet that both are on,
 * else its first; family 0: IPv4 before IPv6.  Leaves the process in `from`'s network.
 */
bool probe_address(const struct lab *lab, const char *from, const char *to, int family, struct ip *ret);

#endif
