/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_CONNTRACK_H
#define VNET_KERNEL_CONNTRACK_H

/* conntrack.h - the kernel's table of connections (ctnetlink) */

#include "kernel/kernel.h"
#include "kernel/nl.h"

/* An entry of the table; -EINVAL: none of IP. */
int conntrack_parse(const struct nlmsghdr *m, struct kernel_flow *ret);
/* Appends those with an end in addresses, which are sorted here. */
int conntrack_list(struct nl *nl, ip_vec *addresses, flow_vec *ret, struct vnet_error *err);
int conntrack_change(struct nl *nl, const struct kernel_flow *flow, enum flow_change change,
		     struct vnet_error *err);

#endif
