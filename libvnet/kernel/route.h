/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_ROUTE_H
#define VNET_KERNEL_ROUTE_H

/* route.h - struct route as rtnetlink messages */

#include "kernel/nl.h"
#include "plan/snapshot.h"

/* RTM_NEWROUTE or RTM_DELROUTE; -EINVAL when it is none of IPv4 or IPv6, or a cache entry. */
int route_parse(const struct nlmsghdr *m, struct route *ret);
void route_add_dump(struct nl *nl, int family);
/* type: RTM_NEWROUTE, RTM_DELROUTE; route->oif 0: none. */
void route_add_request(struct nl *nl, uint16_t type, uint16_t flags, const struct route *route);
/* What it would do with a packet that came in by iif: 0 and where it leaves, or a negative errno. */
int route_ask(struct nl *nl, int iif, const struct ip *from, const struct ip *to, int *ret_oif);
/* The kernel keeps one route per family, table, destination and metric (when asked with EXCL). */
bool route_same_key(const struct route *a, const struct route *b);
/* Same key and all that was asked for. */
bool route_is(const struct route *have, const struct route *want);

#endif
