/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * op_apply.c - what an operation makes of a snapshot
 *
 * The model of the kernel that the fake back end runs on and that proves plans
 * complete.  It follows Linux where the planner could notice: connected routes
 * come with addresses, everything on a device goes with the device, raising
 * and lowering, inheritance between the sysctls that govern forwarding.
 */

#include "plan/op.h"

#include "nft/ruleset.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP (1 << 16)
#endif

/* linux/if_bridge.h's BR_STATE_* drag in all of linux/if_ether.h. */
enum { PORT_DISABLED = 0, PORT_FORWARDING = 3 };
#define IP6_RT_PRIO_USER 1024      /* what the kernel makes of metric 0 */
#define IP6_RT_PRIO_ADDRCONF 256   /* of a connected route */

static struct link *find_link(struct snapshot *snap, const char *name)
{
	return (struct link *)snapshot_link(snap, name);
}

static int no_device(const char *name, struct vnet_error *err)
{
	return vnet_error_set(err, -ENODEV, "no-device", "no device %s", name);
}

static struct link *add_link(struct snapshot *snap, const char *name, const char *kind)
{
	struct link *link;
	int ifindex = 1;

	if (snap->links.n) /* sorted: the last is the highest; the kernel counts up too */
		ifindex = snap->links.v[snap->links.n - 1].ifindex + 1;
	link = vec_add(&snap->links);
	link->ifindex = ifindex;
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	link->flags = IFF_BROADCAST | IFF_MULTICAST;
	link->mtu = 1500;
	link->txqueuelen = 1000;
	return link;
}

/* IPv4's rp_filter and the like are the default ones; forwarding is what the planner reads. */
static void add_conf(struct snapshot *snap, const struct link *link)
{
	static const char *const leaves[] = { "net/ipv4/conf/%s/forwarding", "net/ipv6/conf/%s/forwarding",
					      "net/ipv6/conf/%s/accept_ra", "net/ipv6/conf/%s/autoconf",
					      "net/ipv6/conf/%s/disable_ipv6",
					      "net/ipv6/conf/%s/force_forwarding" };

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		struct sysctl sysctl = { 0 };
		char from[sizeof(sysctl.path)];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(sysctl.path, sizeof(sysctl.path), leaves[i], link->name);
		snprintf(from, sizeof(from), leaves[i], "default");
#pragma GCC diagnostic pop
		if (snapshot_sysctl(snap, from, &sysctl.value) < 0)
			continue; /* not asked for, or the kernel has none */
		vec_push(&snap->sysctls, sysctl);
		snapshot_sort(snap);
	}
}

/* Connected routes. */

static struct route connected_route(const struct link *link, const struct addr *addr)
{
	struct route route = { .family = addr->prefix.addr.family, .table = RT_TABLE_MAIN,
			       .dst = prefix_network(&addr->prefix), .oif = link->ifindex,
			       .protocol = RTPROT_KERNEL, .type = RTN_UNICAST,
			       .metric = addr->metric };

	if (route.family == AF_INET) {
		route.scope = RT_SCOPE_LINK;
		route.prefsrc = addr->prefix.addr;
	} else if (!route.metric) {
		route.metric = IP6_RT_PRIO_ADDRCONF;
	}
	return route;
}

static void add_connected(struct snapshot *snap, const struct link *link, const struct addr *addr)
{
	if (!(link->flags & IFF_UP) || addr->flags & IFA_F_NOPREFIXROUTE ||
	    addr->prefix.len == ip_bits(&addr->prefix.addr))
		return;
	vec_push(&snap->routes, connected_route(link, addr));
	snapshot_sort(snap);
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

/* Raising and lowering. */

static void raise_link(struct snapshot *snap, struct link *link)
{
	if (link->flags & IFF_UP)
		return;
	link->flags |= IFF_UP;
	if (link->master && link->flags & IFF_LOWER_UP)
		link->port.state = PORT_FORWARDING;
	for (size_t i = 0; i < snap->addrs.n; i++)
		if (snap->addrs.v[i].ifindex == link->ifindex)
			add_connected(snap, link, &snap->addrs.v[i]);
}

/* The kernel drops the device's routes, and of IPv6 the addresses too (keep_addr_on_down=0). */
static void lower_link(struct snapshot *snap, struct link *link)
{
	if (!(link->flags & IFF_UP))
		return;
	link->flags &= ~(uint32_t)IFF_UP;
	link->port.state = PORT_DISABLED;
	drop_routes_of(snap, link);
	for (size_t i = snap->addrs.n; i-- > 0;)
		if (snap->addrs.v[i].ifindex == link->ifindex &&
		    snap->addrs.v[i].prefix.addr.family == AF_INET6)
			vec_remove(&snap->addrs, i);
}

static int set_master(struct snapshot *snap, struct link *link, const char *master,
		      struct vnet_error *err)
{
	const struct link *bridge = NULL;

	if (master[0] && !(bridge = snapshot_link(snap, master)))
		return no_device(master, err);
	if (bridge && strcmp(bridge->kind, "bridge") != 0)
		return vnet_error_set(err, -EINVAL, "not-a-bridge", "%s is not a bridge", master);
	if ((bridge ? bridge->ifindex : 0) == link->master)
		return 0;
	link->master = bridge ? bridge->ifindex : 0;
	link->port = (struct bridge_port_state){ 0 };
	if (!bridge)
		return 0;
	link->port.learning = link->port.flood = link->port.multicast_flood = true;
	if (link->flags & IFF_UP)
		link->port.state = PORT_FORWARDING;
	return 0;
}

/* Operations. */

static int bridge_create(const struct op_link *op, struct snapshot *snap, struct vnet_error *err)
{
	struct link *link = find_link(snap, op->name);

	if (link && (strcmp(link->kind, "bridge") != 0 || strcmp(link->alias, op->alias) != 0))
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already", op->name);
	if (link)
		return 0;
	link = add_link(snap, op->name, "bridge");
	link->mac = op->mac;
	link->mtu = op->mtu ? op->mtu : 1500;
	memcpy(link->alias, op->alias, sizeof(link->alias));
	link->bridge = op->bridge;
	if (op->set & LINK_SET_ADDR_GEN)
		link->addr_gen_mode = op->addr_gen_mode;
	add_conf(snap, link);
	return 0;
}

static int tap_create(const struct op_tap *op, struct snapshot *snap, struct vnet_error *err)
{
	struct link *link = find_link(snap, op->name);

	if (link && (strcmp(link->kind, "tun") != 0 || !link->tun.is_tap))
		return vnet_error_set(err, -EEXIST, "device-exists",
				      "a device named %s exists already", op->name);
	if (!link) {
		link = add_link(snap, op->name, "tun");
		link->mac = (struct mac){ { 0x02, 0, 0, 0, (uint8_t)(link->ifindex >> 8),
					    (uint8_t)link->ifindex } };
		link->tun.is_tap = true;
		add_conf(snap, link);
		link = find_link(snap, op->name);
	}
	link->tun.is_persistent = true;
	link->tun.is_multi_queue = op->multi_queue;
	link->tun.has_vnet_hdr = op->vnet_hdr;
	link->tun.owner = op->owner;
	link->tun.group = op->group;
	memcpy(link->alias, op->alias, sizeof(link->alias));
	return 0;
}

static int link_set(const struct op_link *op, struct snapshot *snap, struct vnet_error *err)
{
	struct link *link = find_link(snap, op->name);
	int rc;

	if (!link)
		return no_device(op->name, err);
	if (op->set & (LINK_SET_ISOLATED | LINK_SET_STATE) && !link->master &&
	    !(op->set & LINK_SET_MASTER && op->master[0]))
		return vnet_error_set(err, -EOPNOTSUPP, "no-bridge-port", "%s is on no bridge", op->name);
	if (op->set & LINK_SET_MASTER && (rc = set_master(snap, link, op->master, err)) < 0)
		return rc;
	if (op->set & LINK_SET_MAC)
		link->mac = op->mac;
	if (op->set & LINK_SET_MTU)
		link->mtu = op->mtu;
	if (op->set & LINK_SET_TXQUEUELEN)
		link->txqueuelen = op->txqueuelen;
	if (op->set & LINK_SET_GROUP)
		link->group = op->group;
	if (op->set & LINK_SET_ALIAS)
		memcpy(link->alias, op->alias, sizeof(link->alias));
	if (op->set & LINK_SET_ADDR_GEN)
		link->addr_gen_mode = op->addr_gen_mode;
	if (op->set & LINK_SET_BRIDGE)
		link->bridge = op->bridge;
	if (op->set & LINK_SET_ISOLATED)
		link->port.isolated = op->port.isolated;
	if (op->set & LINK_SET_STATE)
		link->port.state = op->port.state;
	if (op->set & LINK_SET_UP && op->up)
		raise_link(snap, link);
	else if (op->set & LINK_SET_UP)
		lower_link(snap, link);
	return 0;
}

/* A device's own sysctls end with it. */
static void drop_conf(struct snapshot *snap, const char *name)
{
	static const char *const roots[] = { "net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/",
					     "net/ipv6/neigh/" };
	size_t n = strlen(name);

	for (size_t i = snap->sysctls.n; i-- > 0;)
		for (size_t r = 0; r < ARRAY_SIZE(roots); r++) {
			const char *path = snap->sysctls.v[i].path;
			size_t root = strlen(roots[r]);

			if (strncmp(path, roots[r], root) == 0 &&
			    strncmp(path + root, name, n) == 0 && path[root + n] == '/') {
				vec_remove(&snap->sysctls, i);
				break;
			}
		}
}

static int link_delete(const struct op_link *op, struct snapshot *snap, struct vnet_error *err)
{
	struct link *link = find_link(snap, op->name);
	int ifindex;

	if (!link)
		return 0;
	if (!link_is_ours(link) && !op->force)
		return vnet_error_set(err, -EPERM, "foreign-device",
				      "%s does not carry our mark; it is left alone", op->name);
	ifindex = link->ifindex;
	drop_routes_of(snap, link);
	for (size_t i = snap->addrs.n; i-- > 0;)
		if (snap->addrs.v[i].ifindex == ifindex)
			vec_remove(&snap->addrs, i);
	drop_conf(snap, op->name);
	vec_each(other, &snap->links)
		if (other->master == ifindex) {
			other->master = 0;
			other->port = (struct bridge_port_state){ 0 };
		}
	vec_remove(&snap->links, (size_t)(link - snap->links.v));
	return 0;
}

static struct addr *find_addr(struct snapshot *snap, int ifindex, const struct addr *wanted)
{
	vec_each(addr, &snap->addrs)
		if (addr->ifindex == ifindex && prefix_cmp(&addr->prefix, &wanted->prefix) == 0 &&
		    ip_cmp(&addr->peer, &wanted->peer) == 0)
			return addr;
	return NULL;
}

static int addr_add(const struct op_addr *op, struct snapshot *snap, struct vnet_error *err)
{
	const struct link *link = snapshot_link(snap, op->ifname);
	struct addr *addr;

	if (!link)
		return no_device(op->ifname, err);
	addr = find_addr(snap, link->ifindex, &op->addr);
	if (addr)
		drop_connected(snap, link, addr);
	else
		addr = vec_add(&snap->addrs);
	*addr = op->addr;
	addr->ifindex = link->ifindex;
	if (addr->valid == UINT32_MAX)
		addr->flags |= IFA_F_PERMANENT;
	add_connected(snap, link, &op->addr);
	snapshot_sort(snap);
	return 0;
}

static int addr_del(const struct op_addr *op, struct snapshot *snap)
{
	const struct link *link = snapshot_link(snap, op->ifname);
	struct addr *addr = link ? find_addr(snap, link->ifindex, &op->addr) : NULL;

	if (!addr)
		return 0;
	drop_connected(snap, link, addr);
	for (size_t i = snap->routes.n; i-- > 0;) /* IPv4: routes with it as their source go too */
		if (addr->prefix.addr.family == AF_INET &&
		    ip_cmp(&snap->routes.v[i].prefsrc, &addr->prefix.addr) == 0)
			vec_remove(&snap->routes, i);
	vec_remove(&snap->addrs, (size_t)(addr - snap->addrs.v));
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

static int route_add(const struct op_route *op, struct snapshot *snap, struct vnet_error *err)
{
	const struct link *link = op->ifname[0] ? snapshot_link(snap, op->ifname) : NULL;
	struct route *route;

	if (op->ifname[0] && !link)
		return no_device(op->ifname, err);
	if (link && !(link->flags & IFF_UP))
		return vnet_error_set(err, -ENETDOWN, "device-down", "%s is down", op->ifname);
	route = find_route(snap, &op->route, link ? link->ifindex : 0);
	if (!route)
		route = vec_add(&snap->routes);
	*route = op->route;
	route->oif = link ? link->ifindex : 0;
	route->metric = kernel_metric(route);
	snapshot_sort(snap);
	return 0;
}

static int route_del(const struct op_route *op, struct snapshot *snap)
{
	const struct link *link = op->ifname[0] ? snapshot_link(snap, op->ifname) : NULL;
	struct route *route;

	if (op->ifname[0] && !link)
		return 0;
	route = find_route(snap, &op->route, link ? link->ifindex : 0);
	if (route)
		vec_remove(&snap->routes, (size_t)(route - snap->routes.v));
	return 0;
}

/* True for ROOT/NAME/LEAF, whatever the name. */
static bool is_conf(const char *path, const char *root, const char *leaf)
{
	size_t n = strlen(root);
	const char *slash = strrchr(path, '/');

	return strncmp(path, root, n) == 0 && slash && slash > path + n && strcmp(slash + 1, leaf) == 0;
}

/* The switches that write others (inet_forward_change(), addrconf_forward_change()). */
static void spread_forwarding(struct snapshot *snap, const struct sysctl *changed)
{
	const char *root = NULL;

	if (strcmp(changed->path, "net/ipv4/ip_forward") == 0 ||
	    strcmp(changed->path, "net/ipv4/conf/all/forwarding") == 0)
		root = "net/ipv4/conf/";
	else if (strcmp(changed->path, "net/ipv6/conf/all/forwarding") == 0)
		root = "net/ipv6/conf/";
	if (!root)
		return;
	vec_each(sysctl, &snap->sysctls)
		if (is_conf(sysctl->path, root, "forwarding") ||
		    (root[7] == '4' && strcmp(sysctl->path, "net/ipv4/ip_forward") == 0))
			sysctl->value = changed->value;
}

static int write_sysctl(const struct op_sysctl *op, struct snapshot *snap)
{
	struct sysctl *known = NULL;

	vec_each(sysctl, &snap->sysctls)
		if (strcmp(sysctl->path, op->sysctl.path) == 0)
			known = sysctl;
	if (!known && op->optional)
		return 0;
	if (!known)
		known = vec_add(&snap->sysctls);
	*known = op->sysctl;
	snapshot_sort(snap);
	spread_forwarding(snap, &op->sysctl);
	return 0;
}

int op_apply(const struct op *op, struct snapshot *snap, struct vnet_error *err)
{
	switch (op->kind) {
	case OP_BRIDGE_CREATE:
		return bridge_create(&op->link, snap, err);
	case OP_TAP_CREATE:
		return tap_create(&op->tap, snap, err);
	case OP_LINK_SET:
		return link_set(&op->link, snap, err);
	case OP_LINK_DELETE:
		return link_delete(&op->link, snap, err);
	case OP_ADDR_ADD:
		return addr_add(&op->addr, snap, err);
	case OP_ADDR_DEL:
		return addr_del(&op->addr, snap);
	case OP_ROUTE_ADD:
		return route_add(&op->route, snap, err);
	case OP_ROUTE_DEL:
		return route_del(&op->route, snap);
	case OP_SYSCTL:
		return write_sysctl(&op->sysctl, snap);
	case OP_NFT:
		return nft_txn_apply(op->nft, &snap->nft, err);
	case OP_SERVICE:
		return 0; /* processes are not the kernel's */
	}
	return -EINVAL;
}
