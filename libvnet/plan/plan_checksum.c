/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_checksum.c - which ports have the checksum guard
 *
 * Those that any rule judges: what a rule has read must not change behind it
 * (kernel/checksum.bpf.c).  That a port has no virtio header makes no difference:
 * whoever may open another queue of its TAP could give it one.
 */

#include "plan/planner.h"

#include "model/group.h"

#include <stdio.h>

bool port_wants_checksum_guard(const struct network *net, const struct port *port)
{
	if (port->kind == PORT_MACVLAN || port->kind == PORT_VF)
		return false; /* no frame of theirs passes here */
	return port_guard(port, net).policy != GUARD_OFF || port_groups(port, net)->n;
}

static struct op_checksum checksum_op(const struct port *port)
{
	struct op_checksum op = { 0 };

	snprintf(op.ifname, sizeof(op.ifname), "%s", port->ifname);
	snprintf(op.kind, sizeof(op.kind), "%s", port->kind == PORT_MACVTAP ? "macvtap" : "");
	return op;
}

void plan_checksum(struct planner *p, const struct network *net, const struct port *port)
{
	bool is_wanted = port_wants_checksum_guard(net, port);
	struct op op = plan_op(is_wanted ? OP_CHECKSUM_ADD : OP_CHECKSUM_DEL, port->network);
	enum checksum_guard is = plan_link(p, port->ifname)->checksum;

	if (is == (is_wanted ? CHECKSUM_GUARDED : CHECKSUM_OPEN) ||
	    (is_wanted && !p->d->guards_checksums))
		return;
	op.checksum = checksum_op(port);
	plan_emit(p, &op);
}

/* The hot path. */

void checksum_ops(const struct network *net, const struct port *before, const struct port *after,
		  op_vec *ret)
{
	bool was = before && port_wants_checksum_guard(net, before);
	bool is = after && port_wants_checksum_guard(net, after);

	if (was != is)
		op_add(ret, is ? OP_CHECKSUM_ADD : OP_CHECKSUM_DEL, net->name)->checksum =
			checksum_op(is ? after : before);
}
