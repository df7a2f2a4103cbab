/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op_apply_ip.c - addresses and routes, with those that the kernel makes of them */

#include "plan/op_apply.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define IP6_RT_PRIO_USER 1024      /* what the kernel makes of metric 0 */
#define IP6_RT_PRIO_ADDRCONF 256   /* of a connected route */

DEFINE_INSERT(insert_addr, addr, addrs, snapshot_cmp_addrs);
DEFINE_INSERT(insert_route, route, routes, snapshot_cmp_routes);

/* Where the addresses of a device begin: they stand together. */
static size_t first_addr(const struct snapshot *snap, int ifindex)
{
	size_t low = 0, high = snap->addrs.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snap->addrs.v[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#define each_addr_of(i, snap, index) \
	for (size_t i = first_addr(snap, index); \
	     i < (snap)->addrs.n && (snap)->addrs.v[i].ifindex == (index); i++)

static struct route connected_route(const struct link *link, const struct addr *addr)
{
	struct route route = { .family = addr->prefix.addr.family, .table = RT_TABLE_MAIN,
			       .dst = prefix_network(&addr->prefix), .oif = link->ifindex,
			       .protocol = RTPROT_KERNEL, .type = RTN_UNICAST,
			       .metric = addr->metric };

	if (route.family == AF_INET) {
		route.scope = RT_SCOPE_LINK;
		route.prefsrc = addr->prefix.addr;
	} else {
		route.metric = addr->metric ? addr->metric : IP6_RT_PRIO_ADDRCONF;
		route.expires = addr->valid == UINT32_MAX ? 0 : addr->valid;
	}
	return route;
}

static void add_connected(struct snapshot *snap, const struct link *link, const struct addr *addr)
{
	struct route route;

	if (!(link->flags & IFF_UP) || addr->flags & IFA_F_NOPREFIXROUTE ||
	    addr->prefix.len == ip_bits(&addr->prefix.addr))
		return;
	if (addr->prefix.addr.family == AF_INET && addr->flags & IFA_F_SECONDARY)
		return; /* its primary made the route */
	route = connected_route(link, addr);
	insert_route(snap, &route);
}

static bool is_connected_of(const struct route *route, const struct link *link,
			    const struct addr *addr)
{
	struct route own = connected_route(link, addr);

	return route->protocol == RTPROT_KERNEL && route->oif == own.oif &&
	       route->metric == own.metric && prefix_cmp(&route->dst, &own.dst) == 0 &&
	       (own.family == AF_INET6 || ip_cmp(&route->prefsrc, &own.prefsrc) == 0);
}

static void drop_connected(struct snapshot *snap, const struct link *link, const struct addr *addr)
{
	for (size_t i = snap->routes.n; i-- > 0;)
		if (is_connected_of(&snap->routes.v[i], link, addr))
			vec_remove(&snap->routes, i);
}

static void drop_routes_of(struct snapshot *snap, const struct link *link)
{
	for (size_t i = snap->routes.n; i-- > 0;)
		if (snap->routes.v[i].oif == link->ifindex)
			vec_remove(&snap->routes, i);
}

void apply_ip_raised(struct snapshot *snap, const struct link *link)
{
	each_addr_of(i, snap, link->ifindex)
		add_connected(snap, link, &snap->addrs.v[i]);
}

/* The kernel drops the device's routes, and of IPv6 the addresses too (keep_addr_on_down=0). */
void apply_ip_lowered(struct snapshot *snap, const struct link *link)
{
	drop_routes_of(snap, link);
	for (size_t i = snap->addrs.n; i-- > 0;)
		if (snap->addrs.v[i].ifindex == link->ifindex &&
		    snap->addrs.v[i].prefix.addr.family == AF_INET6)
			vec_remove(&snap->addrs, i);
}

static struct addr *find_addr(struct snapshot *snap, int ifindex, const struct addr *wanted)
{
	each_addr_of(i, snap, ifindex) {
		struct addr *addr = &snap->addrs.v[i];

		if (prefix_cmp(&addr->prefix, &wanted->prefix) == 0 &&
		    ip_cmp(&addr->peer, &wanted->peer) == 0)
			return addr;
	}
	return NULL;
}

static bool has_primary(const struct snapshot *snap, int ifindex, const struct prefix *prefix)
{
	struct prefix subnet = prefix_network(prefix);

	each_addr_of(i, snap, ifindex) {
		struct prefix own = prefix_network(&snap->addrs.v[i].prefix);

		if (prefix_cmp(&own, &subnet) == 0)
			return true;
	}
	return false;
}

int apply_addr_add(const struct op_addr *op, struct applier *a)
{
	struct snapshot *snap = a->snap;
	const struct link *link = apply_find_link(a, op->ifname);
	struct addr *addr, new;

	if (!link)
		return apply_no_device(a, op->ifname);
	new = op->addr;
	new.ifindex = link->ifindex;
	if (new.valid == UINT32_MAX && !(new.flags & IFA_F_MANAGETEMPADDR))
		new.flags |= IFA_F_PERMANENT;
	addr = find_addr(snap, link->ifindex, &op->addr);
	if (addr) {
		drop_connected(snap, link, addr);
		new.flags |= addr->flags & IFA_F_SECONDARY;
		*addr = new;
	} else {
		if (new.prefix.addr.family == AF_INET &&
		    has_primary(snap, link->ifindex, &new.prefix))
			new.flags |= IFA_F_SECONDARY;
		insert_addr(snap, &new);
	}
	add_connected(snap, link, &new);
	return 0;
}

/* fib_sync_down_addr(): routes go with their source address, when no device has it any more. */
static void drop_routes_from(struct snapshot *snap, const struct ip *source)
{
	vec_each(addr, &snap->addrs)
		if (ip_cmp(&addr->prefix.addr, source) == 0)
			return;
	for (size_t i = snap->routes.n; i-- > 0;)
		if (ip_cmp(&snap->routes.v[i].prefsrc, source) == 0)
			vec_remove(&snap->routes, i);
}

/* The kernel takes the secondaries of a subnet along (promote_secondaries=0, its default). */
static void drop_secondaries(struct snapshot *snap, const struct link *link,
			     const struct addr *gone)
{
	struct prefix subnet = prefix_network(&gone->prefix);

	for (size_t i = snap->addrs.n; i-- > 0;) {
		const struct addr *addr = &snap->addrs.v[i];
		struct prefix own = prefix_network(&addr->prefix);

		if (addr->ifindex == link->ifindex && prefix_cmp(&own, &subnet) == 0) {
			drop_connected(snap, link, addr);
			vec_remove(&snap->addrs, i);
		}
	}
}

int apply_addr_del(const struct op_addr *op, struct applier *a)
{
	struct snapshot *snap = a->snap;
	const struct link *link = apply_find_link(a, op->ifname);
	struct addr *addr = link ? find_addr(snap, link->ifindex, &op->addr) : NULL;
	struct addr gone;

	if (!addr)
		return 0;
	if (addr->prefix.addr.family == AF_INET || addr->flags & IFA_F_PERMANENT)
		drop_connected(snap, link, addr); /* else it outlives the address */
	gone = *addr;
	vec_remove(&snap->addrs, (size_t)(addr - snap->addrs.v));
	if (gone.prefix.addr.family == AF_INET) {
		drop_routes_from(snap, &gone.prefix.addr);
		if (!(gone.flags & IFA_F_SECONDARY))
			drop_secondaries(snap, link, &gone);
	}
	return 0;
}

static uint32_t kernel_metric(const struct route *route)
{
	return route->family == AF_INET6 && !route->metric ? IP6_RT_PRIO_USER : route->metric;
}

static struct route *find_route(struct snapshot *snap, const struct route *wanted, int oif)
{
	vec_each(route, &snap->routes)
		if (route->family == wanted->family && route->table == wanted->table &&
		    prefix_cmp(&route->dst, &wanted->dst) == 0 &&
		    kernel_metric(route) == kernel_metric(wanted) &&
		    ip_cmp(&route->gateway, &wanted->gateway) == 0 && route->oif == oif)
			return route;
	return NULL;
}

int apply_route_add(const struct op_route *op, struct applier *a)
{
	struct snapshot *snap = a->snap;
	const struct link *link = op->ifname[0] ? apply_find_link(a, op->ifname) : NULL;
	struct route *route, new;

	if (op->ifname[0] && !link)
		return apply_no_device(a, op->ifname);
	if (link && !(link->flags & IFF_UP))
		return vnet_error_set(a->err, -ENETDOWN, "device-down", "%s is down", op->ifname);
	new = op->route;
	new.oif = link ? link->ifindex : 0;
	new.metric = kernel_metric(&new);
	route = find_route(snap, &op->route, new.oif);
	if (route)
		*route = new;
	else
		insert_route(snap, &new);
	return 0;
}

int apply_route_del(const struct op_route *op, struct applier *a)
{
	struct snapshot *snap = a->snap;
	const struct link *link = op->ifname[0] ? apply_find_link(a, op->ifname) : NULL;
	struct route *route;

	if (op->ifname[0] && !link)
		return 0;
	route = find_route(snap, &op->route, link ? link->ifindex : 0);
	if (route)
		vec_remove(&snap->routes, (size_t)(route - snap->routes.v));
	return 0;
}
