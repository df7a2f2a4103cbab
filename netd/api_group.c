/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_group.c - the methods that name a security group. */

#include "netd/api.h"

#include "netd/groups.h"

#include <errno.h>

static json_t *source_json(const struct group_entry *entry)
{
	const struct source *source = &entry->group->source;

	if (entry->is_from_file && source->file && source->line)
		return json_sprintf("%s:%u", source->file, source->line);
	return json_string(entry->is_from_file && source->file ? source->file : "api");
}

static json_t *group_info(struct netd *d, const struct group_entry *entry)
{
	const char *name = entry->group->name;
	json_t *ports = groups_ports(d, name);
	json_t *info = json_pack("{s:s,s:o,s:I,s:I,s:I,s:b,s:b}", "name", name, "source",
				 source_json(entry), "ports", (json_int_t)json_array_size(ports),
				 "ingressRules",
				 (json_int_t)entry->group->rules[GROUP_INGRESS].list.n, "egressRules",
				 (json_int_t)entry->group->rules[GROUP_EGRESS].list.n, "log",
				 entry->group->log, "inForce", kernel_has_conntrack(d->kernel));

	json_decref(ports);
	return info;
}

void api_list_groups(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { NULL };
	struct netd *d = context;
	json_t *list;

	if (!api_only_keys(call, parameters, keys))
		return;
	list = json_array();
	vec_each(entry, &d->groups)
		json_array_append_new(list, group_info(d, entry));
	call_reply(call, json_pack("{s:o}", "groups", list));
}

/* The group that the call names; NULL: the call is failed. */
static struct group_entry *named_group(struct netd *d, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "name", NULL };
	struct vnet_error err = { 0 };
	struct group_entry *entry;
	const char *name;

	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "name", true, &name))
		return NULL;
	entry = groups_entry(d, name);
	if (!entry) {
		vnet_error_set(&err, -ENOENT, "group-unknown",
			       "there is no security group %.40s; `vnetctl group list` shows those there are",
			       name);
		call_fail(call, &err, NULL);
	}
	return entry;
}

void api_describe_group(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	const struct group_entry *entry = named_group(d, call, parameters);
	const char *name;

	if (!entry)
		return;
	name = entry->group->name;
	call_reply(call, json_pack("{s:o,s:o,s:o,s:o,s:o}", "group", group_info(d, entry),
				   "definition", group_to_json(entry->group), "ports",
				   groups_ports(d, name), "networks", groups_networks(d, name),
				   "groups", groups_users(d, name)));
}

void api_delete_group(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct group_entry *entry = named_group(d, call, parameters);
	struct vnet_error err = { 0 };

	if (!entry)
		return;
	if (group_delete(d, entry, &err) < 0)
		call_fail(call, &err, NULL);
	else
		call_reply(call, NULL);
}
