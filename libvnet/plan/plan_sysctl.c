/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan_sysctl.c - which switches the planner wants to see in a snapshot */

#include "plan/planner.h"

#include <net/if.h>
#include <stdio.h>

static const char *const host_paths[] = {
	"net/ipv4/ip_forward",
	"net/ipv6/conf/all/forwarding",
	"net/ipv6/conf/all/force_forwarding", /* whether the kernel has it: 6.17 */
};

/* Of our bridges; "default" tells what a new one starts with. */
static const char *const bridge_leaves4[] = { "forwarding", "route_localnet" };
static const char *const bridge_leaves6[] = { "forwarding",   "force_forwarding", "accept_ra",
					      "autoconf",     "accept_dad",       "disable_ipv6" };

/* Of interfaces by which guests may leave, or whose place a bridge takes. */
static const char *const foreign_leaves4[] = { "forwarding" };
static const char *const foreign_leaves6[] = { "forwarding", "force_forwarding", "accept_ra",
					       "autoconf", "disable_ipv6" };

static void add_path(sysctl_vec *ret, const char *path)
{
	snprintf(vec_add(ret)->path, sizeof(ret->v->path), "%s", path);
}

static void add_leaves(sysctl_vec *ret, int family, const char *ifname, const char *const *leaves,
		       size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[96];

		plan_conf_path(path, family, ifname, leaves[i]);
		add_path(ret, path);
	}
}

static void add_bridge(sysctl_vec *ret, const char *ifname)
{
	add_leaves(ret, AF_INET, ifname, bridge_leaves4, ARRAY_SIZE(bridge_leaves4));
	add_leaves(ret, AF_INET6, ifname, bridge_leaves6, ARRAY_SIZE(bridge_leaves6));
}

/* Ports of bridges are no interfaces of the host, but for a NIC that has just become one. */
static bool is_of_interest(const struct snapshot *snap, const struct link *link)
{
	const struct link *master =
	    link->master ? snapshot_link_by_index(snap, link->master) : NULL;
	bool is_port = master && strcmp(master->kind, "bridge") == 0;

	return !link_is_ours(link) && !(link->flags & IFF_LOOPBACK) &&
	       (!is_port || link_is_ours(master));
}

static void sort_unique(sysctl_vec *v)
{
	size_t n = 0;

	vec_sort(v, snapshot_cmp_sysctls);
	for (size_t i = 0; i < v->n; i++)
		if (!n || strcmp(v->v[n - 1].path, v->v[i].path) != 0)
			v->v[n++] = v->v[i];
	v->n = n;
}

void plan_wanted_sysctls(const struct desired *d, const struct snapshot *snap, sysctl_vec *ret)
{
	vec_each(saved, &d->saved)
		add_path(ret, saved->sysctl.path);
	if (d->networks.n || d->takeovers.n) {
		for (size_t i = 0; i < ARRAY_SIZE(host_paths); i++)
			add_path(ret, host_paths[i]);
		add_bridge(ret, "default");
	}
	vec_each(net, &d->networks) {
		char bridge[16];

		network_bridge(*net, bridge);
		if (plan_network_has_interface(*net) && snapshot_link(snap, bridge))
			add_bridge(ret, bridge);
	}
	vec_each(link, &snap->links) {
		if (!(d->networks.n || d->takeovers.n) || !is_of_interest(snap, link))
			continue;
		add_leaves(ret, AF_INET, link->name, foreign_leaves4, ARRAY_SIZE(foreign_leaves4));
		add_leaves(ret, AF_INET6, link->name, foreign_leaves6, ARRAY_SIZE(foreign_leaves6));
	}
	sort_unique(ret);
}
