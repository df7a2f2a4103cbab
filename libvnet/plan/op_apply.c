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

/* As the kernel counts: always up. */
static void skip_index(struct snapshot *snap, int ifindex)
{
	if (snap->next_ifindex <= ifindex)
		snap->next_ifindex = ifindex + 1;
}

static struct link *add_link(struct snapshot *snap, const char *name, const char *kind)
{
	struct link *link;

	if (snap->links.n) /* sorted: the last is the highest */
		skip_index(snap, snap->links.v[snap->links.n - 1].ifindex);
	if (!snap->next_ifindex)
		snap->next_ifindex = 1;
	link = vec_add(&snap->links);
	link->ifindex = snap->next_ifindex++;
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	link->flags = IFF_BROADCAST | IFF_MULTICAST;
	link->mtu = 1500;
	link->txqueuelen = 1000;
	return link;
}

/* Where in n items of a sorted array the item belongs, behind its equals. */
static size_t place_of(const void *v, size_t n, size_t size, const void *item,
		       int (*compare)(const void *a, const void *b))
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(item, (const char *)v + middle * size) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * Inserting keeps the order of snapshot_sort(): a plan of thousands of
 * operations must not sort thousands of times.
 */
#define DEFINE_INSERT(name, type, member, compare) \
	static void name(struct snapshot *snap, const struct type *item) \
	{ \
		size_t n = snap->member.n; \
		size_t i = place_of(snap->member.v, n, sizeof(*item), item, compare); \
\
		vec_add(&snap->member); \
		memmove(&snap->member.v[i + 1], &snap->member.v[i], (n - i) * sizeof(*item)); \
		snap->member.v[i] = *item; \
	} \
	struct vnet_swallow_semicolon

DEFINE_INSERT(insert_addr, addr, addrs, snapshot_cmp_addrs);
DEFINE_INSERT(insert_route, route, routes, snapshot_cmp_routes);
DEFINE_INSERT(insert_sysctl, sysctl, sysctls, snapshot_cmp_sysctls);

/* A new device starts with the values of "default", as far as the snapshot knows them. */
static void add_conf(struct snapshot *snap, const struct link *link)
{
	static const char *const defaults[] = {"net/ipv4/conf/default/", "net/ipv6/conf/default/"};
	struct sysctl found[64];
	size_t n = 0;

	vec_each(sysctl, &snap->sysctls)
		for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
			size_t length = strlen(defaults[i]);

			if (n == ARRAY_SIZE(found) ||
			    strncmp(sysctl->path, defaults[i], length) != 0)
				continue;
			found[n].value = sysctl->value;
			snprintf(found[n].path, sizeof(found[n].path), "net/ipv%c/conf/%s/%.60s",
				 defaults[i][7], link->name, sysctl->path + length);
			n++;
		}
	for (size_t i = 0; i < n; i++) {
		int64_t value;

		if (snapshot_sysctl(snap, found[i].path, &value) < 0)
			insert_sysctl(snap, &found[i]);
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
	if (op->set & (LINK_SET_ISOLATED | LINK_SET_ROOT_GUARD | LINK_SET_STATE) && !link->master &&
	    !(op->set & LINK_SET_MASTER && op->master[0]))
		return vnet_error_set(err, -EOPNOTSUPP, "no-bridge-port", "%s is on no bridge",
				      op->name);
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
	if (op->set & LINK_SET_ROOT_GUARD)
		link->port.root_guard = op->port.root_guard;
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
	skip_index(snap, ifindex);
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

static bool has_primary(const struct snapshot *snap, int ifindex, const struct prefix *prefix)
{
	struct prefix subnet = prefix_network(prefix);

	vec_each(addr, &snap->addrs) {
		struct prefix own = prefix_network(&addr->prefix);

		if (addr->ifindex == ifindex && prefix_cmp(&own, &subnet) == 0)
			return true;
	}
	return false;
}

static int addr_add(const struct op_addr *op, struct snapshot *snap, struct vnet_error *err)
{
	const struct link *link = snapshot_link(snap, op->ifname);
	struct addr *addr, new;

	if (!link)
		return no_device(op->ifname, err);
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

static int addr_del(const struct op_addr *op, struct snapshot *snap)
{
	const struct link *link = snapshot_link(snap, op->ifname);
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

static int route_add(const struct op_route *op, struct snapshot *snap, struct vnet_error *err)
{
	const struct link *link = op->ifname[0] ? snapshot_link(snap, op->ifname) : NULL;
	struct route *route, new;

	if (op->ifname[0] && !link)
		return no_device(op->ifname, err);
	if (link && !(link->flags & IFF_UP))
		return vnet_error_set(err, -ENETDOWN, "device-down", "%s is down", op->ifname);
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

	return strncmp(path, root, n) == 0 && slash && slash > path + n &&
	       strcmp(slash + 1, leaf) == 0;
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

static bool hears_routers_as_router(const struct snapshot *snap, int ifindex)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);
	char path[96];
	int64_t value;

	if (!link)
		return false;
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", link->name);
	return snapshot_sysctl(snap, path, &value) < 0 || value == 2;
}

/* rt6_purge_dflt_routers(): a host that begins to route forgets its routers. */
static void forget_routers(struct snapshot *snap, const struct sysctl *changed)
{
	if (!changed->value || !is_conf(changed->path, "net/ipv6/conf/", "forwarding") ||
	    strcmp(changed->path, "net/ipv6/conf/default/forwarding") == 0)
		return;
	for (size_t i = snap->routes.n; i-- > 0;) {
		const struct route *route = &snap->routes.v[i];

		if (route->family == AF_INET6 && route->protocol == RTPROT_RA && !route->dst.len &&
		    !hears_routers_as_router(snap, route->oif))
			vec_remove(&snap->routes, i);
	}
}

static int write_sysctl(const struct op_sysctl *op, struct snapshot *snap)
{
	struct sysctl *known = NULL;

	if (snap->sysctls.n)
		known = bsearch(&op->sysctl, snap->sysctls.v, snap->sysctls.n, sizeof(*known),
				snapshot_cmp_sysctls);
	if (known)
		known->value = op->sysctl.value;
	else if (!op->optional)
		insert_sysctl(snap, &op->sysctl);
	spread_forwarding(snap, &op->sysctl);
	forget_routers(snap, &op->sysctl);
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
