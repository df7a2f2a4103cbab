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
	nft_ruleset_free(snap->nft);
	snap->nft = NULL;
}

static int compare_uint(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_links(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

int snapshot_cmp_addrs(const void *a, const void *b)
{
	const struct addr *x = a, *y = b;
	int order = (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);

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
	    (order = compare_uint((unsigned)x->oif, (unsigned)y->oif)))
		return order;
	return ip_cmp(&x->gateway, &y->gateway);
}

int snapshot_cmp_sysctls(const void *a, const void *b)
{
	const struct sysctl *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void snapshot_sort(struct snapshot *snap)
{
	vec_sort(&snap->links, compare_links);
	vec_sort(&snap->addrs, snapshot_cmp_addrs);
	vec_sort(&snap->routes, snapshot_cmp_routes);
	vec_sort(&snap->sysctls, snapshot_cmp_sysctls);
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
