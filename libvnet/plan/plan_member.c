/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_member.c - who is in which VLAN of a VLAN-aware bridge
 *
 * Nobody is in a VLAN by accident: the bridge's default is 0, so a port that has
 * just joined passes nothing, and what it is to pass is said here, before it is
 * raised.  The bridge itself, which is the host, is in the native VLAN only; the
 * uplink and the links to other hosts are trunks.
 *
 * From one set of VLANs to another what goes, goes first: at no moment does a
 * port pass what neither of the two would.
 */

#include "plan/planner.h"
#include "plan/vlan_map.h"

#include <stdio.h>

static void add_range(struct vlan_map *map, unsigned first, unsigned last, bool is_native)
{
	const struct vlan_member vlan = { .first = (uint16_t)first, .last = (uint16_t)last,
					  .is_pvid = is_native, .is_untagged = is_native };

	if (first)
		vlan_map_add(map, &vlan);
}

void member_port_map(const struct network *net, const struct port *port, struct vlan_map *ret)
{
	*ret = (struct vlan_map){ 0 };
	if (!net->bridge.vlan_filtering)
		return;
	if (!port->vlan.is_given) {
		add_range(ret, network_native_vlan(net), network_native_vlan(net), true);
		return;
	}
	vec_each(range, &port->vlan.tagged)
		add_range(ret, range->first, range->last, false);
	add_range(ret, port->vlan.native, port->vlan.native, true);
}

static void bridge_map(const struct network *net, struct vlan_map *ret)
{
	*ret = (struct vlan_map){ 0 };
	add_range(ret, network_native_vlan(net), network_native_vlan(net), true);
}

static void trunk_map(const struct network *net, struct vlan_map *ret)
{
	*ret = (struct vlan_map){ 0 };
	if (!net->bridge.uplink_vlans.n)
		add_range(ret, 1, VLAN_ID_MAX, false);
	vec_each(range, &net->bridge.uplink_vlans)
		add_range(ret, range->first, range->last, false);
	add_range(ret, network_native_vlan(net), network_native_vlan(net), true);
}

static void add_op(op_vec *ret, enum op_kind kind, const char *network, const struct op_vlan *vlan)
{
	op_add(ret, kind, network)->vlan = *vlan;
}

/* The ids from first on that are to become the same, of those that pick chooses. */
static unsigned end_of_run(const struct vlan_map *is, const struct vlan_map *wanted, unsigned first,
			   bool (*pick)(uint8_t is, uint8_t wanted))
{
	unsigned last = first;

	while (last < VLAN_ID_MAX && wanted->flags[last + 1] == wanted->flags[first] &&
	       pick(is->flags[last + 1], wanted->flags[last + 1]))
		last++;
	return last;
}

static bool goes(uint8_t is, uint8_t wanted)
{
	return is && !wanted;
}

static bool is_set(uint8_t is, uint8_t wanted)
{
	return wanted && is != wanted && !(wanted & VLAN_PVID);
}

static bool becomes_native(uint8_t is, uint8_t wanted)
{
	return wanted & VLAN_PVID && is != wanted;
}

static void runs(const struct vlan_map *is, const struct vlan_map *wanted,
		 bool (*pick)(uint8_t is, uint8_t wanted), enum op_kind kind, const char *network,
		 struct op_vlan vlan, op_vec *ret)
{
	for (unsigned id = 1; id <= VLAN_ID_MAX; id++) {
		if (!pick(is->flags[id], wanted->flags[id]))
			continue;
		vlan.vlan.first = (uint16_t)id;
		id = end_of_run(is, wanted, id, pick);
		vlan.vlan.last = (uint16_t)id;
		vlan.vlan.is_pvid = wanted->flags[id] & VLAN_PVID;
		vlan.vlan.is_untagged = wanted->flags[id] & VLAN_UNTAGGED;
		add_op(ret, kind, network, &vlan);
	}
}

void member_ops(const struct vlan_map *is, const struct vlan_map *wanted, const char *network,
		const char *ifname, bool is_bridge, op_vec *ret)
{
	struct op_vlan vlan = { .is_bridge = is_bridge };

	snprintf(vlan.ifname, sizeof(vlan.ifname), "%s", ifname);
	runs(is, wanted, goes, OP_VLAN_DEL, network, vlan, ret);
	runs(is, wanted, is_set, OP_VLAN_ADD, network, vlan, ret);
	runs(is, wanted, becomes_native, OP_VLAN_ADD, network, vlan, ret);
}

/* The full plan. */

static void want(struct planner *p, const struct planned_network *pn, const char *ifname,
		 bool is_bridge, const struct vlan_map *wanted)
{
	const struct link *link = plan_link(p, ifname);
	struct vlan_map is;
	op_vec ops = { 0 };

	vlan_map_read(&p->now, link->ifindex, &is);
	member_ops(&is, wanted, pn->net->name, ifname, is_bridge, &ops);
	plan_emit_all(p, &ops);
}

void plan_members_of_bridge(struct planner *p, const struct planned_network *pn)
{
	struct vlan_map map;

	if (!pn->net->bridge.vlan_filtering)
		return;
	bridge_map(pn->net, &map);
	want(p, pn, pn->bridge, true, &map);
}

void plan_members_of_trunk(struct planner *p, const struct planned_network *pn, const char *ifname)
{
	struct vlan_map map;

	if (!pn->net->bridge.vlan_filtering)
		return;
	trunk_map(pn->net, &map);
	want(p, pn, ifname, false, &map);
}

void plan_members_of_port(struct planner *p, const struct planned_network *pn,
			  const struct port *port)
{
	struct vlan_map map;

	if (!pn->net->bridge.vlan_filtering)
		return;
	member_port_map(pn->net, port, &map);
	want(p, pn, port->ifname, false, &map);
}

void plan_members_forget(struct planner *p, const struct planned_network *pn,
			 const struct snapshot *was, int bridge)
{
	const struct vlan_map none = { 0 };

	vec_each(link, &was->links) {
		bool is_bridge = link->ifindex == bridge;
		op_vec ops = { 0 };
		struct vlan_map is;

		if ((!is_bridge && link->master != bridge) ||
		    vlan_map_is_empty(was, link->ifindex))
			continue;
		vlan_map_read(was, link->ifindex, &is);
		member_ops(&is, &none, pn->net->name, link->name, is_bridge, &ops);
		plan_emit_all(p, &ops);
	}
}
