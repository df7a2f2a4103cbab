/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_port.c - guests' ports: within a full plan, and on the hot path
 *
 * Both come from wanted_link(): what a port's device should be like.  The full
 * plan sets what differs, the hot path all of it in one message.
 */

#include "plan/planner.h"

#include "nft/ruleset.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>

#define PORT_ALIAS_PREFIX LINK_ALIAS_PREFIX "port:"
#define TXQUEUELEN_DEFAULT 1000

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16)
#endif

#define PORT_OPTIONS (LINK_SET_ISOLATED | LINK_SET_ROOT_GUARD)

enum { PORT_DISABLED = 0, PORT_FORWARDING = 3 }; /* BR_STATE_* */

static bool is_isolated(const struct network *net, const struct port *port)
{
	return port->has_isolated ? port->isolated : net->port_defaults.isolated;
}

static uint32_t wanted_mtu(const struct network *net, const struct port *port)
{
	if (port->mtu)
		return port->mtu;
	return net->port_defaults.mtu ? net->port_defaults.mtu : network_mtu(net);
}

static uint32_t wanted_txqueuelen(const struct network *net, const struct port *port)
{
	if (port->txqueuelen)
		return port->txqueuelen;
	return net->port_defaults.txqueuelen ? net->port_defaults.txqueuelen : TXQUEUELEN_DEFAULT;
}

/*
 * The host's end must not have the guest's own address, or the bridge would
 * keep the guest's frames for itself: first byte fe, as libvirt and QEMU's
 * users know it (fa where the guest took fe).
 */
static struct mac host_mac(const struct mac *guest)
{
	struct mac mac = *guest;

	mac.b[0] = guest->b[0] == 0xfe ? 0xfa : 0xfe;
	return mac;
}

static struct op_link wanted_link(const struct network *net, const struct port *port)
{
	struct op_link link = { .set = LINK_SET_MASTER | LINK_SET_UP | LINK_SET_MTU |
				       LINK_SET_TXQUEUELEN | LINK_SET_ALIAS | LINK_SET_ADDR_GEN |
				       PORT_OPTIONS,
				.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE };

	snprintf(link.name, sizeof(link.name), "%s", port->ifname);
	snprintf(link.alias, sizeof(link.alias), PORT_ALIAS_PREFIX "%s:%s", port->network,
		 port->name);
	network_bridge(net, link.master);
	link.up = !port->link_down;
	link.mtu = wanted_mtu(net, port);
	link.txqueuelen = wanted_txqueuelen(net, port);
	link.port.isolated = is_isolated(net, port);
	/* A guest's BPDUs must not move the tree; it cuts off itself as long as it tries. */
	link.port.root_guard = network_owns_bridge(net) && net->bridge.stp;
	if (port->has_mac) {
		link.set |= LINK_SET_MAC;
		link.mac = host_mac(&port->mac);
	}
	return link;
}

/* The full plan. */

static bool is_tap(const struct link *link)
{
	return strcmp(link->kind, "tun") == 0 && link->tun.is_tap;
}

bool plan_port_is_usable(const struct planner *p, const struct port *port)
{
	const struct planned_network *pn = plan_network(p, port->network);
	const struct link *link = plan_link(p, port->ifname);

	return pn && pn->is_usable && link && is_tap(link);
}

void plan_taps_create(struct planner *p)
{
	vec_each(it, &p->d->ports) {
		const struct port *port = *it;
		const struct planned_network *pn = plan_network(p, port->network);
		const struct link *link = plan_link(p, port->ifname);
		struct op op = plan_op(OP_TAP_CREATE, port->network);

		if (link && !is_tap(link))
			plan_note(p,
				  "port %s: device %s exists and is no TAP; the port is left out",
				  port->name, port->ifname);
		if (link || !port->persistent || port->adopted || !pn || !pn->is_usable)
			continue;
		snprintf(op.tap.name, sizeof(op.tap.name), "%s", port->ifname);
		snprintf(op.tap.alias, sizeof(op.tap.alias), PORT_ALIAS_PREFIX "%s:%s",
			 port->network, port->name);
		op.tap.multi_queue = port->queues > 1;
		op.tap.vnet_hdr = port->vnet_hdr;
		op.tap.owner = op.tap.group = UINT32_MAX; /* descriptors come from the daemon */
		plan_emit(p, &op);
	}
}

/* Of the port options those that differ from what the port has, or any new bridge port. */
static uint32_t differing_options(const struct bridge_port_state *is,
				  const struct bridge_port_state *wanted)
{
	return (is->isolated != wanted->isolated ? LINK_SET_ISOLATED : 0) |
	       (is->root_guard != wanted->root_guard ? LINK_SET_ROOT_GUARD : 0);
}

static uint32_t differing(const struct planner *p, const struct link *is,
			  const struct op_link *wanted)
{
	const struct link *master = plan_link(p, wanted->master);
	const struct bridge_port_state fresh = { 0 };
	bool stays = master && is->master == master->ifindex;
	uint32_t set = wanted->set & ~(uint32_t)PORT_OPTIONS;

	set |= differing_options(stays ? &is->port : &fresh, &wanted->port);
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

void plan_ports(struct planner *p)
{
	vec_each(it, &p->d->ports) {
		const struct port *port = *it;
		const struct planned_network *pn = plan_network(p, port->network);
		struct op op = plan_op(OP_LINK_SET, port->network);
		const struct link *link;

		if (!plan_port_is_usable(p, port))
			continue;
		link = plan_link(p, port->ifname);
		op.link = wanted_link(pn->net, port);
		op.link.set = differing(p, link, &op.link);
		op.loses_traffic = op.link.set & LINK_SET_MASTER && is_our_bridge(p, link->master);
		if (op.link.set)
			plan_emit(p, &op);
		release_held(p, pn, port);
	}
}

static bool is_marked_port(const struct link *link)
{
	return strncmp(link->alias, PORT_ALIAS_PREFIX, strlen(PORT_ALIAS_PREFIX)) == 0;
}

/*
 * A persistent TAP of ours whose port nobody knows: the daemon died between
 * making the one and recording the other.  It goes, unless a guest has it open
 * (then it has carrier); no set lists it, so it carries nothing.
 */
void plan_orphans(struct planner *p)
{
	for (size_t i = 0; i < p->now.links.n; i++) {
		const struct link *link = &p->now.links.v[i];
		struct op op = plan_op(OP_LINK_DELETE, NULL);

		if (!is_tap(link) || !link->tun.is_persistent || !is_marked_port(link) ||
		    plan_port(p, link->name))
			continue;
		if (link->flags & IFF_LOWER_UP) {
			plan_note(p,
				  "device %s has our mark and a user, but is no port that is known",
				  link->name);
			continue;
		}
		snprintf(op.link.name, sizeof(op.link.name), "%s", link->name);
		plan_emit(p, &op);
		i--;
	}
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

		if (!link->master || !(link->flags & IFF_UP) || !is_marked_port(link) ||
		    is_guarded_bridge(p, link->master) || is_known_port(p, link))
			continue;
		snprintf(op.link.name, sizeof(op.link.name), "%s", link->name);
		op.link.set = LINK_SET_UP;
		op.loses_traffic = true;
		plan_emit(p, &op);
		plan_note(p, "%s is a guest's port on a bridge without rules of ours: lowered",
			  op.link.name);
	}
}

/* The hot path. */

static void add_nft(op_vec *ops, const struct network *net, const struct port *before,
		    const struct port *after)
{
	struct nft_txn *txn = nft_txn_for_port(net, before, after);

	if (nft_txn_is_empty(txn))
		nft_txn_free(txn);
	else
		op_add(ops, OP_NFT, net->name)->nft = txn;
}

void plan_port_attach(const struct network *net, const struct port *port, op_vec *ret)
{
	const struct bridge_port_state fresh = { 0 };
	struct op_link *link;

	add_nft(ret, net, NULL, port);
	link = &op_add(ret, OP_LINK_SET, net->name)->link;
	*link = wanted_link(net, port);
	link->set &= ~(uint32_t)PORT_OPTIONS;
	link->set |= differing_options(&fresh, &link->port);
}

void plan_port_detach(const struct network *net, const struct port *port, bool device_exists,
		      op_vec *ret)
{
	struct op_link *link;

	if (device_exists) { /* off the bridge first: no frame without rules */
		link = &op_add(ret, OP_LINK_SET, net->name)->link;
		snprintf(link->name, sizeof(link->name), "%s", port->ifname);
		link->set = LINK_SET_MASTER | LINK_SET_UP | LINK_SET_ALIAS;
		ret->v[ret->n - 1].loses_traffic = true;
		if (port->persistent && !port->adopted)
			link->set &= ~(uint32_t)LINK_SET_ALIAS; /* the delete wants to see it */
	}
	/* While the device exists its name still leads to its elements. */
	add_nft(ret, net, port, NULL);
	if (device_exists && port->persistent && !port->adopted) {
		link = &op_add(ret, OP_LINK_DELETE, net->name)->link;
		snprintf(link->name, sizeof(link->name), "%s", port->ifname);
	}
}

void plan_port_update(const struct network *net, const struct port *before,
		      const struct port *after, op_vec *ret)
{
	struct op_link old = wanted_link(net, before), new = wanted_link(net, after);

	add_nft(ret, net, before, after);
	new.set &= ~(uint32_t)(LINK_SET_MASTER | LINK_SET_ADDR_GEN);
	if (old.up == new.up)
		new.set &= ~(uint32_t)LINK_SET_UP;
	if (old.mtu == new.mtu)
		new.set &= ~(uint32_t)LINK_SET_MTU;
	if (old.txqueuelen == new.txqueuelen)
		new.set &= ~(uint32_t)LINK_SET_TXQUEUELEN;
	if (strcmp(old.alias, new.alias) == 0)
		new.set &= ~(uint32_t)LINK_SET_ALIAS;
	if (old.set & LINK_SET_MAC && mac_cmp(&old.mac, &new.mac) == 0)
		new.set &= ~(uint32_t)LINK_SET_MAC;
	new.set &= ~(uint32_t)PORT_OPTIONS;
	new.set |= differing_options(&old.port, &new.port);
	if (new.set)
		op_add(ret, OP_LINK_SET, net->name)->link = new;
}

/* Guests on a bridge of ours are held by the rules once their elements are gone; elsewhere nothing would. */
static void mark_detached(const struct plan_detach *d, op_vec *ret)
{
	struct op_link *link = &op_add(ret, OP_LINK_SET, d->net->name)->link;

	ret->v[ret->n - 1].loses_traffic = true;
	snprintf(link->name, sizeof(link->name), "%s", d->port->ifname);
	if (d->port->adopted) {
		link->set = LINK_SET_MASTER | LINK_SET_UP | LINK_SET_ALIAS;
		return;
	}
	link->set = LINK_SET_GROUP;
	link->group = LINK_GROUP_DELETE;
	if (!network_owns_bridge(d->net))
		link->set |= LINK_SET_MASTER | LINK_SET_UP;
}

void plan_ports_detach(const struct plan_detach *v, size_t n, op_vec *ret)
{
	struct nft_txn *txn = nft_txn_new();
	bool has_marked = false;

	for (size_t i = 0; i < n; i++) {
		if (v[i].device_exists) {
			mark_detached(&v[i], ret);
			has_marked |= !v[i].port->adopted;
		}
		nft_txn_add_port(txn, v[i].net, v[i].port, NULL);
	}
	/* While the devices exist their names still lead to their elements. */
	if (nft_txn_is_empty(txn))
		nft_txn_free(txn);
	else
		op_add(ret, OP_NFT, NULL)->nft = txn;
	if (has_marked)
		op_add(ret, OP_GROUP_DELETE, NULL)->link.group = LINK_GROUP_DELETE;
}
