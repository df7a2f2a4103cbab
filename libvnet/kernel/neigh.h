/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_NEIGH_H
#define VNET_KERNEL_NEIGH_H

/* neigh.h - neighbours and bridge forwarding entries, one message type in rtnetlink */

#include "kernel/kernel.h"
#include "kernel/nl.h"

/* An RTM_NEWNEIGH of IPv4 or IPv6 that says reachable or failed; else -EINVAL. */
int neigh_parse(const struct nlmsghdr *m, struct kernel_event *ret);
/* A forwarding entry of the bridge, or of a tunnel on it; else -EINVAL. */
int fdb_parse(const struct nlmsghdr *m, struct fdb_entry *ret);

int neigh_list_fdb(struct nl *nl, int bridge, fdb_vec *ret, struct vnet_error *err);
int neigh_probe(struct nl *nl, int ifindex, const struct ip *ip, struct vnet_error *err);

#endif
