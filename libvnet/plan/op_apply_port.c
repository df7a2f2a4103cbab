/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op_apply_port.c - what hangs on one device: VLANs, forwarding entries, shapers, offloads, VFs */

#include "plan/op_apply.h"
#include "plan/vlan_map.h"

#include <errno.h>

/* VLANs. */

void apply_vlans_left(struct snapshot *snap, int ifindex)
{
	const struct vlan_map none = { 0 };

	if (!vlan_map_is_empty(snap, ifindex))
		vlan_map_write(snap, ifindex, &none);
}

void apply_vlans_joined(struct snapshot *snap, int ifindex, const struct bridge_state *bridge)
{
	struct vlan_map map = { 0 };

	if (!bridge->vlan_filtering || !bridge->default_pvid)
		return;
	map.flags[bridge->default_pvid & 0xfff] = VLAN_MEMBER | VLAN_PVID | VLAN_UNTAGGED;
	vlan_map_write(snap, ifindex, &map);
}

/* __br_vlan_set_default_pvid() */
void apply_vlans_default(struct snapshot *snap, int ifindex, unsigned was, unsigned is)
{
	const uint8_t by_default = VLAN_MEMBER | VLAN_PVID | VLAN_UNTAGGED;
	struct vlan_map map;

	vlan_map_read(snap, ifindex, &map);
	for (unsigned id = 1; id <= VLAN_ID_MAX; id++)
		if (map.flags[id] & VLAN_PVID && !(id == was && map.flags[id] == by_default))
			return; /* somebody's choice */
	if (is && map.flags[is & 0xfff])
		return;
	map.flags[was & 0xfff] = was && map.flags[was & 0xfff] == by_default ?
					 0 : map.flags[was & 0xfff];
	if (is)
		map.flags[is & 0xfff] = by_default;
	vlan_map_write(snap, ifindex, &map);
}

int apply_vlan(enum op_kind kind, const struct op_vlan *op, struct applier *a)
{
	const struct link *link = apply_find_link(a, op->ifname), *bridge = link;
	struct vlan_map map;

	if (!link)
		return kind == OP_VLAN_DEL ? 0 : apply_no_device(a, op->ifname);
	if (!op->vlan.first || op->vlan.first > op->vlan.last || op->vlan.last > VLAN_ID_MAX ||
	    (op->vlan.is_pvid && op->vlan.first != op->vlan.last))
		return vnet_error_set(a->err, -EINVAL, "bad-vlan", "%s: bad VLAN range", op->ifname);
	if (!op->is_bridge)
		bridge = snapshot_link_by_index(a->snap, link->master);
	if (!bridge || strcmp(bridge->kind, "bridge") != 0)
		return kind == OP_VLAN_DEL ? 0 :
					     vnet_error_set(a->err, -EOPNOTSUPP, "no-bridge-port",
							    "%s is on no bridge", op->ifname);
	if (!bridge->bridge.vlan_filtering)
		return 0; /* kept by the kernel, but not seen */
	vlan_map_read(a->snap, link->ifindex, &map);
	if (kind == OP_VLAN_ADD)
		vlan_map_add(&map, &op->vlan);
	else
		memset(&map.flags[op->vlan.first], 0, op->vlan.last - op->vlan.first + 1u);
	vlan_map_write(a->snap, link->ifindex, &map);
	return 0;
}

/* The others: one entry each. */

DEFINE_INSERT(insert_fdb, vxlan_fdb, fdb, snapshot_cmp_fdb);
DEFINE_INSERT(insert_shaper, shaper, shapers, snapshot_cmp_shapers);
DEFINE_INSERT(insert_root, shaper_root, shaper_roots, snapshot_cmp_shaper_roots);

#define find_sorted(vec, key, compare) \
	((vec)->n ? bsearch(key, (vec)->v, (vec)->n, sizeof(*(vec)->v), compare) : NULL)

int apply_fdb(enum op_kind kind, const struct op_fdb *op, struct applier *a)
{
	const struct link *link = apply_find_link(a, op->ifname);
	struct vxlan_fdb fdb = op->fdb, *there;

	if (!link)
		return kind == OP_FDB_DEL ? 0 : apply_no_device(a, op->ifname);
	fdb.ifindex = link->ifindex;
	there = find_sorted(&a->snap->fdb, &fdb, snapshot_cmp_fdb);
	if (kind == OP_FDB_ADD && there)
		*there = fdb;
	else if (kind == OP_FDB_ADD)
		insert_fdb(a->snap, &fdb);
	else if (there)
		vec_remove(&a->snap->fdb, (size_t)(there - a->snap->fdb.v));
	return 0;
}

int apply_shape(const struct op_shape *op, struct applier *a)
{
	const struct link *link = apply_find_link(a, op->ifname), *ifb = apply_find_link(a, op->ifb);
	bool is_off = !op->shaper.in.rate && !op->shaper.out.rate;
	struct shaper shaper = op->shaper, *there;

	if (is_off && !link)
		return 0;
	if (!link || (!is_off && !ifb))
		return apply_no_device(a, link ? op->ifb : op->ifname);
	shaper.ifindex = link->ifindex;
	shaper.ifb = ifb ? ifb->ifindex : 0;
	there = find_sorted(&a->snap->shapers, &shaper, snapshot_cmp_shapers);
	if (is_off && there)
		vec_remove(&a->snap->shapers, (size_t)(there - a->snap->shapers.v));
	else if (!is_off && there)
		*there = shaper;
	else if (!is_off)
		insert_shaper(a->snap, &shaper);
	return 0;
}

int apply_shape_root(const struct op_shape_root *op, struct applier *a)
{
	const struct link *ifb = apply_find_link(a, op->ifb);
	struct shaper_root root = { .in = op->in, .out = op->out }, *there;

	if (!ifb)
		return apply_no_device(a, op->ifb);
	root.ifindex = ifb->ifindex;
	there = find_sorted(&a->snap->shaper_roots, &root, snapshot_cmp_shaper_roots);
	if (there)
		*there = root;
	else
		insert_root(a->snap, &root);
	return 0;
}

int apply_checksum(enum op_kind kind, const struct op_checksum *op, struct applier *a)
{
	struct link *link = apply_find_link(a, op->ifname);

	if (!link)
		return kind == OP_CHECKSUM_DEL ? 0 : apply_no_device(a, op->ifname);
	link->checksum = kind == OP_CHECKSUM_ADD ? CHECKSUM_GUARDED : CHECKSUM_OPEN;
	return 0;
}

static void set_feature(bool *feature, enum tristate wanted)
{
	if (wanted != TRI_DEFAULT)
		*feature = wanted == TRI_TRUE;
}

int apply_features(const struct op_features *op, struct applier *a)
{
	struct link *link = apply_find_link(a, op->ifname);
	struct feature_state *is;

	if (!link)
		return apply_no_device(a, op->ifname);
	is = &link->features;
	if (!is->is_known)
		*is = (struct feature_state){ true, true, true, true, true, true, true };
	set_feature(&is->rx, op->options.rx);
	set_feature(&is->tx, op->options.tx);
	set_feature(&is->sg, op->options.sg);
	set_feature(&is->tso, op->options.tso);
	set_feature(&is->gso, op->options.gso);
	set_feature(&is->gro, op->options.gro);
	return 0;
}

int apply_vf(const struct op_vf *op, struct applier *a)
{
	const struct link *link = apply_find_link(a, op->ifname);
	struct vf vf = op->vf, *there;

	if (!link)
		return apply_no_device(a, op->ifname);
	vf.ifindex = link->ifindex;
	there = find_sorted(&a->snap->vfs, &vf, snapshot_cmp_vfs);
	if (!there)
		return vnet_error_set(a->err, -EINVAL, "no-vf", "%s has no virtual function %u",
				      op->ifname, vf.index);
	*there = vf;
	return 0;
}
