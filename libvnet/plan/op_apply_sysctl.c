/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op_apply_sysctl.c - switches: with devices they come and go, some write others */

#include "plan/op_apply.h"

#include <linux/rtnetlink.h>
#include <stdio.h>

DEFINE_INSERT(insert_sysctl, sysctl, sysctls, snapshot_cmp_sysctls);

/* The paths that begin with prefix stand together. */
static size_t first_below(const struct snapshot *snap, const char *prefix)
{
	size_t low = 0, high = snap->sysctls.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(snap->sysctls.v[middle].path, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

typedef VEC(struct sysctl) conf_vec;

/* What "default" has, in the name of ifname. */
static void defaults_for(const struct snapshot *snap, int family, const char *ifname,
			 conf_vec *ret)
{
	char root[40];
	size_t length =
		(size_t)snprintf(root, sizeof(root), "net/ipv%c/conf/default/", family);

	for (size_t i = first_below(snap, root); i < snap->sysctls.n; i++) {
		const struct sysctl *sysctl = &snap->sysctls.v[i];
		struct sysctl own = { .value = sysctl->value };

		if (strncmp(sysctl->path, root, length) != 0)
			break;
		snprintf(own.path, sizeof(own.path), "net/ipv%c/conf/%.15s/%.60s", family, ifname,
			 sysctl->path + length);
		vec_push(ret, own);
	}
}

static struct sysctl *find_sysctl(struct snapshot *snap, const struct sysctl *key)
{
	if (!snap->sysctls.n)
		return NULL;
	return bsearch(key, snap->sysctls.v, snap->sysctls.n, sizeof(*key), snapshot_cmp_sysctls);
}

void apply_new_conf(struct applier *a, const char *ifname)
{
	conf_vec own = { 0 };

	defaults_for(a->snap, '4', ifname, &own);
	defaults_for(a->snap, '6', ifname, &own);
	vec_each(sysctl, &own) {
		struct sysctl *there = find_sysctl(a->snap, sysctl);

		if (there)
			there->value = sysctl->value;
		else if (!a->names)
			insert_sysctl(a->snap, sysctl);
	}
	vec_free(&own);
}

void apply_expect_conf(struct snapshot *snap, const char *const *names, size_t n)
{
	conf_vec own = { 0 };

	for (size_t i = 0; i < n; i++) {
		defaults_for(snap, '4', names[i], &own);
		defaults_for(snap, '6', names[i], &own);
	}
	for (size_t i = own.n; i-- > 0;)
		if (find_sysctl(snap, &own.v[i]))
			own.v[i] = own.v[--own.n];
	vec_each(sysctl, &own)
		vec_push(&snap->sysctls, *sysctl);
	vec_sort(&snap->sysctls, snapshot_cmp_sysctls);
	vec_free(&own);
}

static int compare_names(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

/* The NAME of net/ipv?/conf/NAME/LEAF or net/ipv?/neigh/NAME/LEAF. */
static bool device_of(const char *path, char ret[16])
{
	static const char *const roots[] = { "net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/",
					     "net/ipv6/neigh/" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		size_t root = strlen(roots[i]), n;

		if (strncmp(path, roots[i], root) != 0)
			continue;
		n = strcspn(path + root, "/");
		if (!path[root + n] || n > 15)
			return false;
		memcpy(ret, path + root, n);
		ret[n] = '\0';
		return true;
	}
	return false;
}

void apply_drop_conf(struct applier *a, const char *const *names, size_t n)
{
	struct snapshot *snap = a->snap;
	size_t kept = 0;

	if (a->names)
		return;
	for (size_t i = 0; i < snap->sysctls.n; i++) {
		bool is_found = false;
		char name[16];

		if (device_of(snap->sysctls.v[i].path, name))
			mem_search(names, n, sizeof(*names), name, compare_names, &is_found);
		if (!is_found)
			snap->sysctls.v[kept++] = snap->sysctls.v[i];
	}
	snap->sysctls.n = kept;
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

int apply_sysctl(const struct op_sysctl *op, struct applier *a)
{
	struct snapshot *snap = a->snap;
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
