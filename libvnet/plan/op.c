/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op.c - operations: list and JSON; in words: op_text.c; what they do to a snapshot: op_apply.c */

#include "plan/op.h"

#include "nft/ruleset.h"

#include <stdio.h>

struct op *op_add(op_vec *ops, enum op_kind kind, const char *network)
{
	struct op *op = vec_add(ops);

	op->kind = kind;
	snprintf(op->network, sizeof(op->network), "%s", network ? network : "");
	return op;
}

void op_vec_free(op_vec *ops)
{
	vec_each(op, ops)
		if (op->kind == OP_NFT)
			nft_txn_free(op->nft);
	vec_free(ops);
}

static const char *op_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
		[OP_BRIDGE_CREATE] = "bridge-create", [OP_LINK_CREATE] = "link-create",
		[OP_TAP_CREATE] = "tap-create",       [OP_LINK_SET] = "link-set",
		[OP_LINK_DELETE] = "link-delete",     [OP_GROUP_DELETE] = "group-delete",
		[OP_ADDR_ADD] = "address-add",        [OP_ADDR_DEL] = "address-delete",
		[OP_ROUTE_ADD] = "route-add",         [OP_ROUTE_DEL] = "route-delete",
		[OP_VLAN_ADD] = "vlan-add",           [OP_VLAN_DEL] = "vlan-delete",
		[OP_FDB_ADD] = "fdb-add",             [OP_FDB_DEL] = "fdb-delete",
		[OP_SHAPE] = "shape",                 [OP_SHAPE_ROOT] = "shape-network",
		[OP_CHECKSUM_ADD] = "checksum-add",   [OP_CHECKSUM_DEL] = "checksum-delete",
		[OP_FEATURES] = "features",           [OP_VF] = "vf",
		[OP_SYSCTL] = "sysctl",               [OP_NFT] = "nft",
		[OP_SERVICE] = "service",
	};

	return names[kind];
}

const char *op_device(const struct op *op)
{
	switch (op->kind) {
	case OP_BRIDGE_CREATE:
	case OP_LINK_CREATE:
	case OP_LINK_SET:
	case OP_LINK_DELETE:
		return op->link.name;
	case OP_TAP_CREATE:
		return op->tap.name;
	case OP_ADDR_ADD:
	case OP_ADDR_DEL:
		return op->addr.ifname;
	case OP_ROUTE_ADD:
	case OP_ROUTE_DEL:
		return op->route.ifname;
	case OP_VLAN_ADD:
	case OP_VLAN_DEL:
		return op->vlan.ifname;
	case OP_FDB_ADD:
	case OP_FDB_DEL:
		return op->fdb.ifname;
	case OP_SHAPE:
		return op->shape.ifname;
	case OP_SHAPE_ROOT:
		return op->shape_root.ifb;
	case OP_CHECKSUM_ADD:
	case OP_CHECKSUM_DEL:
		return op->checksum.ifname;
	case OP_FEATURES:
		return op->features.ifname;
	case OP_VF:
		return op->vf.ifname;
	case OP_GROUP_DELETE:
	case OP_SYSCTL:
	case OP_NFT:
	case OP_SERVICE:
		break;
	}
	return "";
}

json_t *op_to_json(const struct op *op)
{
	AUTO_FREE char *text = op_to_text(op);

	json_t *json = json_object(), *line = json_string(text);

	/* There may be thousands: json_pack() reads its format for each. */
	json_object_set_new_nocheck(json, "op", json_string_nocheck(op_kind_name(op->kind)));
	json_object_set_new_nocheck(json, "network", json_string_nocheck(op->network));
	/* A foreign device's name or alias may be bytes that are no UTF-8. */
	json_object_set_new_nocheck(json, "text",
				    line ? line : json_string("(names that are not UTF-8)"));
	json_object_set_new_nocheck(json, "losesTraffic", json_boolean(op->loses_traffic));
	if (op->loses_traffic && op->why)
		json_object_set_new_nocheck(json, "why", json_string_nocheck(op->why));
	return json;
}
