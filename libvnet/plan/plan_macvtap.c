/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_macvtap.c - networks without a bridge: guests' devices stand on the NIC itself
 *
 * A macvtap network needs its uplink; the guests' devices are made when they
 * attach, and go with the uplink.  The companion is the host's own macvlan beside
 * them, for what a NIC sends never comes back to its own host; it is the
 * network's interface, with its addresses, as the bridge is elsewhere.
 */

#include "plan/planner.h"

#include <linux/if_link.h>
#include <stdio.h>

/* Another network has it in its bridge, which is given back before this one begins. */
static bool is_given_back(const struct planner *p, const char *uplink)
{
	vec_each(record, &p->d->takeovers)
		if (strcmp(record->uplink, uplink) == 0)
			return true;
	return false;
}

static bool check_uplink(struct planner *p, const struct planned_network *pn)
{
	const char *name = pn->net->name, *uplink = pn->net->uplink;
	const struct link *nic = plan_link(p, uplink), *master;

	if (!plan_uplink_can_be(p, uplink)) {
		plan_note(p, "network %s: uplink %s is not there; the network is left out", name,
			  uplink);
		return false;
	}
	master = nic && nic->master ? snapshot_link_by_index(&p->now, nic->master) : NULL;
	if (!nic || !nic->master || pn->net->mode == NETWORK_SRIOV || is_given_back(p, uplink))
		return true;
	plan_note(p, "network %s: uplink %s belongs to %s, which takes all its frames; the network "
		     "is left out", name, uplink, master ? master->name : "another device");
	return false;
}

static void fill_companion(const struct planned_network *pn, struct planned_device *ret)
{
	struct op_link *op = &ret->link;

	snprintf(ret->network, sizeof(ret->network), "%s", pn->net->name);
	snprintf(op->kind, sizeof(op->kind), "macvlan");
	snprintf(op->name, sizeof(op->name), "%s", pn->bridge);
	snprintf(op->alias, sizeof(op->alias), LINK_ALIAS_PREFIX "companion:%s", pn->net->name);
	snprintf(op->parent, sizeof(op->parent), "%s", pn->net->uplink);
	op->macvlan.mode = MACVLAN_MODE_BRIDGE;
	op->mac = network_bridge_mac(pn->net);
}

void plan_resolve_macvtap(struct planner *p, struct planned_network *pn)
{
	struct planned_device companion = { 0 };

	pn->is_usable = check_uplink(p, pn);
	if (!pn->is_usable || !pn->has_interface)
		return;
	fill_companion(pn, &companion);
	pn->is_usable = plan_device_can_be(p, &companion);
}

/* A host's interface like any other: it has a link-local address if it has IPv6. */
void plan_companion_wants(struct planner *p, struct planned_network *pn)
{
	struct planned_device *device;

	if (network_has_bridge(pn->net) || !pn->is_usable)
		return;
	plan_mtu(p, pn);
	if (!pn->has_interface)
		return;
	device = plan_add_device(p, pn, "", "", "");
	fill_companion(pn, device);
	device->link.set &= ~(uint32_t)LINK_SET_ADDR_GEN;
	device->link.mtu = pn->mtu;
}

void plan_companions_sysctls(struct planner *p)
{
	vec_each(pn, &p->nets)
		if (pn->has_interface && !pn->is_ours && pn->is_usable)
			plan_own_sysctls(p, pn);
}
