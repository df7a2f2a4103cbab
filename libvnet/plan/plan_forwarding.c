/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_forwarding.c - packets may pass the host, and its own routes survive it
 *
 * IPv4.  The switch of the interface that a packet came in by decides (tried on
 * 6.18: guest to outside needs conf/BRIDGE/forwarding, the replies need
 * conf/UPLINK/forwarding, ip_forward may stay 0).  So both are set, and the
 * host does not become a router for anybody else's interfaces.
 *
 * IPv6.  conf/IF/forwarding forwards nothing while conf/all/forwarding is 0; it
 * says whether the host acts as a router there.  Since 6.17 conf/IF/
 * force_forwarding does what IPv4's switch does, again on the interface of
 * entry.  The bridge needs `forwarding` beside it: without, the host's
 * neighbour advertisements lack the router flag, and a guest that probes its
 * gateway drops its default route (RFC 4861 7.2.5; seen with a Linux guest on
 * 6.18).  Older kernels have only the switch for all.
 *
 * Switching `forwarding` on, on all or on any one interface, makes the kernel
 * drop every default route that it learnt from a router advertisement, except
 * through interfaces with accept_ra=2 (rt6_purge_dflt_routers(); seen on 6.18:
 * writing it for one bridge took the uplink's route, and setting accept_ra back
 * to 1 afterwards did no harm).  Hence:
 *
 *   with force_forwarding: interfaces that hold such a route are shielded by
 *   accept_ra=2 for the moment of the write;
 *
 *   without: every foreign interface that hears routers gets accept_ra=2 first
 *   and for as long as the switch for all is on, since with forwarding=1 it
 *   would hear them no longer.
 *
 * What belongs to others is recorded before it is changed, and put back in
 * reverse order when no network needs it any more.
 */

#include "plan/planner.h"

#include "base/strbuf.h"

#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#define IP_FORWARD "net/ipv4/ip_forward"
#define IP6_FORWARD_ALL "net/ipv6/conf/all/forwarding"

typedef VEC(struct sysctl) kept_vec;

struct forwarding {
	struct planner *p;
	kept_vec kept; /* paths of others that must stay as we set them */
};

static bool needs_forwarding(const struct planned_network *pn, int family)
{
	return pn->is_usable &&
	       (pn->net->mode == NETWORK_NAT || pn->net->mode == NETWORK_ROUTED ||
		pn->net->mode == NETWORK_OPEN) &&
	       network_has_family(pn->net, family);
}

static bool is_needed(const struct planner *p, int family)
{
	vec_each(pn, &p->nets)
		if (needs_forwarding(pn, family))
			return true;
	return false;
}

static bool is_saved(const struct planner *p, const char *path)
{
	return plan_has_path(p->d->saved.v, p->d->saved.n, path);
}

static void keep(struct forwarding *f, const char *path)
{
	snprintf(vec_add(&f->kept)->path, sizeof(f->kept.v->path), "%s", path);
}

static bool is_kept(const struct forwarding *f, const char *path)
{
	vec_each(kept, &f->kept)
		if (strcmp(kept->path, path) == 0)
			return true;
	return false;
}

/* A switch of somebody else's: recorded, changed, kept.  True when it was changed. */
static bool want_foreign(struct forwarding *f, const char *path, int64_t value)
{
	int64_t is;

	if (snapshot_sysctl(&f->p->now, path, &is) < 0)
		return false;
	keep(f, path);
	if (is == value)
		return false;
	plan_save(f->p, path, is);
	plan_emit_sysctl(f->p, NULL, path, value);
	return true;
}

/* Which devices. */

static bool is_marked(const struct link *link)
{
	return link_is_ours(link);
}

/* Somebody else's interface that IP may use: no port of a bridge, not the loopback. */
static bool is_foreign(const struct planner *p, const struct link *link)
{
	const struct link *master =
	    link->master ? snapshot_link_by_index(&p->now, link->master) : NULL;

	return !is_marked(link) && !(link->flags & IFF_LOOPBACK) &&
	       !(master && strcmp(master->kind, "bridge") == 0);
}

static bool leads_out(const struct planner *p, const struct link *link, int family)
{
	vec_each(route, &p->now.routes)
		if (route->oif == link->ifindex && route->family == family &&
		    route->table == RT_TABLE_MAIN && route->type == RTN_UNICAST &&
		    route->protocol != ROUTE_PROTOCOL_VNET &&
		    !(family == AF_INET6 && ip_is_link_local(&route->dst.addr)) &&
		    !ip_is_multicast(&route->dst.addr))
			return true;
	return false;
}

/* Where guests may leave: any way out, unless each of their networks names its own. */
static bool is_named_exit(const struct planner *p, const char *ifname, int family)
{
	vec_each(pn, &p->nets) {
		if (!needs_forwarding(pn, family))
			continue;
		if (pn->net->mode != NETWORK_NAT || !pn->net->nat.uplink ||
		    strcmp(pn->net->nat.uplink, ifname) == 0)
			return true;
	}
	return false;
}

/* A bridge that took a NIC's place is a way out like the NIC; our other devices are none. */
static bool stands_for_nic(const struct planner *p, const struct link *link)
{
	const struct planned_network *pn = plan_network_of_bridge(p, link->name);

	return pn && network_takes_uplink(pn->net);
}

static bool is_exit(const struct planner *p, const struct link *link, int family)
{
	return (stands_for_nic(p, link) || is_foreign(p, link)) && leads_out(p, link, family) &&
	       is_named_exit(p, link->name, family);
}

/* A way out of ours has its switch like any bridge of ours; others' are recorded. */
static bool open_exit(struct forwarding *f, const struct link *link, int family, const char *leaf)
{
	char path[96];

	plan_conf_path(path, family, link->name, leaf);
	if (!is_marked(link))
		return want_foreign(f, path, 1);
	plan_want_conf(f->p, link->alias + strlen(LINK_ALIAS_PREFIX "bridge:"), family, link->name,
		       leaf, 1);
	return false;
}

static void open_exits(struct forwarding *f, int family, const char *leaf)
{
	AUTO_STRBUF struct strbuf names = { 0 };

	for (size_t i = 0; i < f->p->now.links.n; i++) {
		struct link link = f->p->now.links.v[i];

		if (is_exit(f->p, &link, family) && open_exit(f, &link, family, leaf))
			strbuf_printf(&names, "%s%s", names.len ? ", " : "", link.name);
	}
	if (names.len)
		plan_note(f->p,
			  "IPv%c forwarding is switched on for packets that come in by %s; it is "
			  "put back when no network needs it",
			  family == AF_INET ? '4' : '6', names.s);
}

static void open_bridges(struct forwarding *f, int family, const char *leaf)
{
	vec_each(pn, &f->p->nets)
		if (needs_forwarding(pn, family))
			plan_want_conf(f->p, pn->net->name, family, pn->bridge, leaf, 1);
}

/* A network that is not to leave its bridge has the kernel's word for it besides the rules. */
static void close_bridges(struct forwarding *f)
{
	vec_each(pn, &f->p->nets) {
		const char *name = pn->net->name;

		if (!pn->is_ours || !pn->is_usable || network_takes_uplink(pn->net))
			continue;
		if (!needs_forwarding(pn, AF_INET))
			plan_want_conf(f->p, name, AF_INET, pn->bridge, "forwarding", 0);
		if (needs_forwarding(pn, AF_INET6))
			continue;
		plan_want_conf(f->p, name, AF_INET6, pn->bridge, "force_forwarding", 0);
		plan_want_conf(f->p, name, AF_INET6, pn->bridge, "forwarding", 0);
	}
}

/* IPv4. */

static void forward_ipv4(struct forwarding *f)
{
	int64_t is_router = 0;

	if (!is_needed(f->p, AF_INET))
		return;
	open_bridges(f, AF_INET, "forwarding");
	/* A host that routes already: what its interfaces do is its operator's choice. */
	if (snapshot_sysctl(&f->p->now, IP_FORWARD, &is_router) == 0 && is_router)
		return;
	open_exits(f, AF_INET, "forwarding");
}

/* IPv6. */

static bool has_advertised_route(const struct planner *p, int ifindex)
{
	vec_each(route, &p->now.routes)
		if (route->oif == ifindex && route->family == AF_INET6 &&
		    route->protocol == RTPROT_RA)
			return true;
	return false;
}

static bool bridges_lack_forwarding(const struct planner *p)
{
	vec_each(pn, &p->nets)
		if (needs_forwarding(pn, AF_INET6) &&
		    plan_conf(p, AF_INET6, pn->bridge, "forwarding",
			      1) != 1)
			return true;
	return false;
}

/* accept_ra=2 on, or back to what it was. */
static void shield(struct forwarding *f, bool is_on)
{
	for (size_t i = 0; i < f->p->now.links.n; i++) {
		struct link link = f->p->now.links.v[i];
		char path[96];

		plan_conf_path(path, AF_INET6, link.name, "accept_ra");
		if (!has_advertised_route(f->p, link.ifindex) || is_kept(f, path) ||
		    plan_conf(f->p, AF_INET6, link.name, "accept_ra", 0) != (is_on ? 1 : 2))
			continue;
		if (!is_on && !plan_has_path(f->p->plan->to_save.v, f->p->plan->to_save.n, path))
			continue;
		plan_save(f->p, path, 1);
		plan_emit_sysctl(f->p, NULL, path, is_on ? 2 : 1);
		if (!is_on)
			plan_forget(f->p, path);
	}
}

/* The bridges act as routers towards their guests. */
static void route_on_bridges(struct forwarding *f)
{
	if (!bridges_lack_forwarding(f->p))
		return;
	shield(f, true);
	open_bridges(f, AF_INET6, "forwarding");
	shield(f, false);
}

static void forward_ipv6_per_interface(struct forwarding *f)
{
	open_bridges(f, AF_INET6, "force_forwarding");
	route_on_bridges(f);
	open_exits(f, AF_INET6, "force_forwarding");
}

/* Interfaces that come later inherit from "default", and should hear routers too. */
static void keep_hearing_routers(struct forwarding *f)
{
	char path[96];

	for (size_t i = 0; i < f->p->now.links.n; i++) {
		struct link link = f->p->now.links.v[i];
		int64_t accept_ra = plan_conf(f->p, AF_INET6, link.name, "accept_ra", 0);

		plan_conf_path(path, AF_INET6, link.name, "accept_ra");
		if (stands_for_nic(f->p, &link) && accept_ra == 1)
			plan_emit_sysctl(f->p, NULL, path, 2);
		else if (is_foreign(f->p, &link) && (accept_ra == 1 || is_saved(f->p, path)))
			want_foreign(f, path, 2);
	}
	plan_conf_path(path, AF_INET6, "default", "accept_ra");
	if (plan_conf(f->p, AF_INET6, "default", "accept_ra", 0) == 1 || is_saved(f->p, path))
		want_foreign(f, path, 2);
}

/* The switch for all overwrites each interface's own; those that were on must come back. */
static void save_own_switches(struct forwarding *f)
{
	for (size_t i = 0; i < f->p->now.links.n; i++) {
		const struct link *link = &f->p->now.links.v[i];
		char path[96];

		plan_conf_path(path, AF_INET6, link->name, "forwarding");
		if (!is_marked(link) && plan_conf(f->p, AF_INET6, link->name, "forwarding", 0) == 1)
			plan_save(f->p, path, 1);
	}
}

static void keep_own_switches(struct forwarding *f)
{
	vec_each(saved, &f->p->d->saved)
		if (strncmp(saved->sysctl.path, "net/ipv6/conf/", 14) == 0 &&
		    strstr(saved->sysctl.path, "/forwarding"))
			keep(f, saved->sysctl.path);
}

static void forward_ipv6_globally(struct forwarding *f, bool is_router)
{
	keep_hearing_routers(f);
	if (!is_router) {
		save_own_switches(f);
		plan_note(
		    f->p,
		    "IPv6 forwarding is switched on for the whole host, because this kernel "
		    "has no switch per interface (Linux 6.17 has); interfaces that hear router "
		    "advertisements keep doing so; it is put back when no network needs it");
	}
	want_foreign(f, IP6_FORWARD_ALL, 1);
	keep_own_switches(f);
	route_on_bridges(f);
}

static void forward_ipv6(struct forwarding *f)
{
	int64_t is_router, unused;

	if (!is_needed(f->p, AF_INET6) ||
	    snapshot_sysctl(&f->p->now, IP6_FORWARD_ALL, &is_router) < 0)
		return;
	if (is_router && !is_saved(f->p, IP6_FORWARD_ALL)) {
		route_on_bridges(f); /* by its operator's choice; no more than that */
		return;
	}
	if (snapshot_sysctl(&f->p->now, "net/ipv6/conf/all/force_forwarding", &unused) == 0)
		forward_ipv6_per_interface(f);
	else
		forward_ipv6_globally(f, is_router);
}

/* Putting back. */

static void restore(struct forwarding *f)
{
	const struct planner *p = f->p;

	for (size_t i = p->d->saved.n; i-- > 0;) {
		const struct sysctl *was = &p->d->saved.v[i].sysctl;
		int64_t is;

		if (is_kept(f, was->path))
			continue;
		if (snapshot_sysctl(&p->now, was->path, &is) == 0 && is != was->value)
			plan_emit_sysctl(f->p, NULL, was->path, was->value);
		plan_forget(f->p, was->path);
	}
}

void plan_forwarding(struct planner *p)
{
	struct forwarding f = { .p = p };

	forward_ipv4(&f);
	forward_ipv6(&f);
	close_bridges(&f);
	restore(&f);
	vec_free(&f.kept);
}
