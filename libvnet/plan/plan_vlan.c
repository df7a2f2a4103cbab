/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_vlan.c - the VLAN of an uplink that a network's bridge is in
 *
 * A device of kind vlan on the uplink is a port of the bridge; with QinQ it
 * stands on a device for the outer tag, which all networks of that uplink and
 * outer tag share.  The uplink itself is somebody else's (or another network's
 * bridge) and is not touched: one that is missing leaves the network without a
 * way out, one that is down is told of.
 */

#include "plan/planner.h"

#include "model/mac_name.h"

#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>

/* Linux does not stack devices higher (MAX_NEST_DEV), nor in a circle. */
#define DEPTH_MAX 8

/* "vs200.eth0", or a hash where that is too long for a name. */
static void service_name(const struct network *net, char ret[16])
{
	AUTO_FREE char *id = mem_printf("%u", net->vlan.service);
	AUTO_FREE char *name = mem_printf("vs%s.%s", id, net->uplink);

	if (strlen(name) < 16)
		strcpy(ret, name);
	else
		snprintf(ret, 16, "vs%011llx",
			 (unsigned long long)hash_of_names("service", net->uplink, id, 0) >> 20);
}

static bool is_too_deep(const struct planner *p, const struct planned_network *pn)
{
	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		pn = pn->net->vlan.id ? plan_network_of_bridge(p, pn->net->uplink) : NULL;
		if (!pn || !pn->is_ours)
			return false;
	}
	return true;
}

/*
 * The bridge stays ours and its guests may send no tags, as before: a port that
 * comes meanwhile counts on rules for that.  Its own bridge as uplink is none.
 */
static void vlan_device(const struct planned_network *pn, struct op_link *ret)
{
	const struct vlan_config *vlan = &pn->net->vlan;

	network_device(pn->net, NETWORK_VLAN_PREFIX, ret->name);
	if (vlan->service)
		service_name(pn->net, ret->parent);
	else
		snprintf(ret->parent, sizeof(ret->parent), "%s", pn->net->uplink);
	ret->vlan.id = (uint16_t)vlan->id;
	ret->vlan.protocol = vlan_protocol_ethertype(vlan->protocol);
}

static void service_device(const struct planned_network *pn, struct op_link *ret)
{
	service_name(pn->net, ret->name);
	snprintf(ret->parent, sizeof(ret->parent), "%s", pn->net->uplink);
	ret->vlan.id = (uint16_t)pn->net->vlan.service;
	ret->vlan.protocol = ETH_P_8021AD;
}

static bool can_be(struct planner *p, const struct planned_network *pn,
		   void (*fill)(const struct planned_network *pn, struct op_link *ret))
{
	struct planned_device device = { .link = { .kind = "vlan" } };

	snprintf(device.network, sizeof(device.network), "%s", pn->net->name);
	fill(pn, &device.link);
	return plan_device_can_be(p, &device);
}

void plan_resolve_vlan(struct planner *p, struct planned_network *pn)
{
	const char *name = pn->net->name, *uplink = pn->net->uplink;

	pn->has_vlan = pn->is_usable;
	if (pn->is_usable && is_too_deep(p, pn)) {
		plan_note(p, "network %s: its uplink %s leads through more than %d networks; the "
			     "guests only reach each other", name, uplink, DEPTH_MAX);
		pn->has_vlan = false;
	} else if (pn->is_usable && !plan_uplink_can_be(p, uplink)) {
		plan_note(p, "network %s: uplink %s is not there; the guests only reach each other",
			  name, uplink);
		pn->has_vlan = false;
	} else if (pn->is_usable) {
		pn->has_vlan = (!pn->net->vlan.service || can_be(p, pn, service_device)) &&
			       can_be(p, pn, vlan_device);
	}
}

/* Those of one outer tag together. */
static int compare_services(const void *a, const void *b)
{
	const struct network *x = (*(struct planned_network *const *)a)->net;
	const struct network *y = (*(struct planned_network *const *)b)->net;
	int order = strcmp(x->uplink, y->uplink);

	if (order)
		return order;
	return (x->vlan.service > y->vlan.service) - (x->vlan.service < y->vlan.service);
}

static void want_service(struct planner *p, const struct planned_network *pn)
{
	struct planned_device *device;
	char alias[LINK_ALIAS_MAX];

	snprintf(alias, sizeof(alias), LINK_ALIAS_PREFIX "service:%s:%u", pn->net->uplink,
		 pn->net->vlan.service);
	device = plan_add_device(p, NULL, "vlan", "", alias);
	service_device(pn, &device->link);
	device->link.mtu = plan_device_mtu(p, pn->net->uplink, 1500);
}

void plan_services_want(struct planner *p)
{
	VEC(struct planned_network *) nets = { 0 };

	vec_each(pn, &p->nets)
		if (pn->has_vlan && pn->net->vlan.service)
			vec_push(&nets, pn);
	vec_sort(&nets, compare_services);
	for (size_t i = 0; i < nets.n; i++)
		if (!i || compare_services(&nets.v[i - 1], &nets.v[i]) != 0)
			want_service(p, nets.v[i]);
	vec_free(&nets);
}

void plan_vlan_wants(struct planner *p, struct planned_network *pn)
{
	struct planned_device *device;
	char alias[LINK_ALIAS_MAX];
	uint32_t limit;

	if (!pn->has_vlan)
		return;
	snprintf(alias, sizeof(alias), LINK_ALIAS_PREFIX "vlan:%s", pn->net->name);
	device = plan_add_device(p, pn, "vlan", "", alias);
	vlan_device(pn, &device->link);
	snprintf(device->link.master, sizeof(device->link.master), "%s", pn->bridge);
	limit = plan_vlan_mtu(p, pn);
	device->link.mtu = plan_mtu(p, pn) < limit ? pn->mtu : limit;
	if (pn->net->bridge.mtu > limit)
		plan_note(p,
			  "network %s: uplink %s leaves an MTU of %u; larger frames do not leave the "
			  "bridge", pn->net->name, pn->net->uplink, limit);
}

void plan_vlan_note_down(struct planner *p, const struct planned_device *device)
{
	if (device->network[0])
		plan_note(p, "network %s: its uplink is down (%s); the guests only reach each other "
			     "until it is up", device->network, device->link.parent);
}
