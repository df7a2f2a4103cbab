/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_ADDR_H
#define VNET_KERNEL_ADDR_H

/* addr.h - struct addr as rtnetlink messages */

#include "kernel/nl.h"
#include "plan/snapshot.h"

/* RTM_NEWADDR or RTM_DELADDR; -EINVAL when it holds no IP address. */
int addr_parse(const struct nlmsghdr *m, struct addr *ret);
void addr_add_dump(struct nl *nl);
/* type: RTM_NEWADDR, RTM_DELADDR; addr->ifindex is the device. */
void addr_add_request(struct nl *nl, uint16_t type, uint16_t flags, const struct addr *addr);

/* An address attribute of the family; false when the size does not fit. */
struct nlattr;
bool ip_from_attr(const struct nlattr *attr, int family, struct ip *ret);
void ip_put(struct nlmsghdr *m, uint16_t type, const struct ip *ip);

#endif
