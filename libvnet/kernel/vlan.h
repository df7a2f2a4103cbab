/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_VLAN_H
#define VNET_KERNEL_VLAN_H

/* vlan.h - the VLANs of bridge ports as rtnetlink messages */

#include "kernel/nl.h"
#include "plan/op.h"

typedef VEC(struct vlan_member) vlan_member_vec;

/* Adds what an AF_BRIDGE RTM_NEWLINK with IFLA_AF_SPEC tells, in the kernel's own pieces. */
void vlan_parse(const struct nlmsghdr *m, vlan_member_vec *ret);
/* Sorted by device and id; neighbouring ranges alike are one, a PVID stands alone. */
void vlan_normalise(vlan_member_vec *members);

/* A dump of all ports and bridges. */
void vlan_add_dump(struct nl *nl);
/*
 * Adds or removes op->vlan; adding an id again changes its flags.  0, or
 * -EINVAL without a message for what no port can have.
 */
int vlan_add_request(struct nl *nl, bool is_add, const struct op_vlan *op, int ifindex);

#endif
