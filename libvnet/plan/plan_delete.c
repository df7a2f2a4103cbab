/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_delete.c - devices of ours that nobody wants any more
 *
 * Deleting a device waits for the kernel's grace periods, about 16 ms each; of a
 * whole group they are waited for once.  So many devices are gathered in a group
 * of their own and deleted together.  The group is deleted whole: what is in it
 * and shall stay (a plan was cut off and the wish changed) is taken out first.
 */

#include "plan/planner.h"

#include <stdio.h>

#define GROUP_MIN 4 /* devices; fewer are deleted one by one */
#define DELETE_LOSES "guests reach others by the device"

struct victim {
	int ifindex;
	bool is_missed; /* guests of a network that goes on notice */
};
typedef VEC(struct victim) victim_vec;

static bool has_prefix(const struct link *link, const char *what)
{
	size_t n = strlen(LINK_ALIAS_PREFIX);

	return strncmp(link->alias, LINK_ALIAS_PREFIX, n) == 0 &&
	       strncmp(link->alias + n, what, strlen(what)) == 0;
}

/* "vnet:link:blue:mesh:*" is blue's; an outer tag is of many, an orphan of nobody. */
static void network_of(const struct link *link, char ret[16])
{
	const char *name = strchr(link->alias + strlen(LINK_ALIAS_PREFIX), ':');

	ret[0] = '\0';
	if (name && !has_prefix(link, "service:") && !has_prefix(link, "port:"))
		snprintf(ret, 16, "%.*s", (int)strcspn(name + 1, ":"), name + 1);
}

static bool is_unwanted_device(const struct planner *p, const struct link *link)
{
	static const char *const kinds[] = { "vlan:", "service:", "companion:", "ifb:", "link:" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (has_prefix(link, kinds[i]))
			return !plan_device_is_wanted(p, link);
	return false;
}

/* The bridge of a network that runs, under the name that it should have, is wanted. */
static bool is_unwanted_bridge(const struct planner *p, const struct link *link)
{
	const struct planned_network *pn;

	if (strcmp(link->kind, "bridge") != 0 || !has_prefix(link, "bridge:"))
		return false;
	pn = plan_network_of_bridge(p, link->name);
	return !(pn && pn->is_ours);
}

/* A bit for each place in now.links. */
struct marks {
	bool *is_victim;
	bool *is_busy;   /* carries a port that stays */
	bool *has_guest; /* one of those is a guest's */
};

static size_t place_of(const struct planner *p, const struct link *link)
{
	return (size_t)(link - p->now.links.v);
}

static void look_at_bridges(const struct planner *p, struct marks *m)
{
	vec_each(link, &p->now.links) {
		const struct link *master =
			link->master ? snapshot_link_by_index(&p->now, link->master) : NULL;

		if (!master || m->is_victim[place_of(p, link)])
			continue;
		m->is_busy[place_of(p, master)] = true;
		if (has_prefix(link, "port:"))
			m->has_guest[place_of(p, master)] = true;
	}
}

/* A VLAN or a tunnel that is made anew, or a VLAN that goes; a peer that goes was to be missed. */
static bool is_missed(const struct planner *p, const struct marks *m, const struct link *link)
{
	const struct link *master =
		link->master ? snapshot_link_by_index(&p->now, link->master) : NULL;

	return master && m->has_guest[place_of(p, master)] &&
	       (has_prefix(link, "vlan:") || plan_has_device(p, link->name));
}

/* Devices before the bridges that they are on. */
static void collect(struct planner *p, bool bridges_only, struct marks *m, victim_vec *ret)
{
	vec_each(link, &p->now.links)
		if (!bridges_only && (is_unwanted_device(p, link) || plan_is_orphan(p, link)))
			m->is_victim[place_of(p, link)] = true;
	look_at_bridges(p, m);
	vec_each(link, &p->now.links)
		if (m->is_victim[place_of(p, link)])
			vec_push(ret, (struct victim){ link->ifindex, is_missed(p, m, link) });
	vec_each(link, &p->now.links)
		if (is_unwanted_bridge(p, link) && !m->is_busy[place_of(p, link)])
			vec_push(ret, (struct victim){ link->ifindex, false });
}

static void find_victims(struct planner *p, bool bridges_only, victim_vec *ret)
{
	size_t n = p->now.links.n + 1;
	struct marks m = { mem_alloc(n), mem_alloc(n), mem_alloc(n) };

	collect(p, bridges_only, &m, ret);
	free(m.is_victim);
	free(m.is_busy);
	free(m.has_guest);
}

static bool is_victim(const victim_vec *victims, int ifindex)
{
	vec_each(victim, victims)
		if (victim->ifindex == ifindex)
			return true;
	return false;
}

static void emit_group(struct planner *p, const struct link *link, uint32_t group)
{
	struct op op = plan_op(OP_LINK_SET, NULL);

	network_of(link, op.network);
	snprintf(op.link.name, sizeof(op.link.name), "%s", link->name);
	op.link.set = LINK_SET_GROUP;
	op.link.group = group;
	plan_emit(p, &op);
}

/* False when somebody else's device is in the group, so that it cannot be used. */
static bool clear_group(struct planner *p, const victim_vec *victims)
{
	bool is_ours = true;

	for (size_t i = 0; i < p->now.links.n; i++) {
		const struct link *link = &p->now.links.v[i];

		if (link->group != LINK_GROUP_DELETE)
			continue;
		if (!link_is_ours(link))
			is_ours = false;
		else if (!is_victim(victims, link->ifindex))
			emit_group(p, link, 0);
	}
	return is_ours;
}

static void delete_group(struct planner *p, const victim_vec *victims)
{
	struct op op = plan_op(OP_GROUP_DELETE, NULL);

	vec_each(victim, victims) {
		const struct link *link = snapshot_link_by_index(&p->now, victim->ifindex);

		if (link->group != LINK_GROUP_DELETE)
			emit_group(p, link, LINK_GROUP_DELETE);
		op_loses(&op, op.loses_traffic || victim->is_missed, DELETE_LOSES);
	}
	op.link.group = LINK_GROUP_DELETE;
	plan_emit(p, &op);
}

static void delete_each(struct planner *p, const victim_vec *victims)
{
	vec_each(victim, victims) {
		const struct link *link = snapshot_link_by_index(&p->now, victim->ifindex);
		struct op op = plan_op(OP_LINK_DELETE, NULL);

		if (!link)
			continue; /* it stood on one that has gone */
		network_of(link, op.network);
		snprintf(op.link.name, sizeof(op.link.name), "%s", link->name);
		op_loses(&op, victim->is_missed, DELETE_LOSES);
		plan_emit(p, &op);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Elements are found by the device; once it is gone, its name leads to the next one. */
static void forget_remade(struct planner *p, const victim_vec *victims)
{
	VEC(const char *) names = { 0 };

	vec_each(victim, victims) {
		const struct link *link = snapshot_link_by_index(&p->now, victim->ifindex);

		if (plan_has_device(p, link->name))
			vec_push(&names, link->name);
	}
	vec_sort(&names, compare_names);
	if (names.n)
		plan_rules_forget(p, names.v, names.n);
	vec_free(&names);
}

static void delete_victims(struct planner *p, bool bridges_only)
{
	victim_vec victims = { 0 };
	bool is_group_free;

	find_victims(p, bridges_only, &victims);
	is_group_free = clear_group(p, &victims);
	vec_each(victim, &victims)
		if (has_prefix(snapshot_link_by_index(&p->now, victim->ifindex), "ifb:"))
			plan_unshape(p, victim->ifindex);
	forget_remade(p, &victims);
	if (victims.n >= GROUP_MIN && is_group_free)
		delete_group(p, &victims);
	else
		delete_each(p, &victims);
	vec_free(&victims);
}

void plan_delete(struct planner *p)
{
	delete_victims(p, false);
}

static void note_kept(struct planner *p, const struct link *bridge)
{
	vec_each(port, &p->now.links)
		if (port->master == bridge->ifindex) {
			plan_note(p, "bridge %s stays: it still carries %s", bridge->name,
				  port->name);
			break;
		}
}

void plan_delete_left(struct planner *p)
{
	delete_victims(p, true);
	vec_each(link, &p->now.links)
		if (is_unwanted_bridge(p, link))
			note_kept(p, link);
}
