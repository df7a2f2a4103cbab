/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_takeover.c - a NIC goes into a bridge with all it has, and comes back
 *
 * The order is that of the least silence, tried on Linux 6.18: a NIC may keep
 * its addresses while it is a port, and while both have an address the host
 * answers on the bridge already.  So: enslave; addresses to the bridge; route
 * by route from the NIC to the bridge (the kernel knows IPv4 routes of one
 * metric only once, so away and back, in one send); then the addresses off the
 * NIC.  Coming back is the same the other way round.
 *
 * What the kernel makes itself is not moved: link-local addresses, connected
 * routes, and what router advertisements bring, when it is the kernel that
 * listens to them; the bridge solicits routers itself when it gets carrier.
 *
 * The record of what the NIC had is written before the first step, and says how
 * to go back.  Every step may be the last before the daemon dies: what is left
 * on the one side still moves with the next plan, and what was away but not
 * back yet is taken from the record.  A DHCP client that renews on the NIC puts
 * its address there again; that moves too, and the record grows.
 */

#include "plan/planner.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#define ADDR_PROTOCOL_KERNEL_RA 2

static const struct takeover *find_record(const struct planner *p, const struct planned_network *pn)
{
	vec_each(record, &p->d->takeovers)
		if (strcmp(record->network, pn->net->name) == 0 &&
		    strcmp(record->uplink, pn->net->uplink) == 0)
			return record;
	return NULL;
}

struct mac plan_uplink_bridge_mac(const struct planner *p, const struct planned_network *pn)
{
	const struct takeover *record = find_record(p, pn);
	const struct link *nic = plan_link(p, pn->net->uplink), *bridge = plan_link(p, pn->bridge);

	if (pn->net->bridge.has_mac)
		return pn->net->bridge.mac;
	if (record)
		return record->mac;
	if (nic && pn->has_takeover)
		return nic->mac;
	return bridge ? bridge->mac : network_bridge_mac(pn->net);
}

/* What a device has that is not the kernel's own. */

static bool kernel_hears_routers(const struct planner *p, const char *ifname)
{
	int64_t accept_ra = plan_conf(p, AF_INET6, ifname, "accept_ra", 0);

	return accept_ra == 2 || (accept_ra && !plan_conf(p, AF_INET6, ifname, "forwarding", 0));
}

static bool is_link_local6(const struct ip *ip)
{
	return ip->family == AF_INET6 && ip_is_link_local(ip);
}

static bool is_advertised_addr(const struct addr *addr)
{
	return addr->prefix.addr.family == AF_INET6 &&
	       (addr->protocol == ADDR_PROTOCOL_KERNEL_RA ||
		addr->flags & (IFA_F_MANAGETEMPADDR | IFA_F_TEMPORARY));
}

static bool is_in_subnet(const struct addr *addr, const struct route *route)
{
	struct prefix subnet = prefix_network(&addr->prefix);

	return prefix_cmp(&subnet, &route->dst) == 0;
}

/* The prefix of an address that comes and goes with advertisements, too. */
static bool is_advertised_route(const struct planner *p, const struct route *route)
{
	if (route->family != AF_INET6)
		return false;
	if (route->protocol != RTPROT_KERNEL || route->expires)
		return route->protocol == RTPROT_RA || route->protocol == RTPROT_KERNEL;
	plan_each_addr(addr, p, route->oif)
		if (is_advertised_addr(addr) && is_in_subnet(addr, route))
			return true;
	return false;
}

/*
 * The kernel made it with an address and takes it away with that; not so with
 * IPv6 addresses that may expire (inet6_addr_del(), tried on 6.18).
 */
static bool is_connected(const struct planner *p, const struct route *route)
{
	if (route->protocol != RTPROT_KERNEL)
		return false;
	plan_each_addr(addr, p, route->oif)
		if (is_in_subnet(addr, route) && !(addr->flags & IFA_F_NOPREFIXROUTE) &&
		    (route->family == AF_INET || addr->flags & IFA_F_PERMANENT))
			return true;
	return false;
}

static bool is_host_route(const struct planner *p, const struct route *route)
{
	return route->table == RT_TABLE_MAIN && route->protocol != ROUTE_PROTOCOL_VNET &&
	       !is_link_local6(&route->dst.addr) && !ip_is_multicast(&route->dst.addr) &&
	       !is_connected(p, route);
}

static void collect(const struct planner *p, int ifindex, struct takeover *ret)
{
	plan_each_addr(addr, p, ifindex)
		if (!is_link_local6(&addr->prefix.addr))
			vec_push(&ret->addrs, *addr);
	vec_each(route, &p->now.routes)
		if (route->oif == ifindex && is_host_route(p, route))
			vec_push(&ret->routes, *route);
}

static void drop_advertised(const struct planner *p, struct takeover *held)
{
	for (size_t i = held->addrs.n; i-- > 0;)
		if (is_advertised_addr(&held->addrs.v[i]))
			vec_remove(&held->addrs, i);
	for (size_t i = held->routes.n; i-- > 0;)
		if (is_advertised_route(p, &held->routes.v[i]))
			vec_remove(&held->routes, i);
}

static const struct addr *find_addr(const struct takeover *held, const struct prefix *prefix)
{
	vec_each(addr, &held->addrs)
		if (prefix_cmp(&addr->prefix, prefix) == 0)
			return addr;
	return NULL;
}

static const struct route *find_route(const struct takeover *held, const struct route *wanted)
{
	vec_each(route, &held->routes)
		if (route->family == wanted->family && route->metric == wanted->metric &&
		    prefix_cmp(&route->dst, &wanted->dst) == 0 &&
		    ip_cmp(&route->gateway, &wanted->gateway) == 0)
			return route;
	return NULL;
}

static bool has_addr(const struct planner *p, const char *ifname, const struct addr *wanted)
{
	int ifindex = plan_link(p, ifname)->ifindex;

	plan_each_addr(addr, p, ifindex)
		if (prefix_cmp(&addr->prefix, &wanted->prefix) == 0)
			return true;
	return false;
}

/*
 * What the bridge has of the host's: what was the NIC's, and, while the NIC is
 * in it, what a DHCP client brought since.  The record knows how it was on the
 * NIC.
 */
static void collect_back(const struct planner *p, const struct link *bridge, const struct link *nic,
			 const struct takeover *record, struct takeover *ret)
{
	bool is_in = nic->master == bridge->ifindex;
	struct takeover all = { 0 };

	collect(p, bridge->ifindex, &all);
	vec_each(addr, &all.addrs) {
		const struct addr *was = find_addr(record, &addr->prefix);
		struct addr back = *addr;

		if (!was && (!is_in || addr->valid == UINT32_MAX))
			continue;
		if (was) {
			back.flags = was->flags;
			back.metric = was->metric;
			memcpy(back.label, was->label, sizeof(back.label));
		}
		vec_push(&ret->addrs, back);
	}
	vec_each(route, &all.routes)
		if (find_route(record, route) ||
		    (is_in && (route->protocol == RTPROT_DHCP || !route->dst.len)))
			vec_push(&ret->routes, *route);
	takeover_free(&all);
}

/* Moving. */

struct move {
	const char *network, *from, *to;
};

static bool is_secondary(const struct addr *addr)
{
	return addr->prefix.addr.family == AF_INET && addr->flags & IFA_F_SECONDARY;
}

/* Primaries first, so that they stay primaries. */
static void add_addrs(struct planner *p, const struct move *m, const struct takeover *held)
{
	for (int secondary = 0; secondary < 2; secondary++)
		vec_each(addr, &held->addrs)
			if (is_secondary(addr) == secondary && !has_addr(p, m->to, addr))
				plan_emit_addr(p, OP_ADDR_ADD, m->network, m->to, addr);
}

/* Secondaries first: with a primary the kernel takes them along. */
static void remove_addrs(struct planner *p, const struct move *m, const struct takeover *held)
{
	for (int secondary = 1; secondary >= 0; secondary--)
		vec_each(addr, &held->addrs)
			if (is_secondary(addr) == secondary && has_addr(p, m->from, addr))
				plan_emit_addr(p, OP_ADDR_DEL, m->network, m->from, addr);
}

/* The route of this destination and metric; on one device, or on any when ifname is NULL. */
static const struct route *route_now(const struct planner *p, const struct route *wanted,
				     const char *ifname)
{
	const struct link *link = ifname ? plan_link(p, ifname) : NULL;

	vec_each(route, &p->now.routes)
		if (route->family == wanted->family && route->table == wanted->table &&
		    route->metric == wanted->metric && prefix_cmp(&route->dst, &wanted->dst) == 0 &&
		    (!link || route->oif == link->ifindex))
			return route;
	return NULL;
}

static void move_route(struct planner *p, const struct move *m, const struct route *route)
{
	const struct route *there;

	if (m->from && route_now(p, route, m->from))
		plan_emit_route(p, OP_ROUTE_DEL, m->network, m->from, route);
	there = route_now(p, route, m->to);
	if (there && ip_cmp(&there->gateway, &route->gateway) == 0)
		return;
	if (there) {
		struct route old = *there;

		plan_emit_route(p, OP_ROUTE_DEL, m->network, m->to, &old);
	}
	plan_emit_route(p, OP_ROUTE_ADD, m->network, m->to, route);
}

/* Those on link first: they make gateways reachable. */
static void move_routes(struct planner *p, const struct move *m, const struct takeover *held)
{
	for (int by_gateway = 0; by_gateway < 2; by_gateway++)
		vec_each(route, &held->routes)
			if (!!route->gateway.family == by_gateway)
				move_route(p, m, route);
}

/* Routes that were taken away from the one side and did not get to the other. */
static void add_lost_routes(struct planner *p, const struct move *m, const struct takeover *record)
{
	for (int by_gateway = 0; by_gateway < 2; by_gateway++)
		vec_each(route, &record->routes)
			if (!!route->gateway.family == by_gateway && !route_now(p, route, NULL))
				plan_emit_route(p, OP_ROUTE_ADD, m->network, m->to, route);
}

static void copy_held(const struct takeover *from, struct takeover *to)
{
	vec_each(addr, &from->addrs)
		if (!find_addr(to, &addr->prefix))
			vec_push(&to->addrs, *addr);
	vec_each(route, &from->routes)
		if (!find_route(to, route))
			vec_push(&to->routes, *route);
}

static struct op master_op(const char *network, const struct link *nic, const char *master)
{
	struct op op = plan_op(OP_LINK_SET, network);

	snprintf(op.link.name, sizeof(op.link.name), "%s", nic->name);
	snprintf(op.link.master, sizeof(op.link.master), "%s", master);
	op.link.set = LINK_SET_MASTER;
	return op;
}

static bool is_our_bridge(const struct link *link)
{
	return link && strcmp(link->kind, "bridge") == 0 && link_is_ours(link);
}

/* Taking. */

/* Another network had the NIC, in this very bridge or in one that it comes from. */
static const struct takeover *find_record_of_nic(const struct planner *p, const char *nic)
{
	vec_each(record, &p->d->takeovers)
		if (strcmp(record->uplink, nic) == 0)
			return record;
	return NULL;
}

/* What was known and what the NIC has now; nothing when the record says so already. */
static void record_takeover(struct planner *p, const struct planned_network *pn,
			    const struct link *nic, const struct takeover *held)
{
	const struct takeover *old = find_record(p, pn);
	const struct takeover *known = old ? old : find_record_of_nic(p, nic->name);
	struct takeover record = { .mac = nic->mac, .was_down = !(nic->flags & IFF_UP) };

	if (known) {
		record.mac = known->mac;
		record.was_down = known->was_down;
		copy_held(known, &record);
	}
	copy_held(held, &record);
	if (old && strcmp(old->bridge, pn->bridge) == 0 && record.addrs.n == old->addrs.n &&
	    record.routes.n == old->routes.n) {
		takeover_free(&record);
		return;
	}
	snprintf(record.network, sizeof(record.network), "%s", pn->net->name);
	snprintf(record.uplink, sizeof(record.uplink), "%s", nic->name);
	snprintf(record.bridge, sizeof(record.bridge), "%s", pn->bridge);
	vec_push(&p->plan->to_take_over, record);
}

/* As it shall be on the bridge: valid at once, for the host held it on this very wire. */
static void adapt_addrs(struct takeover *held)
{
	vec_each(addr, &held->addrs) {
		if (addr->prefix.addr.family == AF_INET6)
			addr->flags |= IFA_F_NODAD;
		addr->label[0] = '\0'; /* it names the NIC */
	}
}

static void note_takeover(struct planner *p, const struct planned_network *pn,
			  const struct link *nic, const struct takeover *held)
{
	char buf[ADDR_TEXT_MAX];

	if (pn->net->bridge.mtu > nic->mtu)
		plan_note(p,
			  "network %s: uplink %s has MTU %u; larger frames do not leave the bridge",
			  pn->net->name, nic->name, nic->mtu);
	vec_each(addr, &held->addrs)
		if (addr->prefix.addr.family == AF_INET && addr->valid != UINT32_MAX)
			plan_note(p, "network %s: address %s of %s expires; its DHCP client should "
				  "work on %s from now on", pn->net->name,
				  prefix_format(&addr->prefix, buf), nic->name, pn->bridge);
}

/* All that the device has goes to the bridge, but for what comes by itself. */
static void move_all(struct planner *p, const struct move *m, const struct takeover *all,
		     const struct takeover *held, const struct takeover *record)
{
	add_addrs(p, m, held);
	move_routes(p, m, held);
	vec_each(route, &all->routes)
		if (!find_route(held, route))
			plan_emit_route(p, OP_ROUTE_DEL, m->network, m->from, route);
	if (record && held->addrs.n) /* not the first attempt: addresses leave last */
		add_lost_routes(p, m, record);
	remove_addrs(p, m, all);
}

/* It was deleted or lowered by hand, and what it had went with that. */
static bool has_lost(const struct planner *p, const struct planned_network *pn,
		     const struct link *nic)
{
	const struct link *bridge = snapshot_link(p->snap, pn->bridge);

	return !nic->master || !bridge || !(bridge->flags & IFF_UP);
}

static void add_lost(struct planner *p, const struct planned_network *pn, const struct link *nic,
		     const struct takeover *record)
{
	const struct move m = { pn->net->name, NULL, pn->bridge };
	struct takeover lost = { 0 };

	copy_held(record, &lost);
	for (size_t i = lost.addrs.n; i-- > 0;)
		if (has_addr(p, nic->name, &lost.addrs.v[i]))
			vec_remove(&lost.addrs, i);
	adapt_addrs(&lost);
	add_addrs(p, &m, &lost);
	add_lost_routes(p, &m, &lost);
	takeover_free(&lost);
}

/* And up. */
static void enslave(struct planner *p, const struct planned_network *pn, const struct link *nic)
{
	struct op op = master_op(pn->net->name, nic, pn->bridge);

	if (nic->master == plan_link(p, pn->bridge)->ifindex)
		op.link.set &= ~(uint32_t)LINK_SET_MASTER;
	if (!(nic->flags & IFF_UP)) {
		op.link.set |= LINK_SET_UP;
		op.link.up = true;
	}
	if (op.link.set)
		plan_emit(p, &op);
	plan_members_of_trunk(p, pn, nic->name);
}

static void take_from(struct planner *p, const struct planned_network *pn, const struct link *nic,
		      const struct link *from)
{
	const struct move m = { pn->net->name, from->name, pn->bridge };
	const struct takeover *record = find_record(p, pn);
	const struct takeover *known = record ? record : find_record_of_nic(p, nic->name);
	struct takeover held = { 0 }, all = { 0 };

	if (from->ifindex != nic->ifindex && known)
		collect_back(p, from, nic, known, &all);
	else
		collect(p, from->ifindex, &all);
	copy_held(&all, &held);
	if (kernel_hears_routers(p, from->name))
		drop_advertised(p, &held);
	record_takeover(p, pn, nic, &held);
	note_takeover(p, pn, nic, &held);
	adapt_addrs(&held);
	/* From one bridge to the next the NIC follows: until then it tells where all is. */
	if (from->ifindex == nic->ifindex)
		enslave(p, pn, nic);
	move_all(p, &m, &all, &held, record);
	if (from->ifindex != nic->ifindex)
		enslave(p, pn, nic);
	takeover_free(&held);
	takeover_free(&all);
}

static void take_over(struct planner *p, const struct planned_network *pn)
{
	const struct link nic = *plan_link(p, pn->net->uplink);
	const struct link *master = nic.master ? snapshot_link_by_index(&p->now, nic.master) : NULL;
	const struct takeover *record = find_record(p, pn);

	if (record && has_lost(p, pn, &nic))
		add_lost(p, pn, &nic, record);
	if (master && strcmp(master->name, pn->bridge) != 0) {
		struct link old = *master;

		take_from(p, pn, &nic, &old);
	} else {
		take_from(p, pn, &nic, &nic);
	}
}

void plan_take_over(struct planner *p)
{
	vec_each(pn, &p->nets)
		if (pn->has_takeover)
			take_over(p, pn);
}

/* Giving back. */

static bool is_wanted(const struct planner *p, const struct takeover *record)
{
	const struct planned_network *pn = plan_network(p, record->network);

	return pn && network_takes_uplink(pn->net) &&
	       strcmp(pn->net->uplink, record->uplink) == 0;
}

/* What was away from the one side and had not got to the other. */
static void add_recorded(const struct planner *p, const struct link *nic, struct takeover *held,
			 const struct takeover *record, bool is_bare)
{
	vec_each(addr, &record->addrs)
		if (!find_addr(held, &addr->prefix) && !has_addr(p, nic->name, addr) &&
		    (is_bare || addr->valid == UINT32_MAX))
			vec_push(&held->addrs, *addr);
	vec_each(route, &record->routes)
		if (!find_route(held, route) && !route_now(p, route, NULL))
			vec_push(&held->routes, *route);
}

/* Somebody has given the NIC other addresses since. */
static bool has_others(const struct planner *p, int ifindex, const struct takeover *record)
{
	plan_each_addr(addr, p, ifindex)
		if (!is_link_local6(&addr->prefix.addr) && !find_addr(record, &addr->prefix))
			return true;
	return false;
}

/*
 * A NIC solicits routers when IPv6 starts on it, not when it leaves a bridge;
 * off and on again makes it ask at once, instead of waiting minutes for the
 * next advertisement.
 */
static void ask_routers(struct planner *p, const char *network, const char *nic)
{
	char path[96];

	if (!kernel_hears_routers(p, nic) || plan_conf(p, AF_INET6, nic, "disable_ipv6", 1) != 0)
		return;
	plan_conf_path(path, AF_INET6, nic, "disable_ipv6");
	plan_save(p, path, 0);
	plan_emit_sysctl(p, network, path, 1);
	plan_emit_sysctl(p, network, path, 0);
	plan_forget(p, path);
}

static void release(struct planner *p, const struct takeover *record, const struct link *nic,
		    const struct link *bridge)
{
	struct op op = master_op(record->network, nic, "");
	char name[16];

	snprintf(name, sizeof(name), "%s", bridge->name);
	plan_emit(p, &op);
	op_loses(&p->plan->ops.v[p->plan->ops.n - 1], plan_bridge_has_ports(p, name),
		 "the NIC leaves the bridge");
	ask_routers(p, record->network, nic->name);
}

/* As it was; but with addresses or routes it must be up. */
static void set_state(struct planner *p, const struct takeover *record, const struct link *nic,
		      const struct takeover *held)
{
	bool is_up = plan_link(p, nic->name)->flags & IFF_UP;
	bool must_be_up = held->addrs.n || held->routes.n;
	struct op op = plan_op(OP_LINK_SET, record->network);

	if (is_up ? must_be_up || !record->was_down : !must_be_up)
		return;
	snprintf(op.link.name, sizeof(op.link.name), "%s", nic->name);
	op.link.set = LINK_SET_UP;
	op.link.up = !is_up;
	plan_emit(p, &op);
}

static void give_back_from(struct planner *p, const struct takeover *record, const struct link *nic,
			   const struct link *bridge)
{
	const struct move m = { record->network, bridge ? bridge->name : NULL, nic->name };
	bool is_bare = !bridge && !has_others(p, nic->ifindex, record);
	struct takeover held = { 0 };

	if (bridge)
		collect_back(p, bridge, nic, record, &held);
	if (bridge || is_bare)
		add_recorded(p, nic, &held, record, is_bare);
	if (kernel_hears_routers(p, nic->name))
		drop_advertised(p, &held);
	if (bridge && nic->master == bridge->ifindex)
		release(p, record, nic, bridge);
	set_state(p, record, nic, &held);
	add_addrs(p, &m, &held);
	move_routes(p, &m, &held);
	if (bridge)
		remove_addrs(p, &m, &held);
	takeover_free(&held);
}

/* The plan was cut off when the NIC was in the bridge of its next network already. */
static bool is_at_home(const struct planner *p, const struct link *nic)
{
	vec_each(pn, &p->nets) {
		const struct link *bridge = plan_link(p, pn->bridge);

		if (pn->has_takeover && strcmp(pn->net->uplink, nic->name) == 0 && bridge &&
		    nic->master == bridge->ifindex)
			return true;
	}
	return false;
}

/* What is left in the one bridge and in the other, when a move between two was cut off. */
static void give_back(struct planner *p, const struct takeover *record)
{
	const struct link *found = plan_link(p, record->uplink), *link;
	struct link nic, in = { 0 }, named = { 0 };

	if (!found || is_at_home(p, found))
		return;
	nic = *found;
	link = nic.master ? snapshot_link_by_index(&p->now, nic.master) : NULL;
	if (nic.master && !is_our_bridge(link))
		return; /* somebody took it into a bridge of his own since */
	if (link)
		in = *link;
	link = plan_link(p, record->bridge);
	if (is_our_bridge(link) && link->ifindex != in.ifindex)
		named = *link;
	if (in.ifindex || !named.ifindex)
		give_back_from(p, record, &nic, in.ifindex ? &in : NULL);
	nic.master = 0;
	if (named.ifindex)
		give_back_from(p, record, &nic, &named);
}

void plan_give_back(struct planner *p)
{
	vec_each(record, &p->d->takeovers) {
		struct takeover_key key = { 0 };

		if (is_wanted(p, record))
			continue;
		give_back(p, record);
		memcpy(key.network, record->network, sizeof(key.network));
		memcpy(key.uplink, record->uplink, sizeof(key.uplink));
		vec_push(&p->plan->given_back, key);
	}
}
