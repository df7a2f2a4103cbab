/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_KERNEL_LINK_KIND_H
#define VNET_KERNEL_LINK_KIND_H

/*
 * link_kind.h - what each kind of device has of its own: IFLA_INFO_DATA
 *
 * One entry for each kind that vnet makes or looks into.  Others are known by
 * their name only (struct link.kind).
 */

#include "kernel/nl.h"
#include "plan/op.h"

#define LINK_KIND_ATTRS 64 /* more than any kind that we read has */

struct link_kind_ops {
	const char *name;
	/* From the attributes, absent ones NULL; all NULL when the kernel sent no data. */
	void (*parse)(const struct nlattr *const attrs[LINK_KIND_ATTRS], struct link *ret);
	/*
	 * Into a request: all of a new device, or what a living one lets change.  parent: the index
	 * of op->parent or 0.  NULL: the kind has nothing to be set.
	 */
	void (*put)(struct nlmsghdr *m, const struct op_link *op, int parent, bool is_new);
	/* Whether the device has what makes it this one, beyond kind and parent; NULL: nothing. */
	bool (*is_same)(const struct link *link, const struct op_link *op);
};

/* NULL: unknown. */
const struct link_kind_ops *link_kind_find(const char *name);
/* Fills in what link.kind says; data: IFLA_INFO_DATA or NULL. */
void link_kind_parse(const struct nlattr *data, struct link *link);
/* IFLA_LINKINFO with op's kind, which the caller names: in LINK_SET_BRIDGE it is implied. */
void link_kind_put(struct nlmsghdr *m, const char *kind, const struct op_link *op, int parent,
		   bool is_new);
/* An existing device is the one that op would make: kind, parent and what it has of its own. */
bool link_kind_is_same(const struct link *link, const struct op_link *op, int parent);

#endif
