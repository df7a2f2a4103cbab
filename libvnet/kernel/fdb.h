/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_FDB_H
#define VNET_KERNEL_FDB_H

/* fdb.h - the forwarding entries of VXLAN devices as rtnetlink messages */

#include "kernel/nl.h"
#include "plan/op.h"

/*
 * An RTM_NEWNEIGH of a VXLAN device's own table.  -EINVAL when it is none, or
 * one that the device learnt itself.
 */
int fdb_parse_vxlan(const struct nlmsghdr *m, struct vxlan_fdb *ret);
/* The reverse: only what the device learnt from frames. */
int fdb_parse_learnt(const struct nlmsghdr *m, struct vxlan_fdb *ret);
/* A dump of one device. */
void fdb_add_dump(struct nl *nl, int ifindex);
/* Adding one that is there already changes nothing; -EINVAL without a message: no remote. */
int fdb_add_request(struct nl *nl, bool is_add, const struct vxlan_fdb *fdb, int ifindex);

#endif
