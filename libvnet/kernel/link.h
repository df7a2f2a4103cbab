/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_LINK_H
#define VNET_KERNEL_LINK_H

/* link.h - struct link and op_link as rtnetlink messages */

#include "kernel/nl.h"
#include "plan/op.h"

/*
 * Reads an RTM_NEWLINK or RTM_DELLINK.  -EINVAL when it holds no usable link:
 * not long enough, no index, no name.
 */
int link_parse(const struct nlmsghdr *m, struct link *ret);
/* The family of a link message: AF_UNSPEC, or AF_BRIDGE for a bridge port's state. */
int link_message_family(const struct nlmsghdr *m);
/* Reads an AF_BRIDGE RTM_NEWLINK: index, name, master, flags, MTU, MAC and port only. */
int link_parse_port(const struct nlmsghdr *m, struct link *ret);

/* RTM_GETLINK of one device by name, or a dump of all with name NULL. */
void link_add_get(struct nl *nl, const char *name);

/*
 * OP_LINK_SET but for LINK_SET_KIND, up to LINK_SET_MESSAGES messages.  master
 * is the index of op->master (0: take it out) and only looked at with
 * LINK_SET_MASTER.
 */
#define LINK_SET_MESSAGES 4
void link_add_set(struct nl *nl, const struct op_link *op, int master);
/* LINK_SET_KIND: what op->kind has and lets change; parent is the index of op->parent or 0. */
void link_add_change(struct nl *nl, const struct op_link *op, int parent);

/*
 * OP_LINK_CREATE, or OP_BRIDGE_CREATE, which names no kind: two messages.
 * Creation takes no alias and no IPv6 settings, so the second one marks the
 * device; both must go in one send, so that nothing, not even SIGKILL, comes
 * between them and leaves a device of ours without mark.
 */
#define LINK_CREATE_MESSAGES 2
void link_add_create(struct nl *nl, const struct op_link *op, int parent);
/* The alias of a device, by index. */
void link_add_alias(struct nl *nl, int ifindex, const char *alias);
/* Of a device that is down. */
void link_add_lower(struct nl *nl, int ifindex);
void link_add_rename(struct nl *nl, int ifindex, const char *name);
void link_add_delete(struct nl *nl, int ifindex);
/* All devices of a group at once; -ENODEV when it has none. */
void link_add_delete_group(struct nl *nl, uint32_t group);

#endif
