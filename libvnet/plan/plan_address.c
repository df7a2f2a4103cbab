/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_address.c - addresses of our bridges and the static routes of networks */

#include "plan/planner.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#define IP6_RT_PRIO_USER 1024 /* what the kernel makes of metric 0 */

uint8_t plan_addr_scope(const struct prefix *prefix)
{
	if (ip_is_loopback(&prefix->addr))
		return RT_SCOPE_HOST;
	if (prefix->addr.family == AF_INET6 && ip_is_link_local(&prefix->addr))
		return RT_SCOPE_LINK;
	return RT_SCOPE_UNIVERSE;
}

static bool is_declared(const struct network *net, const struct prefix *prefix)
{
	vec_each(declared, &net->addresses)
		if (prefix_cmp(declared, prefix) == 0)
			return true;
	return false;
}

/*
 * On a bridge of ours every address is ours to remove, but those that the
 * kernel gives by itself.  On one that stands in for a NIC they are the host's,
 * except those that bear our mark.
 */
static bool is_stray(const struct planned_network *pn, const struct addr *addr)
{
	if (is_declared(pn->net, &addr->prefix))
		return false;
	if (pn->net->mode == NETWORK_BRIDGED)
		return addr->protocol == ADDR_PROTOCOL_VNET;
	return addr->prefix.addr.family == AF_INET || !ip_is_link_local(&addr->prefix.addr);
}

static const struct addr *find_stray(const struct planner *p, const struct planned_network *pn,
				     int ifindex)
{
	plan_each_addr(addr, p, ifindex)
		if (is_stray(pn, addr))
			return addr;
	return NULL;
}

static void remove_strays(struct planner *p, const struct planned_network *pn, int ifindex)
{
	const struct addr *stray;

	/* Each time from the start: the secondaries of its subnet may have gone with one. */
	while ((stray = find_stray(p, pn, ifindex))) {
		struct op op = plan_op(OP_ADDR_DEL, pn->net->name);

		strcpy(op.addr.ifname, pn->bridge);
		op.addr.addr = *stray;
		op.addr.addr.ifindex = 0;
		op_loses(&op, plan_bridge_has_ports(p, pn->bridge),
			 "guests may use the address as their gateway or name server");
		plan_emit(p, &op);
	}
}

void plan_addresses_remove(struct planner *p)
{
	vec_each(pn, &p->nets) {
		const struct link *link = plan_link(p, pn->bridge);

		if (pn->has_interface && pn->is_usable && link)
			remove_strays(p, pn, link->ifindex);
	}
}

static bool has_addr(const struct planner *p, int ifindex, const struct prefix *prefix)
{
	plan_each_addr(addr, p, ifindex)
		if (prefix_cmp(&addr->prefix, prefix) == 0 && addr->valid == UINT32_MAX)
			return true;
	return false;
}

void plan_addresses_add(struct planner *p)
{
	vec_each(pn, &p->nets) {
		if (!pn->has_interface || !pn->is_usable)
			continue;
		vec_each(prefix, &pn->net->addresses) {
			struct addr addr = { .prefix = *prefix, .scope = plan_addr_scope(prefix),
					     .valid = UINT32_MAX, .preferred = UINT32_MAX,
					     .protocol = ADDR_PROTOCOL_VNET };

			if (!has_addr(p, plan_link(p, pn->bridge)->ifindex, prefix))
				plan_emit_addr(p, OP_ADDR_ADD, pn->net->name, pn->bridge, &addr);
		}
	}
}

/* Static routes. */

static struct route wanted_route(const struct static_route *declared)
{
	struct route route = { .family = declared->to.addr.family, .table = RT_TABLE_MAIN,
			       .dst = prefix_network(&declared->to), .gateway = declared->via,
			       .metric = declared->metric, .protocol = ROUTE_PROTOCOL_VNET,
			       .type = RTN_UNICAST };

	if (route.family == AF_INET && !route.gateway.family)
		route.scope = RT_SCOPE_LINK;
	if (route.family == AF_INET6 && !route.metric)
		route.metric = IP6_RT_PRIO_USER;
	return route;
}

static bool same_route(const struct route *a, const struct route *b)
{
	return a->family == b->family && a->table == b->table && a->type == b->type &&
	       a->metric == b->metric && prefix_cmp(&a->dst, &b->dst) == 0 &&
	       ip_cmp(&a->gateway, &b->gateway) == 0;
}

static bool is_wanted_route(const struct planner *p, const struct route *route, const char *ifname)
{
	const struct planned_network *pn = plan_network_of_bridge(p, ifname);

	if (!pn || !pn->is_usable)
		return false;
	vec_each(declared, &pn->net->routes) {
		struct route wanted = wanted_route(declared);

		if (same_route(&wanted, route))
			return true;
	}
	return false;
}

/* By their protocol number, wherever they point. */
void plan_routes_remove(struct planner *p)
{
	for (size_t i = 0; i < p->now.routes.n; i++) {
		struct route route = p->now.routes.v[i];
		const struct planned_network *pn;
		const struct link *link;

		if (route.protocol != ROUTE_PROTOCOL_VNET)
			continue;
		link = snapshot_link_by_index(&p->now, route.oif);
		pn = link ? plan_network_of_bridge(p, link->name) : NULL;
		if (link && is_wanted_route(p, &route, link->name))
			continue;
		plan_emit_route(p, OP_ROUTE_DEL, pn ? pn->net->name : NULL, link ? link->name : "",
				&route);
		i--;
	}
}

static bool has_route(const struct planner *p, const struct route *wanted, int ifindex)
{
	vec_each(route, &p->now.routes)
		if (route->protocol == ROUTE_PROTOCOL_VNET && route->oif == ifindex &&
		    same_route(route, wanted))
			return true;
	return false;
}

void plan_routes_add(struct planner *p)
{
	vec_each(pn, &p->nets) {
		if (!pn->has_interface || !pn->is_usable)
			continue;
		vec_each(declared, &pn->net->routes) {
			struct route route = wanted_route(declared);

			if (!has_route(p, &route, plan_link(p, pn->bridge)->ifindex))
				plan_emit_route(p, OP_ROUTE_ADD, pn->net->name, pn->bridge, &route);
		}
	}
}
