/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_port.c - guests' ports within a full plan
 *
 * What a port's device should be like is said by port_wanted_link(), on the hot
 * path too (plan_hot.c); here is set what differs.
 */

#include "plan/planner.h"

#include <net/if.h>
#include <stdio.h>

#define PORT_ALIAS_PREFIX LINK_ALIAS_PREFIX "port:"

enum { PORT_DISABLED = 0, PORT_FORWARDING = 3 }; /* BR_STATE_* */

static bool is_tap(const struct link *link)
{
	return strcmp(link->kind, "tun") == 0 && link->tun.is_tap;
}

/* The device is what the port says; ports in other namespaces have none here. */
static bool is_of_kind(const struct link *link, enum port_kind kind)
{
	switch (kind) {
	case PORT_TAP:
		return is_tap(link);
	case PORT_VETH:
		return strcmp(link->kind, "veth") == 0;
	case PORT_MACVTAP:
		return strcmp(link->kind, "macvtap") == 0;
	case PORT_MACVLAN:
	case PORT_VF:
		break;
	}
	return false;
}

static bool has_device(const struct port *port)
{
	return port->kind != PORT_MACVLAN && port->kind != PORT_VF;
}

/* A macvtap device cannot follow when its network goes to another NIC. */
static bool is_where_wanted(const struct planner *p, const struct planned_network *pn,
			    const struct port *port, const struct link *link)
{
	const struct link *uplink;

	if (port->kind != PORT_MACVTAP)
		return network_has_bridge(pn->net);
	uplink = pn->net->mode == NETWORK_MACVTAP ? plan_link(p, pn->net->uplink) : NULL;
	return uplink && link->parent == uplink->ifindex;
}

bool plan_port_is_usable(const struct planner *p, const struct port *port)
{
	const struct planned_network *pn = plan_network(p, port->network);
	const struct link *link = plan_link(p, port->ifname);

	return pn && pn->is_usable && link && is_of_kind(link, port->kind) &&
	       is_where_wanted(p, pn, port, link);
}

static void create_tap(struct planner *p, const struct port *port)
{
	struct op op = plan_op(OP_TAP_CREATE, port->network);

	snprintf(op.tap.name, sizeof(op.tap.name), "%s", port->ifname);
	snprintf(op.tap.alias, sizeof(op.tap.alias), PORT_ALIAS_PREFIX "%s:%s", port->network,
		 port->name);
	op.tap.multi_queue = port->queues > 1;
	op.tap.vnet_hdr = port->vnet_hdr;
	op.tap.owner = op.tap.group = UINT32_MAX; /* descriptors come from the daemon */
	plan_emit(p, &op);
}

static const char *device_text(enum port_kind kind)
{
	return kind == PORT_TAP ? "TAP" : port_kind_name(kind);
}

void plan_taps_create(struct planner *p)
{
	vec_each(it, &p->d->ports) {
		const struct port *port = *it;
		const struct planned_network *pn = plan_network(p, port->network);
		const struct link *link = plan_link(p, port->ifname);

		if (!has_device(port))
			continue;
		if (link && !is_of_kind(link, port->kind))
			plan_note(p,
				  "port %s: device %s exists and is no %s; the port is left out",
				  port->name, port->ifname, device_text(port->kind));
		if (link || !port->persistent || port->adopted || !pn || !pn->is_usable)
			continue;
		if (port->kind == PORT_TAP)
			create_tap(p, port);
		else
			plan_note(p, "port %s: its %s device %s is gone; detach it and attach it "
				  "again", port->name, port_kind_name(port->kind), port->ifname);
	}
}

static uint32_t differing(const struct planner *p, const struct link *is,
			  const struct op_link *wanted)
{
	const struct link *master = plan_link(p, wanted->master);
	bool stays = master && is->master == master->ifindex;
	uint32_t set = wanted->set & ~PORT_OPTIONS;

	if (wanted->set & LINK_SET_MASTER)
		set |= port_differing_options(stays ? &is->port : &port_options_fresh,
					      &wanted->port);
	if (stays)
		set &= ~(uint32_t)LINK_SET_MASTER;
	if (!!(is->flags & IFF_UP) == wanted->up)
		set &= ~(uint32_t)LINK_SET_UP;
	if (is->mtu == wanted->mtu)
		set &= ~(uint32_t)LINK_SET_MTU;
	if (is->txqueuelen == wanted->txqueuelen)
		set &= ~(uint32_t)LINK_SET_TXQUEUELEN;
	if (strcmp(is->alias, wanted->alias) == 0)
		set &= ~(uint32_t)LINK_SET_ALIAS;
	if (is->group == wanted->group)
		set &= ~(uint32_t)LINK_SET_GROUP;
	if (is->addr_gen_mode == wanted->addr_gen_mode || is->addr_gen_mode < 0)
		set &= ~(uint32_t)LINK_SET_ADDR_GEN;
	if (mac_cmp(&is->mac, &wanted->mac) == 0)
		set &= ~(uint32_t)LINK_SET_MAC;
	return set;
}

/*
 * Someone switched the port off or holds it (`bridge link set state`).  A
 * device without carrier is disabled by the kernel, and STP has a say of its
 * own.
 */
static bool is_held(const struct link *port, const struct link *bridge)
{
	return !bridge->bridge.stp && port->flags & IFF_UP && port->flags & IFF_LOWER_UP &&
	       port->port.state != PORT_FORWARDING;
}

static void release_held(struct planner *p, const struct planned_network *pn,
			 const struct port *port)
{
	const struct link *link = plan_link(p, port->ifname), *bridge = plan_link(p, pn->bridge);
	struct op op = plan_op(OP_LINK_SET, port->network);

	if (!is_held(link, bridge))
		return;
	snprintf(op.link.name, sizeof(op.link.name), "%s", port->ifname);
	op.link.set = LINK_SET_STATE;
	op.link.port.state = PORT_FORWARDING;
	plan_emit(p, &op);
}

static bool is_our_bridge(const struct planner *p, int ifindex)
{
	const struct link *bridge = snapshot_link_by_index(&p->now, ifindex);

	return bridge && link_is_ours(bridge);
}

static bool same_feature(bool is, enum tristate wanted)
{
	return wanted == TRI_DEFAULT || is == (wanted == TRI_TRUE);
}

/* Those that the port says nothing of are as they are. */
static void set_features(struct planner *p, const struct port *port)
{
	const struct feature_state *is = &plan_link(p, port->ifname)->features;
	const struct port_options *wanted = &port->options;
	struct op op = plan_op(OP_FEATURES, port->network);

	if (!port_has_features(port) ||
	    (is->is_known && same_feature(is->rx, wanted->rx) && same_feature(is->tx, wanted->tx) &&
	     same_feature(is->sg, wanted->sg) && same_feature(is->tso, wanted->tso) &&
	     same_feature(is->gso, wanted->gso) && same_feature(is->gro, wanted->gro)))
		return;
	snprintf(op.features.ifname, sizeof(op.features.ifname), "%s", port->ifname);
	op.features.options = *wanted;
	plan_emit(p, &op);
}

static void set_link(struct planner *p, const struct planned_network *pn, const struct port *port)
{
	const struct link *link = plan_link(p, port->ifname);
	struct op op = plan_op(OP_LINK_SET, port->network), up = op;
	uint32_t rises;

	op.link = port_wanted_link(pn->net, port);
	/* Less than was promised when the way out of the network has become narrower. */
	if (pn->mtu && (pn->is_ours || !network_has_bridge(pn->net)) && op.link.mtu > pn->mtu)
		op.link.mtu = pn->mtu;
	op.link.set = differing(p, link, &op.link);
	if (op.link.set & LINK_SET_TXQUEUELEN)
		op_loses(&op, link->flags & IFF_UP, TXQUEUELEN_LOSES);
	if (op.link.set & LINK_SET_MASTER && is_our_bridge(p, link->master))
		op_loses(&op, true, "the port moves to another bridge");
	/* On a VLAN-aware bridge its VLANs are said between joining and rising. */
	rises = pn->net->bridge.vlan_filtering && op.link.up ? op.link.set & LINK_SET_UP : 0;
	up.link = op.link;
	up.link.set = rises;
	op.link.set &= ~rises;
	if (op.link.set)
		plan_emit(p, &op);
	plan_members_of_port(p, pn, port);
	if (rises)
		plan_emit(p, &up);
}

void plan_ports(struct planner *p)
{
	vec_each(it, &p->d->ports) {
		const struct port *port = *it;
		const struct planned_network *pn = plan_network(p, port->network);

		if (!plan_port_is_usable(p, port))
			continue;
		plan_shape_port(p, pn, port);
		set_features(p, port);
		plan_checksum(p, pn->net, port);
		set_link(p, pn, port);
		if (network_has_bridge(pn->net))
			release_held(p, pn, port);
	}
}

static bool is_marked_port(const struct link *link)
{
	return strncmp(link->alias, PORT_ALIAS_PREFIX, strlen(PORT_ALIAS_PREFIX)) == 0;
}

/*
 * The daemon died between making the one and recording the other.  A TAP that a
 * guest has open (then it has carrier) is left to it: no set lists it, so it
 * carries nothing.  A macvtap device has no bridge that would stop it, and a
 * veth's container will not come back for it.
 */
bool plan_is_orphan(struct planner *p, const struct link *link)
{
	bool is_held;

	if (!is_marked_port(link) || plan_port(p, link->name))
		return false;
	if (!is_tap(link))
		return strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "veth") == 0;
	is_held = link->flags & IFF_LOWER_UP;
	if (link->tun.is_persistent && is_held)
		plan_note(p, "device %s has our mark and a user, but is no port that is known",
			  link->name);
	return link->tun.is_persistent && !is_held;
}

static bool is_known_port(const struct planner *p, const struct link *link)
{
	const struct port *port = plan_port(p, link->name);

	return port && plan_port_is_usable(p, port);
}

static bool is_guarded_bridge(const struct planner *p, int ifindex)
{
	const struct link *bridge = snapshot_link_by_index(&p->now, ifindex);
	const struct planned_network *pn = bridge ? plan_network_of_bridge(p, bridge->name) : NULL;

	return pn && pn->is_ours && pn->is_usable;
}

/* Does nothing of ours stop what comes from this device? */
static bool is_unguarded(const struct planner *p, const struct link *link)
{
	if (!is_marked_port(link) || is_known_port(p, link))
		return false;
	if (strcmp(link->kind, "macvtap") == 0)
		return true;
	return link->master && !is_guarded_bridge(p, link->master);
}

/*
 * On a bridge of ours the rules stop a device that is no known port.  Elsewhere
 * nothing would: a guest's port whose network is gone is lowered before the
 * rules that guarded it go.  (The daemon does not let a network go that has
 * ports; this is for what happened behind its back.)
 */
void plan_strays(struct planner *p)
{
	for (size_t i = 0; i < p->now.links.n; i++) {
		const struct link *link = &p->now.links.v[i];
		struct op op = plan_op(OP_LINK_SET, NULL);

		if (!(link->flags & IFF_UP) || !is_unguarded(p, link))
			continue;
		snprintf(op.link.name, sizeof(op.link.name), "%s", link->name);
		op.link.set = LINK_SET_UP;
		op_loses(&op, true, "no network has this port any more");
		plan_note(p, "%s is a guest's port %s without rules of ours: lowered", link->name,
			  link->master ? "on a bridge" : "on a NIC");
		plan_emit(p, &op);
	}
}
