/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * op_apply.c - what an operation makes of a snapshot
 *
 * The model of the kernel that the fake back end runs on and that proves plans
 * complete.  It follows Linux where the planner could notice: connected routes
 * come with addresses, everything on a device goes with the device, a VLAN
 * device follows the one below, inheritance between the sysctls that govern
 * forwarding.  What each operation does is in op_apply_*.c, by object.
 */

#include "plan/op_apply.h"

#include "nft/ruleset.h"

#include <errno.h>

size_t apply_place(const void *v, size_t n, size_t size, const void *item,
		   int (*compare)(const void *a, const void *b))
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(item, (const char *)v + middle * size) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int op_apply_to(const struct op *op, struct applier *a)
{
	switch (op->kind) {
	case OP_BRIDGE_CREATE:
		return apply_bridge_create(&op->link, a);
	case OP_LINK_CREATE:
		return apply_link_create(&op->link, a);
	case OP_TAP_CREATE:
		return apply_tap_create(&op->tap, a);
	case OP_LINK_SET:
		return apply_link_set(&op->link, a);
	case OP_LINK_DELETE:
		return apply_link_delete(&op->link, a);
	case OP_GROUP_DELETE:
		return apply_group_delete(&op->link, a);
	case OP_ADDR_ADD:
		return apply_addr_add(&op->addr, a);
	case OP_ADDR_DEL:
		return apply_addr_del(&op->addr, a);
	case OP_ROUTE_ADD:
		return apply_route_add(&op->route, a);
	case OP_ROUTE_DEL:
		return apply_route_del(&op->route, a);
	case OP_VLAN_ADD:
	case OP_VLAN_DEL:
		return apply_vlan(op->kind, &op->vlan, a);
	case OP_FDB_ADD:
	case OP_FDB_DEL:
		return apply_fdb(op->kind, &op->fdb, a);
	case OP_SHAPE:
		return apply_shape(&op->shape, a);
	case OP_SHAPE_ROOT:
		return apply_shape_root(&op->shape_root, a);
	case OP_CHECKSUM_ADD:
	case OP_CHECKSUM_DEL:
		return apply_checksum(op->kind, &op->checksum, a);
	case OP_FEATURES:
		return apply_features(&op->features, a);
	case OP_VF:
		return apply_vf(&op->vf, a);
	case OP_SYSCTL:
		return apply_sysctl(&op->sysctl, a);
	case OP_NFT:
		return nft_txn_apply(op->nft, &a->snap->nft, a->err);
	case OP_SERVICE:
		return 0; /* processes are not the kernel's */
	}
	return -EINVAL;
}

int op_apply(const struct op *op, struct snapshot *snap, struct vnet_error *err)
{
	struct applier a = { .snap = snap, .err = err };

	return op_apply_to(op, &a);
}
