/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot.c - order and lookups of what the kernel has; its text form is in snapshot_text.c */

#include "plan/snapshot.h"

#include "nft/ruleset.h"

#include <errno.h>

void snapshot_free(struct snapshot *snap)
{
	vec_free(&snap->links);
	vec_free(&snap->addrs);
	vec_free(&snap->routes);
	vec_free(&snap->sysctls);
	vec_free(&snap->vlans);
	vec_free(&snap->fdb);
	vec_free(&snap->shapers);
	vec_free(&snap->shaper_roots);
	vec_free(&snap->vfs);
	nft_ruleset_free(snap->nft);
	snap->nft = NULL;
}

static int compare_uint(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_int(int a, int b)
{
	return (a > b) - (a < b);
}

static int compare_links(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return compare_int(x->ifindex, y->ifindex);
}

int snapshot_cmp_addrs(const void *a, const void *b)
{
	const struct addr *x = a, *y = b;
	int order = compare_int(x->ifindex, y->ifindex);

	return order ? order : prefix_cmp(&x->prefix, &y->prefix);
}

int snapshot_cmp_routes(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	int order;

	if ((order = compare_uint(x->family, y->family)) ||
	    (order = compare_uint(x->table, y->table)) ||
	    (order = prefix_cmp(&x->dst, &y->dst)) ||
	    (order = compare_uint(x->metric, y->metric)) ||
	    (order = compare_int(x->oif, y->oif)))
		return order;
	return ip_cmp(&x->gateway, &y->gateway);
}

int snapshot_cmp_sysctls(const void *a, const void *b)
{
	const struct sysctl *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int snapshot_cmp_vlans(const void *a, const void *b)
{
	const struct vlan_member *x = a, *y = b;
	int order = compare_int(x->ifindex, y->ifindex);

	return order ? order : compare_uint(x->first, y->first);
}

int snapshot_cmp_fdb(const void *a, const void *b)
{
	const struct vxlan_fdb *x = a, *y = b;
	int order;

	if ((order = compare_int(x->ifindex, y->ifindex)) || (order = mac_cmp(&x->mac, &y->mac)))
		return order;
	return ip_cmp(&x->dst, &y->dst);
}

int snapshot_cmp_shapers(const void *a, const void *b)
{
	return compare_int(((const struct shaper *)a)->ifindex, ((const struct shaper *)b)->ifindex);
}

int snapshot_cmp_shaper_roots(const void *a, const void *b)
{
	return compare_int(((const struct shaper_root *)a)->ifindex,
			   ((const struct shaper_root *)b)->ifindex);
}

int snapshot_cmp_vfs(const void *a, const void *b)
{
	const struct vf *x = a, *y = b;
	int order = compare_int(x->ifindex, y->ifindex);

	return order ? order : compare_uint(x->index, y->index);
}

void snapshot_sort(struct snapshot *snap)
{
	vec_sort(&snap->links, compare_links);
	vec_sort(&snap->addrs, snapshot_cmp_addrs);
	vec_sort(&snap->routes, snapshot_cmp_routes);
	vec_sort(&snap->sysctls, snapshot_cmp_sysctls);
	vec_sort(&snap->vlans, snapshot_cmp_vlans);
	vec_sort(&snap->fdb, snapshot_cmp_fdb);
	vec_sort(&snap->shapers, snapshot_cmp_shapers);
	vec_sort(&snap->shaper_roots, snapshot_cmp_shaper_roots);
	vec_sort(&snap->vfs, snapshot_cmp_vfs);
}

#define vec_copy(to, from) \
	do { \
		vec_reserve(to, (from)->n); \
		if ((from)->n) \
			memcpy((to)->v, (from)->v, (from)->n * sizeof(*(from)->v)); \
		(to)->n = (from)->n; \
	} while (0)

void snapshot_copy(const struct snapshot *from, struct snapshot *to)
{
	*to = (struct snapshot){ .next_ifindex = from->next_ifindex };
	vec_copy(&to->links, &from->links);
	vec_copy(&to->addrs, &from->addrs);
	vec_copy(&to->routes, &from->routes);
	vec_copy(&to->sysctls, &from->sysctls);
	vec_copy(&to->vlans, &from->vlans);
	vec_copy(&to->fdb, &from->fdb);
	vec_copy(&to->shapers, &from->shapers);
	vec_copy(&to->shaper_roots, &from->shaper_roots);
	vec_copy(&to->vfs, &from->vfs);
	to->nft = from->nft ? nft_ruleset_copy(from->nft) : NULL;
}

const struct link *snapshot_link(const struct snapshot *snap, const char *name)
{
	vec_each(link, &snap->links)
		if (strcmp(link->name, name) == 0)
			return link;
	return NULL;
}

const struct link *snapshot_link_by_index(const struct snapshot *snap, int ifindex)
{
	const struct link key = { .ifindex = ifindex };

	if (!snap->links.n)
		return NULL;
	return bsearch(&key, snap->links.v, snap->links.n, sizeof(key), compare_links);
}

int snapshot_sysctl(const struct snapshot *snap, const char *path, int64_t *ret)
{
	size_t low = 0, high = snap->sysctls.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(path, snap->sysctls.v[middle].path);

		if (!order) {
			*ret = snap->sysctls.v[middle].value;
			return 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

bool link_is_ours(const struct link *link)
{
	return strncmp(link->alias, LINK_ALIAS_PREFIX, strlen(LINK_ALIAS_PREFIX)) == 0;
}
