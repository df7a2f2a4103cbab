/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* group.c - groups as values, beside each other, and what their rules accept. */

#include "model/group.h"

#include "model/group_rule.h"
#include "model/mac_name.h"
#include "model/network.h"
#include "model/schema.h"

#include <errno.h>
#include <netinet/in.h>

static const struct schema_field group_fields[] = {
	FIELD("ingress", type_ingress_rules, offsetof(struct security_group, rules[GROUP_INGRESS])),
	FIELD("egress", type_egress_rules, offsetof(struct security_group, rules[GROUP_EGRESS])),
	FIELD("log", type_bool, offsetof(struct security_group, log)),
};
static const struct schema group_schema = {
	.what = "a group",
	.size = sizeof(struct security_group),
	SCHEMA_FIELDS(group_fields),
	.source = HAS(struct security_group, source),
};

void group_free(struct security_group *group)
{
	if (!group)
		return;
	schema_clear(&group_schema, group);
	free(group->name);
	free(group);
}

struct security_group *group_copy(const struct security_group *group)
{
	struct security_group *copy = mem_alloc(sizeof(*copy));

	*copy = *group;
	schema_copy(&group_schema, copy);
	copy->name = mem_strdup(group->name);
	return copy;
}

bool group_equal(const struct security_group *a, const struct security_group *b)
{
	return strcmp(a->name, b->name) == 0 && schema_equal(&group_schema, a, b);
}

json_t *group_to_json(const struct security_group *group)
{
	return schema_encode(&group_schema, group, group);
}

void group_vec_free(group_vec *groups)
{
	vec_each(group, groups)
		group_free(*group);
	vec_free(groups);
}

/* --- read --- */

int group_name_check(const char *name, struct vnet_error *err)
{
	return name_check(name, GROUP_NAME_MAX, err);
}

static int group_from_node(const struct node *n, struct security_group **ret, struct vnet_error *err)
{
	AUTO(group_free) struct security_group *group = mem_alloc(sizeof(*group));
	struct decoder d = { .err = err };
	char path[NODE_PATH_MAX];
	int r = group_name_check(n->key, err);

	if (r < 0) {
		vnet_error_at(err, n->file, n->key_line, n->key_column,
			      node_path(n, path, sizeof(path)));
		return r;
	}
	if (n->kind != NODE_MAPPING)
		return node_key_error(n, err, "bad-type",
				      "the group's definition is missing: a mapping with ingress, egress or both");
	group->name = mem_strdup(n->key);
	group->rules[GROUP_EGRESS].is_any = true;
	r = schema_decode(&d, &group_schema, n, group);
	if (r < 0)
		return r;
	group->source.line = n->key_line;
	group->source.column = n->key_column;
	*ret = TAKE(group);
	return 0;
}

static int name_order(const void *a, const void *b)
{
	return strcmp((*(const struct security_group *const *)a)->name, (*(const struct security_group *const *)b)->name);
}

int groups_from_node(const struct node *map, group_vec *ret, struct vnet_error *err)
{
	AUTO_GROUPS group_vec groups = { 0 };
	int r = 0;

	if (map->kind != NODE_MAPPING)
		return node_error(map, err, "bad-type",
				  "groups must be a mapping from names to definitions; {} for none");
	if (map->items.n > GROUPS_MAX)
		return node_error(map, err, "too-many", "%zu groups; at most %d are accepted",
				  map->items.n, GROUPS_MAX);
	for (size_t i = 0; r == 0 && i < map->items.n; i++)
		r = group_from_node(map->items.v[i], vec_add(&groups), err);
	if (r < 0)
		return r;
	vec_sort(&groups, name_order);
	*ret = groups;
	groups = (group_vec){ 0 };
	return 0;
}

/* --- beside each other --- */

uint32_t group_number(const char *name)
{
	return (uint32_t)hash_of_names("group", name, "", 0) | 0x80000000u;
}

struct security_group *group_find(struct security_group *const *groups, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(groups[i]->name, name) == 0)
			return groups[i];
	return NULL;
}

static int refuse_at(const struct source *source, const struct security_group *group, const char *code,
		     struct vnet_error *err, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static int refuse_at(const struct source *source, const struct security_group *group, const char *code,
		     struct vnet_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, -EINVAL, code, format, args);
	va_end(args);
	vnet_error_at(err, source->file, source->line, source->column, group->name);
	return -EINVAL;
}

static int check_rules(const struct security_group *group, struct security_group *const *groups, size_t n,
		       struct vnet_error *err)
{
	for (int direction = 0; direction < GROUP_DIRECTIONS; direction++)
		vec_each(rule, &group->rules[direction].list)
			if (rule->group[0] && !group_find(groups, n, rule->group))
				return refuse_at(&rule->source, group, "group-unknown", err,
						 "group %s names group %s in %s, which is not defined",
						 group->name, rule->group,
						 group_direction_names[direction]);
	return 0;
}

int groups_check(struct security_group *const *groups, size_t n, struct vnet_error *err)
{
	if (n > GROUPS_MAX)
		return vnet_error_set(err, -E2BIG, "too-many", "%zu groups; at most %d are accepted", n,
				      GROUPS_MAX);
	for (size_t i = 0; i < n; i++) {
		int r = check_rules(groups[i], groups, n, err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (group_number(groups[k]->name) == group_number(groups[i]->name))
				return refuse_at(&groups[i]->source, groups[i], "name-conflict", err,
						 "the names %s and %s have the same hash; choose another",
						 groups[k]->name, groups[i]->name);
	}
	return 0;
}

/* --- names --- */

bool group_names_have(const group_name_vec *names, const char *name)
{
	vec_each(it, names)
		if (strcmp(*it, name) == 0)
			return true;
	return false;
}

bool group_names_equal(const group_name_vec *a, const group_name_vec *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

void group_names_copy(group_name_vec *to, const group_name_vec *from)
{
	group_name_vec copy = { 0 };

	vec_each(name, from)
		vec_push(&copy, mem_strdup(*name));
	*to = copy;
}

void group_names_free(group_name_vec *names)
{
	vec_each(name, names)
		free(*name);
	vec_free(names);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_decode(struct decoder *d, const struct schema_field *f, const struct node *n,
			void *value)
{
	group_name_vec *names = value;
	int r = 0;

	group_names_free(names);
	if (n->kind != NODE_SEQUENCE)
		return node_error(n, d->err, "bad-type",
				  "%s is a list of security groups: write [web, ssh]", f->key);
	if (n->items.n > PORT_GROUPS_MAX)
		return node_error(n, d->err, "too-many", "%zu groups; a port is in at most %d",
				  n->items.n, PORT_GROUPS_MAX);
	vec_each(item, &n->items) {
		const char *text = decode_text(d, *item, "a group's name");

		r = text ? group_name_check(text, d->err) : -EINVAL;
		if (r == 0 && group_names_have(names, text))
			return node_error(*item, d->err, "duplicate", "group %s is named twice", text);
		if (r < 0) {
			node_locate(*item, d->err);
			return r;
		}
		vec_push(names, mem_strdup(text));
	}
	vec_sort(names, compare_names);
	return 0;
}

json_t *group_names_to_json(const group_name_vec *names)
{
	json_t *list = json_array();

	vec_each(name, names)
		json_array_append_new(list, json_string(*name));
	return list;
}

static json_t *names_encode(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return group_names_to_json(value);
}

static bool names_is_default(const struct schema_field *f, const void *value, const void *root)
{
	(void)f;
	(void)root;
	return ((const group_name_vec *)value)->n == 0;
}

static void names_copy(const struct schema_field *f, void *to)
{
	const group_name_vec from = *(group_name_vec *)to;

	(void)f;
	group_names_copy(to, &from);
}

static void names_clear(const struct schema_field *f, void *value)
{
	(void)f;
	group_names_free(value);
}

static bool names_equal(const struct schema_field *f, const void *a, const void *b)
{
	(void)f;
	return group_names_equal(a, b);
}

const struct schema_type type_group_names = {
	.size = sizeof(group_name_vec),
	.decode = names_decode,
	.encode = names_encode,
	.is_default = names_is_default,
	.copy = names_copy,
	.clear = names_clear,
	.equal = names_equal,
};

/* --- one connection --- */

static bool has_port(const struct group_rule *rule, uint16_t port)
{
	for (size_t i = 0; i < rule->n_ports; i++)
		if (rule->ports[i].first <= port && port <= rule->ports[i].last)
			return true;
	return !rule->n_ports;
}

static bool rule_accepts(const struct group_rule *rule, const struct group_flow *flow,
			 group_has_address has_address, const void *context)
{
	if (rule->has_protocol && rule->protocol != flow->protocol)
		return false;
	if (!has_port(rule, flow->port) || (rule->has_type && rule->type != flow->type))
		return false;
	if (rule->group[0])
		return has_address(context, rule->group, &flow->remote);
	return !rule->remote.addr.family || prefix_contains(&rule->remote, &flow->remote);
}

bool groups_accept(struct security_group *const *groups, size_t n, const group_name_vec *names,
		   const struct group_flow *flow, group_has_address has_address, const void *context)
{
	vec_each(name, names) {
		const struct security_group *group = group_find(groups, n, *name);
		const struct group_rules *rules = group ? &group->rules[flow->direction] : NULL;

		if (rules && rules->is_any)
			return true;
		if (rules)
			vec_each(rule, &rules->list)
				if (rule_accepts(rule, flow, has_address, context))
					return true;
	}
	return false;
}
