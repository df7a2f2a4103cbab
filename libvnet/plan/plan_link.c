/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_link.c - interconnects: tunnels from a network's bridge to other hosts' bridges
 *
 * gretap has a device for each peer, VXLAN one for all of them with a forwarding
 * entry each, to which frames for unknown addresses are copied.  A peer that
 * comes or goes touches its device or entry, nothing else.
 *
 * No loop without a spanning tree: gretap ports are isolated from each other
 * (split horizon), and a bridge sends nothing back out of the port that it came
 * in by, which does the same for VXLAN.  What a control plane puts into a VXLAN
 * device is its own.
 */

#include "plan/planner.h"

#include <linux/if_link.h>
#include <stdio.h>

#define TTL_DEFAULT 64

static bool is_ipv6(const struct network_link *link)
{
	return link->local.family == AF_INET6;
}

static const char *device_kind(const struct network_link *link)
{
	if (link->kind == LINK_VXLAN)
		return "vxlan";
	return is_ipv6(link) ? "ip6gretap" : "gretap";
}

/* RFC 2473's encapsulation limit would cost 8 bytes of each packet, and is not wanted. */
static struct gre_state wanted_gre(const struct network_link *link, const struct ip *peer)
{
	return (struct gre_state){
		.local = link->local,
		.remote = *peer,
		.has_key = link->has_key,
		.key = link->has_key ? link->key : 0,
		.ttl = (uint8_t)(link->ttl ? link->ttl : TTL_DEFAULT),
		.tos = (uint8_t)link->tos,
		/* Without: outer packets may be fragmented, whatever the inner ones say. */
		.pmtudisc = !is_ipv6(link) && link->pmtudisc,
		.ignore_df = !is_ipv6(link) && !link->pmtudisc,
	};
}

static struct vxlan_state wanted_vxlan(const struct network_link *link)
{
	return (struct vxlan_state){
		.vni = link->key,
		.local = link->local,
		.port = (uint16_t)(link->port ? link->port : VXLAN_PORT),
		.ttl = (uint8_t)(link->ttl ? link->ttl : TTL_DEFAULT),
		.tos = (uint8_t)link->tos,
		.learning = link->learning,
		.df = !is_ipv6(link) && link->pmtudisc ? VXLAN_DF_SET : VXLAN_DF_UNSET,
	};
}

static void fill_device(const struct planned_network *pn, const struct network_link *link,
			const struct ip *peer, struct planned_device *ret)
{
	struct op_link *op = &ret->link;
	char buf[ADDR_TEXT_MAX];

	snprintf(ret->network, sizeof(ret->network), "%s", pn->net->name);
	snprintf(op->kind, sizeof(op->kind), "%s", device_kind(link));
	network_link_device(pn->net, link, peer, op->name);
	snprintf(op->alias, sizeof(op->alias), LINK_ALIAS_PREFIX "link:%s:%.64s:%s", pn->net->name,
		 link->name, peer ? ip_format(peer, buf) : "*");
	if (link->device)
		snprintf(op->parent, sizeof(op->parent), "%s", link->device);
	if (peer)
		op->gre = wanted_gre(link, peer);
	else
		op->vxlan = wanted_vxlan(link);
}

static bool can_be(struct planner *p, const struct planned_network *pn,
		   const struct network_link *link, const struct ip *peer)
{
	struct planned_device device = { 0 };

	fill_device(pn, link, peer, &device);
	return plan_device_can_be(p, &device);
}

static bool has_underlay(struct planner *p, const struct planned_network *pn,
			 const struct network_link *link)
{
	if (!link->device || plan_uplink_can_be(p, link->device))
		return true;
	plan_note(p, "network %s: link %s: device %s is not there; the link is down", pn->net->name,
		  link->name, link->device);
	return false;
}

/* A copy, for peers may be left out of it. */
static void copy_peers(struct planner *p, const struct planned_network *pn,
		       const struct network_link *from, struct network_link *to)
{
	to->peers.v = NULL;
	to->peers.n = to->peers.cap = 0;
	vec_each(peer, &from->peers)
		if (from->kind == LINK_VXLAN || can_be(p, pn, from, peer))
			vec_push(&to->peers, *peer);
}

/* Not an error: the route may come, and the other peers are served. */
static void note_unreachable(struct planner *p, const struct planned_network *pn,
			     const struct network_link *link)
{
	const struct ip *first = NULL;
	char buf[ADDR_TEXT_MAX];
	uint32_t unused;
	size_t n = 0;

	vec_each(peer, &link->peers) {
		if (link->device || plan_underlay(&p->now, link, peer, &unused))
			continue;
		first = first ? first : peer;
		n++;
	}
	if (n > 1)
		plan_note(p, "network %s: link %s: no single route leads to %s and %zu other peers",
			  pn->net->name, link->name, ip_format(first, buf), n - 1);
	else if (n)
		plan_note(p, "network %s: link %s: no single route leads to %s", pn->net->name,
			  link->name, ip_format(first, buf));
}

void plan_resolve_links(struct planner *p, struct planned_network *pn)
{
	vec_each(link, &pn->net->links) {
		struct network_link *copy;

		if (!pn->is_usable || !has_underlay(p, pn, link) ||
		    (link->kind == LINK_VXLAN && !can_be(p, pn, link, NULL)))
			continue;
		copy = vec_add(&pn->links);
		*copy = *link;
		copy_peers(p, pn, link, copy);
		note_unreachable(p, pn, link);
	}
	/* The bridge's address hangs on the first link, whether that can be had or not. */
	if (!pn->effective.bridge.has_mac) {
		pn->effective.bridge.mac = network_bridge_mac(pn->net);
		pn->effective.bridge.has_mac = true;
	}
	pn->effective.links.v = pn->links.v;
	pn->effective.links.n = pn->links.n;
	pn->effective.links.cap = 0;
}

/* Linux holds a VXLAN device that is bound to another to what fits that, whatever was declared. */
static uint32_t device_mtu(struct planner *p, struct planned_network *pn,
			   const struct network_link *link)
{
	uint32_t mtu = plan_mtu(p, pn), limit;

	if (link->kind != LINK_VXLAN || !link->device)
		return mtu;
	limit = plan_device_mtu(p, link->device, mtu) - network_link_overhead(link);
	return limit < mtu ? limit : mtu;
}

static void want_device(struct planner *p, struct planned_network *pn,
			const struct network_link *link, const struct ip *peer)
{
	struct planned_device *device = plan_add_device(p, pn, "", "", "");

	fill_device(pn, link, peer, device);
	snprintf(device->link.master, sizeof(device->link.master), "%s", pn->bridge);
	device->link.mtu = device_mtu(p, pn, link);
	device->link.port.isolated = link->kind == LINK_GRETAP && link->split_horizon;
	if (!peer)
		device->peers = link;
}

void plan_links_want(struct planner *p, struct planned_network *pn)
{
	vec_each(link, &pn->links) {
		if (link->kind == LINK_VXLAN)
			want_device(p, pn, link, NULL);
		else
			vec_each(peer, &link->peers)
				want_device(p, pn, link, peer);
	}
}

/* VXLAN's peers. */

static size_t first_entry(const struct snapshot *snap, int ifindex)
{
	size_t low = 0, high = snap->fdb.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snap->fdb.v[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_peer(const struct network_link *link, const struct ip *ip)
{
	vec_each(peer, &link->peers)
		if (ip_cmp(peer, ip) == 0)
			return true;
	return false;
}

static void emit_peer(struct planner *p, enum op_kind kind, const struct planned_device *device,
		      const struct ip *peer)
{
	struct op op = plan_op(kind, device->network);

	snprintf(op.fdb.ifname, sizeof(op.fdb.ifname), "%s", device->link.name);
	op.fdb.fdb.dst = *peer;
	plan_emit(p, &op);
}

/* Entries for one address were made by hand, those marked by a control plane: neither is ours. */
static bool is_ours(const struct vxlan_fdb *fdb)
{
	return mac_is_zero(&fdb->mac) && !fdb->is_external;
}

static void remove_peers(struct planner *p, const struct planned_device *device, int ifindex)
{
	for (size_t i = first_entry(&p->now, ifindex);
	     i < p->now.fdb.n && p->now.fdb.v[i].ifindex == ifindex; i++) {
		struct vxlan_fdb fdb = p->now.fdb.v[i];

		if (!is_ours(&fdb) || is_peer(device->peers, &fdb.dst))
			continue;
		emit_peer(p, OP_FDB_DEL, device, &fdb.dst);
		i--;
	}
}

static bool has_peer(const struct planner *p, int ifindex, const struct ip *peer)
{
	const struct vxlan_fdb key = { .ifindex = ifindex, .dst = *peer };

	return p->now.fdb.n && bsearch(&key, p->now.fdb.v, p->now.fdb.n, sizeof(key),
				       snapshot_cmp_fdb);
}

void plan_peers(struct planner *p)
{
	vec_each(device, &p->devices) {
		int ifindex;

		if (!device->peers || device->peers->external)
			continue;
		ifindex = plan_link(p, device->link.name)->ifindex;
		remove_peers(p, device, ifindex);
		vec_each(peer, &device->peers->peers)
			if (!has_peer(p, ifindex, peer))
				emit_peer(p, OP_FDB_ADD, device, peer);
	}
}
