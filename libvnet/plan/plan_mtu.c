/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_mtu.c - what size of frame a network can have
 *
 * A declared bridge.mtu is kept.  Without one a bridge is as wide as the
 * narrowest way out of it: its uplink's VLAN, and each link, whose outer headers
 * take their part of the underlay's MTU.  Where the underlay goes is what the
 * host's routes say; a chain of networks is followed down.
 */

#include "plan/planner.h"

#include <linux/rtnetlink.h>

#define SERVICE_TAG 4 /* bytes; of the inner one every Ethernet device knows */
#define MTU_IPV6_MIN 1280 /* RFC 8200; Linux takes IPv6 off a device with less */

/* By family, table and destination: the order of snapshot_sort(), as far as it matters here. */
static int compare_key(const struct route *key, const struct route *route)
{
	if (key->family != route->family)
		return key->family < route->family ? -1 : 1;
	if (key->table != route->table)
		return key->table < route->table ? -1 : 1;
	return prefix_cmp(&key->dst, &route->dst);
}

static const struct route *first_route(const struct snapshot *snap, const struct route *key)
{
	size_t low = 0, high = snap->routes.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_key(key, &snap->routes.v[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == snap->routes.n || compare_key(key, &snap->routes.v[low]) != 0)
		return NULL;
	return &snap->routes.v[low];
}

/* The longest prefix wins, and of the same the lowest metric, which stands first. */
static const struct route *route_to(const struct snapshot *snap, const struct ip *ip)
{
	for (unsigned len = ip_bits(ip) + 1; len-- > 0;) {
		struct prefix host = { .addr = *ip, .len = (uint8_t)len };
		struct route key = { .family = ip->family, .table = RT_TABLE_MAIN,
				     .dst = prefix_network(&host) };
		const struct route *route = first_route(snap, &key);

		if (route)
			return route;
	}
	return NULL;
}

static const struct link *link_with_address(const struct snapshot *snap, const struct ip *ip)
{
	vec_each(addr, &snap->addrs)
		if (ip_cmp(&addr->prefix.addr, ip) == 0)
			return snapshot_link_by_index(snap, addr->ifindex);
	return NULL;
}

const struct link *plan_underlay(const struct snapshot *snap, const struct network_link *link,
				 const struct ip *peer, uint32_t *ret_route_mtu)
{
	const struct route *route = peer ? route_to(snap, peer) : NULL;

	*ret_route_mtu = 0;
	if (!peer)
		return link_with_address(snap, &link->local);
	if (!route || !route->oif || route->type != RTN_UNICAST)
		return NULL;
	*ret_route_mtu = route->mtu;
	return snapshot_link_by_index(snap, route->oif);
}

uint32_t plan_device_mtu(struct planner *p, const char *name, uint32_t fallback)
{
	const struct plan_name *found = plan_find_name(&p->bridge_names, name);
	struct planned_network *pn = found ? &p->nets.v[found->value] : NULL;
	const struct link *link = plan_link(p, name);

	if (pn && pn->is_ours && pn->is_usable)
		return plan_mtu(p, pn);
	return link ? link->mtu : fallback;
}

static void narrow(uint32_t *mtu, uint32_t limit)
{
	if (limit < *mtu)
		*mtu = limit;
}

/* What one frame to the peer may carry; UINT32_MAX where nobody knows. */
static uint32_t peer_mtu(struct planner *p, const struct network_link *link, const struct ip *peer)
{
	const struct link *underlay;
	uint32_t mtu, route_mtu = 0;

	if (link->device) {
		mtu = plan_device_mtu(p, link->device, 0);
	} else {
		underlay = plan_underlay(&p->now, link, peer, &route_mtu);
		mtu = underlay ? plan_device_mtu(p, underlay->name, underlay->mtu) : 0;
	}
	if (!mtu)
		return UINT32_MAX;
	if (route_mtu)
		narrow(&mtu, route_mtu);
	return mtu > network_link_overhead(link) ? mtu - network_link_overhead(link) : 0;
}

static void narrow_by_links(struct planner *p, const struct planned_network *pn, uint32_t *mtu)
{
	vec_each(link, &pn->effective.links) {
		if (link->device || !link->peers.n)
			narrow(mtu, peer_mtu(p, link, NULL));
		else
			vec_each(peer, &link->peers)
				narrow(mtu, peer_mtu(p, link, peer));
	}
}

/* A bridge that takes a NIC's place has the NIC's; while that is away, what it had. */
static uint32_t takeover_mtu(const struct planner *p, const struct planned_network *pn)
{
	const struct link *nic = pn->has_takeover ? plan_link(p, pn->net->uplink) : NULL;
	const struct link *bridge = plan_link(p, pn->bridge);

	return nic ? nic->mtu : bridge ? bridge->mtu : network_mtu(pn->net);
}

static uint32_t find_mtu(struct planner *p, struct planned_network *pn)
{
	const struct network *net = pn->net;
	uint32_t mtu = network_mtu(net);

	if (net->mode == NETWORK_MACVTAP) {
		uint32_t below = plan_device_mtu(p, net->uplink, mtu);

		return net->bridge.mtu && net->bridge.mtu < below ? net->bridge.mtu : below;
	}
	if (net->bridge.mtu)
		return mtu;
	if (network_takes_uplink(net))
		mtu = takeover_mtu(p, pn);
	if (pn->has_vlan)
		narrow(&mtu, plan_vlan_mtu(p, pn));
	narrow_by_links(p, pn, &mtu);
	if (mtu < MTU_IPV6_MIN && network_has_family(net, AF_INET6))
		mtu = MTU_IPV6_MIN;
	return mtu;
}

uint32_t plan_vlan_mtu(struct planner *p, const struct planned_network *pn)
{
	uint32_t below = plan_device_mtu(p, pn->net->uplink, network_mtu(pn->net));

	return pn->net->vlan.service && below > SERVICE_TAG ? below - SERVICE_TAG : below;
}

uint32_t plan_mtu(struct planner *p, struct planned_network *pn)
{
	if (!pn->mtu) {
		pn->mtu = network_mtu(pn->net); /* should a chain come back here */
		pn->mtu = find_mtu(p, pn);
	}
	return pn->mtu;
}

void plan_note_mtu(struct planner *p, const struct planned_network *pn)
{
	if (pn->net->bridge.mtu || network_takes_uplink(pn->net) ||
	    pn->mtu >= network_mtu(pn->net))
		return;
	plan_note(p,
		  "network %s: its MTU is %u, as much as its %s can carry; guests learn it from "
		  "DHCP and router advertisements, others have to be told",
		  pn->net->name, pn->mtu, pn->effective.links.n ? "links" : "uplink");
}
