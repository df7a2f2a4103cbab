/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_check.c - what the host must offer for a network to run; of its wires: plan_check_wire.c */

#include "plan/plan_check.h"
#include "plan/planner.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#define IP6_RT_PRIO_USER 1024

static const char *kind_text(const struct link *link)
{
	return link->kind[0] ? link->kind : "network device";
}

static int check_own_bridge(const struct network *net, const char *bridge,
			    const struct snapshot *snap, struct vnet_error *err)
{
	const struct link *link = snapshot_link(snap, bridge);

	if (!link || plan_bridge_is_ours(link, net))
		return 0;
	vnet_error_set(err, -EEXIST, "device-exists",
		       "a %s named %s exists already and is not ours; give the network another "
		       "bridge.name, or remove that device", kind_text(link), bridge);
	network_locate(net, "bridge.name", err);
	return -EEXIST;
}

static int check_foreign_bridge(const struct network *net, const char *bridge,
				const struct snapshot *snap, struct vnet_error *err)
{
	const struct link *link = snapshot_link(snap, bridge);

	if (link && strcmp(link->kind, "bridge") == 0)
		return 0;
	if (link)
		vnet_error_set(err, -EINVAL, "not-a-bridge",
			       "%s is a %s, not a bridge; name a bridge, or take the device into a "
			       "bridge of ours with uplink: %s", bridge, kind_text(link), bridge);
	else
		vnet_error_set(
		    err, -ENODEV, "no-bridge",
		    "there is no bridge %s on this host; create it, or give the network an "
		    "uplink instead",
		    bridge);
	network_locate(net, "bridge.name", err);
	return link ? -EINVAL : -ENODEV;
}

/* Addresses. */

/* This network's bridge, or another of ours: networks_check() compares those. */
static bool is_our_bridge(const struct snapshot *snap, int ifindex, const char *bridge)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);

	return link && (strcmp(link->name, bridge) == 0 || link_is_ours(link));
}

static const char *name_of(const struct snapshot *snap, int ifindex)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);

	return link ? link->name : "no device";
}

static bool is_comparable(const struct prefix *a, const struct prefix *b)
{
	return a->addr.family == b->addr.family && prefix_overlaps(a, b);
}

/*
 * A route that covers more than the subnet (a VPN's 10.0.0.0/8) may stay: the
 * network takes a part out of it, as any more specific route does.  One that
 * is on link, the same or within would be cut.
 */
static bool collides(const struct route *route, const struct prefix *subnet)
{
	if (!route->dst.len || (route->table != RT_TABLE_MAIN && route->table != RT_TABLE_UNSPEC) ||
	    route->protocol == ROUTE_PROTOCOL_VNET || !is_comparable(&route->dst, subnet))
		return false;
	return route->dst.len >= subnet->len ||
	       (!route->gateway.family && route->type == RTN_UNICAST);
}

/* ipv6.disable=1: not even the loopback has IPv6. */
static bool has_ipv6(const struct snapshot *snap)
{
	vec_each(link, &snap->links)
		if (link->flags & IFF_LOOPBACK && link->addr_gen_mode < 0)
			return false;
	return true;
}

static int check_address(const struct network *net, size_t index, const char *bridge,
			 const struct snapshot *snap, struct vnet_error *err)
{
	const struct prefix *prefix = &net->addresses.v[index], subnet = prefix_network(prefix);
	char path[32], own[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];

	snprintf(path, sizeof(path), "addresses[%zu]", index);
	prefix_format(prefix, own);
	if (prefix->addr.family == AF_INET6 && !has_ipv6(snap)) {
		vnet_error_set(err, -EAFNOSUPPORT, "no-ipv6",
			       "this host was started without IPv6; leave %s out, or start it with",
			       own);
		network_locate(net, path, err);
		return -EAFNOSUPPORT;
	}
	vec_each(addr, &snap->addrs) {
		if (is_our_bridge(snap, addr->ifindex, bridge) ||
		    !is_comparable(&addr->prefix, &subnet))
			continue;
		vnet_error_set(
		    err, -EADDRINUSE, "subnet-in-use",
		    "%s overlaps %s on interface %s; choose another subnet, or subnet: auto", own,
		    prefix_format(&addr->prefix, other), name_of(snap, addr->ifindex));
		network_locate(net, path, err);
		return -EADDRINUSE;
	}
	vec_each(route, &snap->routes) {
		if (is_our_bridge(snap, route->oif, bridge) || !collides(route, &subnet))
			continue;
		vnet_error_set(err, -EADDRINUSE, "subnet-in-use",
			       "%s overlaps the route to %s through %s; choose another subnet, or "
			       "subnet: auto", own, prefix_format(&route->dst, other),
			       name_of(snap, route->oif));
		network_locate(net, path, err);
		return -EADDRINUSE;
	}
	return 0;
}

static uint32_t kernel_metric(uint8_t family, uint32_t metric)
{
	return family == AF_INET6 && !metric ? IP6_RT_PRIO_USER : metric;
}

/* The kernel has one route for a destination and metric; somebody else's is not replaced. */
static int check_route(const struct network *net, size_t index, const char *bridge,
		       const struct snapshot *snap, struct vnet_error *err)
{
	const struct static_route *wanted = &net->routes.v[index];
	struct prefix to = prefix_network(&wanted->to);
	uint8_t family = to.addr.family;
	char path[32], text[ADDR_TEXT_MAX];

	vec_each(route, &snap->routes) {
		if (route->family != family || route->table != RT_TABLE_MAIN ||
		    route->protocol == ROUTE_PROTOCOL_VNET || prefix_cmp(&route->dst, &to) != 0 ||
		    kernel_metric(family, route->metric) != kernel_metric(family, wanted->metric) ||
		    is_our_bridge(snap, route->oif, bridge))
			continue;
		snprintf(path, sizeof(path), "routes[%zu].to", index);
		vnet_error_set(
		    err, -EEXIST, "route-exists",
		    "a route to %s with this metric exists already, through %s; give another "
		    "metric",
		    prefix_format(&to, text), name_of(snap, route->oif));
		network_locate(net, path, err);
		return -EEXIST;
	}
	return 0;
}

/*
 * A companion is on a segment that exists: its address must be free there, and
 * its subnet not be the uplink's as well, or the host's answers to guests leave
 * by the uplink, which does not lead to them.
 */
static int check_companion_address(const struct network *net, size_t index, const char *companion,
				   const struct snapshot *snap, struct vnet_error *err)
{
	const struct prefix *prefix = &net->addresses.v[index];
	char path[32], own[ADDR_TEXT_MAX], alone[ADDR_TEXT_MAX];

	snprintf(path, sizeof(path), "addresses[%zu]", index);
	vec_each(addr, &snap->addrs) {
		const char *name = name_of(snap, addr->ifindex);

		if (strcmp(name, companion) == 0)
			continue;
		if (ip_cmp(&addr->prefix.addr, &prefix->addr) == 0)
			vnet_error_set(err, -EADDRINUSE, "address-in-use",
				       "%s is an address of %s; the companion needs one of its own",
				       ip_format(&prefix->addr, own), name);
		else if (prefix->len < ip_bits(&prefix->addr) &&
			 prefix_overlaps(&addr->prefix, prefix))
			vnet_error_set(err, -EADDRINUSE, "subnet-in-use",
				       "%s is in the subnet of %s, so answers to guests would leave "
				       "by that; give the companion %s/%u, and routes to the guests' "
				       "addresses", prefix_format(prefix, own), name,
				       ip_format(&prefix->addr, alone), ip_bits(&prefix->addr));
		else
			continue;
		network_locate(net, path, err);
		return -EADDRINUSE;
	}
	return 0;
}

static int check_addresses(const struct network *net, const char *interface,
			   const struct snapshot *snap, struct vnet_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < net->addresses.n && !rc; i++)
		rc = network_has_bridge(net) ?
			     check_address(net, i, interface, snap, err) :
			     check_companion_address(net, i, interface, snap, err);
	for (size_t i = 0; i < net->routes.n && !rc; i++)
		rc = check_route(net, i, interface, snap, err);
	return rc;
}

int plan_check_host(const struct network *net, struct network *const *others, size_t n_others,
		    const struct snapshot *snap, struct vnet_error *err)
{
	const struct check c = { net, others, n_others, snap, err };
	char bridge[16];
	int rc = 0;

	network_bridge(net, bridge);
	if (network_has_bridge(net) && !network_owns_bridge(net))
		return check_foreign_bridge(net, bridge, snap, err);
	if (network_owns_bridge(net))
		rc = check_own_bridge(net, bridge, snap, err);
	if (!rc)
		rc = plan_check_uplink(&c, bridge);
	if (!rc)
		rc = plan_check_links(&c);
	/* The addresses of a bridge that takes a NIC's place belong beside those of the NIC. */
	return rc || network_takes_uplink(net) ? rc : check_addresses(net, bridge, snap, err);
}
