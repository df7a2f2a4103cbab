/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_resolve.c - which networks, and which parts of them, can be had on this host
 *
 * What cannot gets a note and is left out of `effective`, so that neither the
 * rules nor a later part names a device that is not there.  When the cause goes
 * away the next plan completes the network.
 */

#include "plan/planner.h"

#include <net/if.h>
#include <stdio.h>

bool plan_network_has_interface(const struct network *net)
{
	return network_owns_bridge(net) ||
	       (net->mode == NETWORK_MACVTAP && net->macvtap.companion);
}

/* Of several networks on one bridge the one that makes it. */
static void index_bridges(struct planner *p)
{
	size_t n = 0;

	vec_each(pn, &p->nets)
		if (pn->bridge[0])
			vec_push(&p->bridge_names,
				 (struct plan_name){ pn->bridge, (int)(pn - p->nets.v) });
	plan_sort_names(&p->bridge_names);
	vec_each(name, &p->bridge_names) {
		struct plan_name *last = n ? &p->bridge_names.v[n - 1] : NULL;

		if (!last || strcmp(last->name, name->name) != 0)
			p->bridge_names.v[n++] = *name;
		else if (p->nets.v[name->value].has_interface)
			*last = *name;
	}
	p->bridge_names.n = n;
}

/* The device that the network's bridge must not be. */
static bool check_bridge(struct planner *p, const struct planned_network *pn)
{
	const struct link *link = plan_link(p, pn->bridge);

	if (pn->is_ours) {
		if (!link || plan_bridge_is_ours(link, pn->net))
			return true;
		plan_note(p,
			  "network %s: device %s exists and is not ours; the network is left out",
			  pn->net->name, pn->bridge);
		return false;
	}
	if (link && strcmp(link->kind, "bridge") == 0)
		return true;
	plan_note(p, "network %s: there is no bridge %s; the network is left out", pn->net->name,
		  pn->bridge);
	return false;
}

static bool check_uplink(struct planner *p, const struct planned_network *pn)
{
	const char *uplink = pn->net->uplink;
	const struct link *nic = plan_link(p, uplink), *master;

	if (!nic) {
		plan_note(p, "network %s: uplink %s is not there; the guests only reach each other",
			  pn->net->name, uplink);
		return false;
	}
	master = nic->master ? snapshot_link_by_index(&p->now, nic->master) : NULL;
	if (nic->master &&
	    !(master && (link_is_ours(master) || strcmp(master->name, pn->bridge) == 0))) {
		plan_note(p, "network %s: uplink %s belongs to %s; it is left there", pn->net->name,
			  uplink, master ? master->name : "another device");
		return false;
	}
	return true;
}

/*
 * The rules name devices; one that is missing cannot be named.  The bridge
 * stands in for it: as an entry point of frames it means nothing.
 */
static void resolve_takeover(struct planner *p, struct planned_network *pn)
{
	pn->has_takeover = pn->is_usable && check_uplink(p, pn);
	if (!pn->has_takeover)
		pn->effective.uplink = pn->bridge;
	pn->effective.bridge.has_mac = true;
	pn->effective.bridge.mac = plan_uplink_bridge_mac(p, pn);
}

bool plan_uplink_can_be(const struct planner *p, const char *name)
{
	const struct planned_network *pn = plan_network_of_bridge(p, name);
	const struct link *link = plan_link(p, name);

	if (pn && pn->is_ours)
		return pn->is_usable;
	return link && !(link_is_ours(link) && strcmp(link->kind, "bridge") == 0);
}

static void resolve_uplink(struct planner *p, struct planned_network *pn)
{
	if (network_takes_uplink(pn->net))
		resolve_takeover(p, pn);
	else if (!network_has_bridge(pn->net))
		plan_resolve_macvtap(p, pn);
	else if (pn->net->vlan.id)
		plan_resolve_vlan(p, pn);
	if (pn->net->links.n)
		plan_resolve_links(p, pn);
}

/* In what a device of ours could be mistaken for, or could not be beside. */
static void find_strangers(struct planner *p)
{
	static const char *const kinds[] = { "vlan", "gretap", "ip6gretap", "vxlan" };

	vec_each(link, &p->now.links)
		for (size_t i = 0; i < ARRAY_SIZE(kinds) && !link_is_ours(link); i++)
			if (strcmp(link->kind, kinds[i]) == 0)
				vec_push(&p->strangers, link);
}

static void begin_network(struct planner *p, const struct network *net)
{
	struct planned_network *pn = vec_add(&p->nets);

	pn->net = net;
	pn->effective = *net;
	pn->is_ours = network_owns_bridge(net);
	pn->has_interface = plan_network_has_interface(net);
	if (network_has_bridge(net) || pn->has_interface)
		network_bridge(net, pn->bridge);
	pn->is_usable = !network_has_bridge(net) || check_bridge(p, pn);
}

void plan_resolve(struct planner *p)
{
	vec_reserve(&p->nets, p->d->networks.n); /* their names are pointed to */
	vec_each(net, &p->d->networks)
		begin_network(p, *net);
	vec_each(pn, &p->nets)
		vec_push(&p->net_names, (struct plan_name){ pn->net->name, (int)(pn - p->nets.v) });
	plan_sort_names(&p->net_names);
	index_bridges(p);
	find_strangers(p);
	vec_each(pn, &p->nets)
		resolve_uplink(p, pn);
	plan_shapes_resolve(p);

	plan_services_want(p);
	vec_each(pn, &p->nets) {
		plan_vlan_wants(p, pn);
		plan_links_want(p, pn);
		plan_companion_wants(p, pn);
		plan_ifb_wants(p, pn);
	}
	plan_devices_index(p);
}
