/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_groups.c - security groups: what is accepted is written and read again as the same
 *
 * Its rules are asked about connections, too: one that is in no group's list is
 * in that of none of its rules.
 */

#include "model/definitions.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_address(const void *context, const char *group, const struct ip *address)
{
	(void)context;
	return group[0] == 'a' && address->b[0] & 1;
}

/* As text it is what the YAML takes: a list of it is the same list. */
static void check_texts(const struct security_group *group)
{
	AUTO_GROUPS group_vec again = { 0 };
	AUTO(node_free) struct node *root = NULL;
	json_t *json = json_object(), *outer;

	for (int d = 0; d < GROUP_DIRECTIONS; d++) {
		json_t *list = json_array();

		vec_each (rule, &group->rules[d].list) {
			AUTO_FREE char *text = group_rule_to_text(rule, d);

			must(json_array_append_new(list, json_string(text)) == 0);
		}
		json_object_set_new(json, group_direction_names[d],
				    group->rules[d].is_any ? json_string("any") : json_incref(list));
		json_decref(list);
	}
	if (group->log)
		json_object_set_new(json, "log", json_true());
	outer = json_pack("{s:o}", group->name, json);
	must(node_from_json(outer, &root, NULL) == 0);
	must(groups_from_node(root, &again, NULL) == 0 && again.n == 1);
	must(group_equal(again.v[0], group));
	json_decref(outer);
}

static void check_canonical(const struct security_group *group)
{
	json_t *json = json_pack("{s:o}", group->name, group_to_json(group));
	AUTO(group_free) struct security_group *copy = group_copy(group);
	AUTO(node_free) struct node *root = NULL;
	AUTO_GROUPS group_vec again = { 0 };

	must(node_from_json(json, &root, NULL) == 0);
	must(groups_from_node(root, &again, NULL) == 0 && again.n == 1);
	must(group_equal(again.v[0], group) && group_equal(copy, group));
	must(group_number(group->name) >> 31 == 1);
	json_decref(json);
}

static void ask(const group_vec *groups, const uint8_t *data, size_t size)
{
	group_name_vec names = { 0 };
	struct group_flow flow = { 0 };

	if (size < 6)
		return;
	flow.direction = data[0] & 1;
	flow.protocol = data[1];
	flow.port = (uint16_t)(data[2] << 8 | data[3]);
	flow.type = data[4];
	flow.remote.family = data[5] & 1 ? AF_INET : AF_INET6;
	memcpy(flow.remote.b, data, size < 16 ? size : 16);
	must(!groups_accept(groups->v, groups->n, &names, &flow, has_address, NULL));
	vec_each (group, groups) {
		char *name = (*group)->name;
		group_name_vec one = { .v = &name, .n = 1 };

		if ((*group)->rules[flow.direction].is_any)
			must(groups_accept(groups->v, groups->n, &one, &flow, has_address, NULL));
		else if (!(*group)->rules[flow.direction].list.n)
			must(!groups_accept(groups->v, groups->n, &one, &flow, has_address, NULL));
		else
			groups_accept(groups->v, groups->n, &one, &flow, has_address, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct definitions defs = { 0 };
	struct vnet_error err = { 0 };
	int r = definitions_from_yaml((const char *)data, size, "fuzz", &defs, &err);

	must((r < 0) == vnet_error_is_set(&err));
	if (r == 0) {
		vec_each (group, &defs.groups) {
			check_texts(*group);
			check_canonical(*group);
		}
		must((groups_check(defs.groups.v, defs.groups.n, &err) < 0) == vnet_error_is_set(&err));
		ask(&defs.groups, data, size);
	}
	definitions_free(&defs);
	return 0;
}
