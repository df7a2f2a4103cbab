/* SPDX-License-Identifier: GPL-2.0-or-later */
/* groups.c - security groups: which there are, who uses them, how they change; see groups.h. */

#include "netd/groups.h"

#include "base/strbuf.h"
#include "netd/flows.h"
#include "netd/log.h"

#include <errno.h>

/* ---- the table ---- */

static int compare_entry(const void *name, const void *item)
{
	return strcmp(name, ((const struct group_entry *)item)->group->name);
}

struct group_entry *groups_entry(const struct netd *d, const char *name)
{
	bool found;
	size_t i = vec_search(&d->groups, name, compare_entry, &found);

	return found ? &d->groups.v[i] : NULL;
}

void groups_list(const struct netd *d, const group_vec *more, group_vec *ret)
{
	vec_each(entry, &d->groups)
		if (!more || !group_find(more->v, more->n, entry->group->name))
			vec_push(ret, entry->group);
	if (more)
		vec_each(group, more)
			vec_push(ret, *group);
}

/* Takes group. */
static struct group_entry *put_entry(struct netd *d, struct security_group *group, bool is_from_file)
{
	bool found;
	size_t i = vec_search(&d->groups, group->name, compare_entry, &found);
	struct group_entry *entry;

	if (!found) {
		vec_add(&d->groups);
		memmove(&d->groups.v[i + 1], &d->groups.v[i],
			(d->groups.n - 1 - i) * sizeof(*d->groups.v));
	} else {
		group_free(d->groups.v[i].group);
	}
	entry = &d->groups.v[i];
	*entry = (struct group_entry){ .group = group, .is_from_file = is_from_file };
	return entry;
}

static void remove_entry(struct netd *d, struct group_entry *entry)
{
	group_free(entry->group);
	vec_remove(&d->groups, (size_t)(entry - d->groups.v));
}

void groups_free(struct netd *d)
{
	vec_each(entry, &d->groups)
		group_free(entry->group);
	vec_free(&d->groups);
}

/* A copy to go back to. */
static void copy_table(const struct netd *d, group_entry_vec *ret)
{
	vec_each(entry, &d->groups)
		vec_push(ret, *entry)->group = group_copy(entry->group);
}

static void swap_table(struct netd *d, group_entry_vec *table)
{
	group_entry_vec now;

	memcpy(&now, &d->groups, sizeof(now));
	memcpy(&d->groups, table, sizeof(now));
	memcpy(table, &now, sizeof(now));
}

static void free_table(group_entry_vec *table)
{
	vec_each(entry, table)
		group_free(entry->group);
	vec_free(table);
}

/* ---- who uses what ---- */

static bool names_group(const struct security_group *group, const char *name)
{
	for (int direction = 0; direction < GROUP_DIRECTIONS; direction++)
		vec_each(rule, &group->rules[direction].list)
			if (strcmp(rule->group, name) == 0)
				return true;
	return false;
}

json_t *groups_ports(const struct netd *d, const char *name)
{
	json_t *list = json_array();

	vec_each(entry, &d->registry.ports)
		if (group_names_have(port_groups((*entry)->port, (*entry)->network->net), name))
			json_array_append_new(list, json_string((*entry)->port->name));
	return list;
}

json_t *groups_networks(const struct netd *d, const char *name)
{
	json_t *list = json_array();

	vec_each(entry, &d->registry.networks)
		if (group_names_have(&(*entry)->net->port_defaults.groups, name))
			json_array_append_new(list, json_string((*entry)->net->name));
	return list;
}

json_t *groups_users(const struct netd *d, const char *name)
{
	json_t *list = json_array();

	vec_each(entry, &d->groups)
		if (strcmp(entry->group->name, name) != 0 && names_group(entry->group, name))
			json_array_append_new(list, json_string(entry->group->name));
	return list;
}

#define USERS_SHOWN 3

static void tell_users(struct strbuf *b, const char *what, json_t *list)
{
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < USERS_SHOWN; i++)
		strbuf_printf(b, "%s%s %s", b->len ? ", " : "", what,
			      json_string_value(json_array_get(list, i)));
	if (n > USERS_SHOWN)
		strbuf_printf(b, " and %zu more", n - USERS_SHOWN);
	json_decref(list);
}

/* "port web, network blue, group app"; empty: nobody. */
static void find_users(const struct netd *d, const char *name, struct strbuf *ret)
{
	tell_users(ret, "port", groups_ports(d, name));
	tell_users(ret, "network", groups_networks(d, name));
	tell_users(ret, "group", groups_users(d, name));
}

/* ---- checks ---- */

int groups_prepare(const struct netd *d, const group_vec *groups, struct vnet_error *err)
{
	group_vec all = { 0 };
	int r;

	groups_list(d, groups, &all);
	r = groups_check(all.v, all.n, err);
	vec_free(&all);
	return r;
}

static bool is_defined(const struct netd *d, const group_vec *more, const char *name)
{
	return groups_entry(d, name) || (more && group_find(more->v, more->n, name));
}

int groups_check_network(const struct netd *d, const struct network *net, const group_vec *more,
			 struct vnet_error *err)
{
	const group_name_vec *names = &net->port_defaults.groups;

	for (size_t i = 0; i < names->n; i++) {
		if (is_defined(d, more, names->v[i]))
			continue;
		vnet_error_set(err, -EINVAL, "group-unknown",
			       "there is no security group %s; define it below groups", names->v[i]);
		network_locate(net, "ports.groups", err);
		return -EINVAL;
	}
	return 0;
}

int groups_check_port(const struct netd *d, const struct port *port, const struct network *net,
		      struct vnet_error *err)
{
	const group_name_vec *names = port_groups(port, net);
	int r = 0;

	vec_each(name, names)
		if (r == 0 && !groups_entry(d, *name))
			r = vnet_error_set(err, -ENOENT, "group-unknown",
					   "there is no security group %s; `vnetctl group list` shows those there are",
					   *name);
	if (r == 0 && names->n && !kernel_has_conntrack(d->kernel))
		r = vnet_error_set(err, -EOPNOTSUPP, "no-bridge-conntrack",
				   "this kernel cannot hold the port to security group %s: rules on a bridge see no connections (CONFIG_NF_CONNTRACK_BRIDGE, CONFIG_NFT_BRIDGE_META, CONFIG_NF_CONNTRACK_LABELS)",
				   names->v[0]);
	if (r < 0)
		vnet_error_at(err, NULL, 0, 0, "groups");
	return r;
}

void groups_note_port(const struct netd *d, struct port *port, const struct network *net)
{
	port->is_logged = false;
	vec_each(name, port_groups(port, net)) {
		const struct group_entry *entry = groups_entry(d, *name);

		port->is_logged |= entry && entry->group->log;
	}
}

/* ---- changes ---- */

static int persist(struct netd *d, const struct group_entry *entry, struct vnet_error *err)
{
	const char *file = entry->is_from_file ? entry->group->source.file : NULL;
	json_t *object = json_pack("{s:o,s:s}", "definition", group_to_json(entry->group), "file",
				   file ? file : "");
	int r = store_put(d->store, STORE_GROUPS, entry->group->name, object, err);

	json_decref(object);
	return r;
}

static int persist_all(struct netd *d, struct vnet_error *err)
{
	int r = 0, committed;

	store_begin(d->store);
	vec_each(entry, &d->groups)
		if (r == 0)
			r = persist(d, entry, err);
	committed = store_commit(d->store, r < 0 ? NULL : err);
	return r < 0 ? r : committed;
}

/* The table was changed from `before`, which is taken: makes that so, or goes back. */
static int finish_change(struct netd *d, group_entry_vec *before, struct vnet_error *err)
{
	int r = persist_all(d, err);

	if (r == 0)
		r = reconcile(d, NULL, err);
	if (r < 0) {
		swap_table(d, before);
		persist_all(d, NULL);
		reconcile(d, NULL, NULL);
	}
	free_table(before);
	return r;
}

int groups_apply(struct netd *d, group_vec *groups, bool is_from_file, struct vnet_error *err)
{
	group_entry_vec before = { 0 };
	bool is_changed = false;
	int r = groups_prepare(d, groups, err);

	if (r < 0) {
		group_vec_free(groups);
		return r;
	}
	copy_table(d, &before);
	vec_each(group, groups) {
		const struct group_entry *old = groups_entry(d, (*group)->name);

		is_changed |= !old || !group_equal(old->group, *group) ||
			      old->is_from_file != is_from_file;
		put_entry(d, *group, is_from_file);
	}
	vec_free(groups);
	if (is_changed)
		return finish_change(d, &before, err);
	free_table(&before);
	return 0;
}

static int drop_entry(struct netd *d, struct group_entry *entry, struct vnet_error *err)
{
	group_entry_vec before = { 0 };
	AUTO_FREE char *name = mem_strdup(entry->group->name);
	int r;

	copy_table(d, &before);
	remove_entry(d, entry);
	store_remove(d->store, STORE_GROUPS, name, NULL);
	r = finish_change(d, &before, err);
	if (r == 0)
		log_info("group %s: deleted", name);
	return r;
}

int group_delete(struct netd *d, struct group_entry *entry, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf users = { 0 };
	const char *name = entry->group->name;

	if (entry->is_from_file && !entry->is_orphan)
		return vnet_error_set(err, -EBUSY, "group-in-file",
				      "group %s is defined in %s; remove it there and reload netd",
				      name, entry->group->source.file);
	find_users(d, name, &users);
	if (users.len)
		return vnet_error_set(err, -EBUSY, "group-in-use",
				      "group %s is used by %s; take it out there first", name, users.s);
	return drop_entry(d, entry, err);
}

bool groups_have_orphans(const struct netd *d)
{
	vec_each(entry, &d->groups)
		if (entry->is_orphan)
			return true;
	return false;
}

void groups_drop_orphans(struct netd *d)
{
	for (size_t i = d->groups.n; i-- > 0;) {
		AUTO_STRBUF struct strbuf users = { 0 };
		struct vnet_error err = { 0 };

		if (!d->groups.v[i].is_orphan)
			continue;
		find_users(d, d->groups.v[i].group->name, &users);
		if (!users.len && drop_entry(d, &d->groups.v[i], &err) < 0)
			log_error("%s", err.message);
	}
}

/* ---- start and reload ---- */

struct loading {
	struct netd *d;
	bool (*is_bad_file)(const void *context, const char *file);
	const void *context;
};

static struct security_group *stored_group(const char *name, json_t *object, const char *file)
{
	json_t *wrapped = json_pack("{s:{s:O}}", "groups", name,
				    json_object_get(object, "definition"));
	AUTO_DEFINITIONS struct definitions found = { 0 };
	struct security_group *group = NULL;
	struct vnet_error err = { 0 };

	if (!wrapped || definitions_from_json(wrapped, &found, &err) < 0) {
		log_error("stored group %s: %s; left out", name, err.message);
	} else if (found.groups.n == 1) {
		group = found.groups.v[0];
		found.groups.n = 0;
		mem_replace(&group->source.file, file);
	}
	json_decref(wrapped);
	return group;
}

static void load_stored(void *arg, const char *name, json_t *object)
{
	struct loading *l = arg;
	const char *file = json_string_value(json_object_get(object, "file"));
	bool is_from_file = file && file[0];
	struct security_group *group;
	struct group_entry *entry;

	if (groups_entry(l->d, name))
		return;
	group = stored_group(name, object, is_from_file ? file : NULL);
	if (!group)
		return;
	entry = put_entry(l->d, group, is_from_file);
	entry->is_orphan = is_from_file && !l->is_bad_file(l->context, file);
}

/* Takes out of `groups` what cannot be beside the others, until the rest can. */
static void leave_out_bad(struct netd *d, group_vec *groups)
{
	struct vnet_error err = { 0 };
	char text[1024];

	while (groups->n && groups_prepare(d, groups, &err) < 0) {
		size_t i = 0;

		while (i + 1 < groups->n && strcmp(groups->v[i]->name, err.path) != 0)
			i++;
		log_error("%s; the group stays as it was", vnet_error_text(&err, text, sizeof(text)));
		group_free(groups->v[i]);
		vec_remove(groups, i);
		vnet_error_clear(&err);
	}
}

void groups_load(struct netd *d, group_vec *from_files,
		 bool (*is_bad_file)(const void *context, const char *file), const void *context)
{
	struct loading l = { d, is_bad_file, context };

	/* Those of the last netd first: what is left out below falls back to them. */
	store_each(d->store, STORE_GROUPS, load_stored, &l);
	leave_out_bad(d, from_files);
	vec_each(group, from_files)
		put_entry(d, *group, true);
	vec_free(from_files);
	persist_all(d, NULL);
}

void groups_reload(struct netd *d, group_vec *from_files,
		   bool (*is_bad_file)(const void *context, const char *file), const void *context)
{
	struct vnet_error err = { 0 };

	vec_each(entry, &d->groups) {
		const char *file = entry->group->source.file;

		entry->is_orphan = entry->is_from_file && !(file && is_bad_file(context, file)) &&
				   !group_find(from_files->v, from_files->n, entry->group->name);
	}
	leave_out_bad(d, from_files);
	if (groups_apply(d, from_files, true, &err) < 0)
		log_error("%s; security groups stay as they were", err.message);
}
