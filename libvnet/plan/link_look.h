/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_PLAN_LINK_LOOK_H
#define VNET_PLAN_LINK_LOOK_H

/*
 * link_look.h - a device at a glance: is it still as it was?
 *
 * Of all that a snapshot knows of a device, what somebody configures; not what it
 * does by itself (carrier, the spanning tree's state).  An event of a device that
 * looks as at the last plan needs no new one.
 */

#include "plan/snapshot.h"

struct link_look {
	uint64_t device; /* 0: never seen */
	uint64_t port;   /* as a bridge port */
};

/* The same for the same, and for anything else almost certainly not. */
void link_look(const struct link *link, struct link_look *ret);
/* Of its port alone: events of bridge ports tell no more. */
uint64_t link_look_port(const struct link *link);

#endif
