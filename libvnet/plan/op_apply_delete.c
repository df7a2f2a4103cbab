/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op_apply_delete.c - devices deleted: one or a group, with what stands on them and hangs on them */

#include "plan/op_apply.h"

#include <errno.h>

/* One pass over each array, however many devices go. */
struct doomed {
	bool *is_gone; /* beside snap->links */
	size_t n;
};

static bool is_gone(const struct snapshot *snap, const struct doomed *d, int ifindex)
{
	const struct link *link = snapshot_link_by_index(snap, ifindex);

	return link && d->is_gone[link - snap->links.v];
}

static bool stands_on_another(const struct link *link)
{
	static const char *const kinds[] = { "vlan", "macvlan", "macvtap", "vxlan" };

	for (size_t i = 0; link->parent && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	return false;
}

static void doom_those_above(const struct snapshot *snap, struct doomed *d)
{
	bool grows = true;

	while (grows) {
		grows = false;
		for (size_t i = 0; i < snap->links.n; i++) {
			const struct link *link = &snap->links.v[i];

			if (d->is_gone[i] || !stands_on_another(link) ||
			    !is_gone(snap, d, link->parent))
				continue;
			d->is_gone[i] = grows = true;
			d->n++;
		}
	}
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void drop_switches(struct applier *a, const struct doomed *d)
{
	VEC(const char *) names = { 0 };

	for (size_t i = 0; i < a->snap->links.n; i++)
		if (d->is_gone[i])
			vec_push(&names, a->snap->links.v[i].name);
	vec_sort(&names, compare_text);
	apply_drop_conf(a, names.v, names.n);
	vec_free(&names);
}

#define drop_gone(snap, d, member, index) \
	do { \
		size_t kept_ = 0; \
		for (size_t i_ = 0; i_ < (snap)->member.n; i_++) \
			if (!is_gone(snap, d, (snap)->member.v[i_].index)) \
				(snap)->member.v[kept_++] = (snap)->member.v[i_]; \
		(snap)->member.n = kept_; \
	} while (0)

/* A port that is shaped by an IFB that goes stays so, and its frames are lost until it is told. */
static void drop_objects(struct applier *a, const struct doomed *d)
{
	struct snapshot *snap = a->snap;

	drop_switches(a, d);
	drop_gone(snap, d, addrs, ifindex);
	drop_gone(snap, d, routes, oif);
	drop_gone(snap, d, fdb, ifindex);
	drop_gone(snap, d, shapers, ifindex);
	drop_gone(snap, d, shaper_roots, ifindex);
	drop_gone(snap, d, vfs, ifindex);
	vec_each(link, &snap->links)
		if (link->master && is_gone(snap, d, link->master)) {
			link->master = 0;
			link->port = (struct bridge_port_state){ 0 };
			apply_vlans_left(snap, link->ifindex);
		}
	drop_gone(snap, d, vlans, ifindex);
}

static void delete_doomed(struct applier *a, struct doomed *d)
{
	struct snapshot *snap = a->snap;
	size_t kept = 0;

	doom_those_above(snap, d);
	drop_objects(a, d);
	for (size_t i = 0; i < snap->links.n; i++) {
		if (d->is_gone[i] && a->names)
			link_names_remove(a->names, snap, snap->links.v[i].name);
		if (d->is_gone[i])
			apply_skip_index(snap, snap->links.v[i].ifindex);
	}
	for (size_t i = 0; i < snap->links.n; i++)
		if (!d->is_gone[i])
			snap->links.v[kept++] = snap->links.v[i];
	snap->links.n = kept;
}

static int refuse_foreign(const struct applier *a, const struct link *link)
{
	return vnet_error_set(a->err, -EPERM, "foreign-device",
			      "%s does not carry our mark; it is left alone", link->name);
}

int apply_link_delete(const struct op_link *op, struct applier *a)
{
	const struct link *link = apply_find_link(a, op->name);
	struct doomed d = { .n = 1 };

	if (!link)
		return 0;
	if (!link_is_ours(link) && !op->force)
		return refuse_foreign(a, link);
	d.is_gone = mem_alloc(a->snap->links.n * sizeof(*d.is_gone));
	d.is_gone[link - a->snap->links.v] = true;
	delete_doomed(a, &d);
	free(d.is_gone);
	return 0;
}

int apply_group_delete(const struct op_link *op, struct applier *a)
{
	struct doomed d = { 0 };

	vec_each(link, &a->snap->links)
		if (link->group == op->group && !link_is_ours(link) && !op->force)
			return refuse_foreign(a, link);
	d.is_gone = mem_alloc((a->snap->links.n + 1) * sizeof(*d.is_gone));
	for (size_t i = 0; i < a->snap->links.n; i++)
		if (a->snap->links.v[i].group == op->group) {
			d.is_gone[i] = true;
			d.n++;
		}
	if (d.n)
		delete_doomed(a, &d);
	free(d.is_gone);
	return 0;
}
