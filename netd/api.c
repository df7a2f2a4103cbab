/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api.c - the table of methods, and what they share: parameters in, objects out. */

#include "netd/api.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct method methods[] = {
	{ .name = "GetInfo", .fn = api_get_info },
	{ .name = "Apply", .fn = api_apply, .is_for_root = true },
	{ .name = "Plan", .fn = api_plan, .is_for_root = true },
	{ .name = "ListNetworks", .fn = api_list_networks },
	{ .name = "DescribeNetwork", .fn = api_describe_network },
	{ .name = "Repair", .fn = api_repair, .is_for_root = true },
	{ .name = "StartNetwork", .fn = api_start_network, .is_for_root = true },
	{ .name = "StopNetwork", .fn = api_stop_network, .is_for_root = true },
	{ .name = "DeleteNetwork", .fn = api_delete_network, .is_for_root = true },
	{ .name = "StopNetworks", .fn = api_stop_networks, .is_for_root = true },
	{ .name = "DeleteNetworks", .fn = api_delete_networks, .is_for_root = true },
	{ .name = "ListGroups", .fn = api_list_groups, .is_for_root = true },
	{ .name = "DescribeGroup", .fn = api_describe_group, .is_for_root = true },
	{ .name = "DeleteGroup", .fn = api_delete_group, .is_for_root = true },
	{ .name = "AttachPort", .fn = api_attach_port },
	{ .name = "DetachPort", .fn = api_detach_port },
	{ .name = "DetachPorts", .fn = api_detach_ports },
	{ .name = "UpdatePort", .fn = api_update_port },
	{ .name = "ListPorts", .fn = api_list_ports },
	{ .name = "DescribePort", .fn = api_describe_port },
	{ .name = "ListLeases", .fn = api_list_leases },
	{ .name = "ListFdb", .fn = api_list_fdb },
	{ .name = "Diagnose", .fn = api_diagnose },
	{ .name = "Fix", .fn = api_fix, .is_for_root = true },
	{ .name = "Unfix", .fn = api_unfix, .is_for_root = true },
	{ .name = "Monitor", .fn = api_monitor, .is_stream = true },
	{ .name = "Trace", .fn = api_trace, .is_stream = true },
};

static struct server_interface interface = {
	.name = "io.vnet.Netd",
	.description = api_description,
	.methods = methods,
	.n_methods = ARRAY_SIZE(methods),
};

const struct server_interface *api_init(struct netd *d)
{
	interface.context = d;
	return &interface;
}

static void fail_parameter(struct call *call, const char *key, const char *what)
{
	struct vnet_error err = { 0 };

	vnet_error_set(&err, -EINVAL, "parameter-invalid", "parameter %.40s %s", key, what);
	vnet_error_at(&err, NULL, 0, 0, key);
	call_fail(call, &err, NULL);
}

bool api_only_keys(struct call *call, const json_t *parameters, const char *const *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)parameters, key, value) {
		const char *const *known = keys;

		while (*known && strcmp(*known, key) != 0)
			known++;
		if (!*known) {
			fail_parameter(call, key, "is not known to this method");
			return false;
		}
	}
	return true;
}

bool api_string(struct call *call, const json_t *parameters, const char *key, bool required,
		const char **ret)
{
	const json_t *value = json_object_get(parameters, key);

	*ret = NULL;
	if (!value || json_is_null(value)) {
		if (required)
			fail_parameter(call, key, "is required");
		return !required;
	}
	if (!json_is_string(value)) {
		fail_parameter(call, key, "must be a string");
		return false;
	}
	*ret = json_string_value(value);
	return true;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool api_strings(struct call *call, const json_t *parameters, const char *key, size_t max,
		 string_vec *ret)
{
	const json_t *value = json_object_get(parameters, key), *item;
	const char *one;
	size_t i;

	if (!json_is_array(value)) {
		if (!api_string(call, parameters, key, true, &one))
			return false;
		vec_push(ret, one);
		return true;
	}
	json_array_foreach((json_t *)value, i, item) {
		if (!json_is_string(item) || i >= max) {
			fail_parameter(call, key, i < max ? "must be a list of strings" : "is too long");
			return false;
		}
		vec_push(ret, json_string_value(item));
	}
	if (!ret->n) {
		fail_parameter(call, key, "must not be empty");
		return false;
	}
	/* Each once. */
	qsort(ret->v, ret->n, sizeof(*ret->v), compare_strings);
	for (i = 1, max = 1; i < ret->n; i++)
		if (strcmp(ret->v[i], ret->v[max - 1]) != 0)
			ret->v[max++] = ret->v[i];
	ret->n = max;
	return true;
}

bool api_bool(struct call *call, const json_t *parameters, const char *key, bool *ret)
{
	const json_t *value = json_object_get(parameters, key);

	*ret = json_is_true(value);
	if (value && !json_is_null(value) && !json_is_boolean(value)) {
		fail_parameter(call, key, "must be true or false");
		return false;
	}
	return true;
}

bool api_may_see(struct netd *d, struct call *call, const struct network_entry *entry)
{
	return access_may_see(d->policy, call_peer(call), entry->net);
}

struct network_entry *api_network(struct netd *d, struct call *call, const char *name)
{
	struct vnet_error err = { 0 };
	struct network_entry *entry = network_find(d, name, &err);

	/* Who may not see it learns nothing of its existence. */
	if (entry && !api_may_see(d, call, entry)) {
		entry = NULL;
		network_unknown(name, &err);
	}
	if (!entry)
		call_fail(call, &err, NULL);
	return entry;
}

struct port_entry *api_port(struct netd *d, struct call *call, const char *name)
{
	struct vnet_error err = { 0 };
	struct port_entry *entry = port_find(d, name, &err);

	if (entry && access_check_port(call_peer(call), entry->port, &err) < 0)
		entry = NULL;
	if (!entry)
		call_fail(call, &err, NULL);
	return entry;
}

static const char *const no_keys[] = { NULL };

void api_get_info(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	json_t *notes;

	if (!api_only_keys(call, parameters, no_keys))
		return;
	notes = json_array();
	vec_each(note, &d->notes)
		json_array_append_new(notes, json_string(*note));
	if (!kernel_has_conntrack(d->kernel))
		json_array_append_new(notes, json_string("rules on a bridge see no connections (CONFIG_NF_CONNTRACK_BRIDGE, CONFIG_NFT_BRIDGE_META, CONFIG_NF_CONNTRACK_LABELS): ports in security groups are refused"));
	call_reply(call,
		   json_pack("{s:s,s:i,s:i,s:I,s:o,s:I,s:I,s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i}}", "version",
			     VNET_VERSION, "protocol", 1, "pid", (int)getpid(), "uptime",
			     (json_int_t)((loop_now() - d->started) / 1000000), "notes", notes,
			     "networks", (json_int_t)d->registry.networks.n, "ports",
			     (json_int_t)d->registry.ports.n, "limits", "networks", NETWORKS_MAX,
			     "ports", PORTS_MAX, "portsPerBridge", BRIDGE_PORTS_MAX, "groups", GROUPS_MAX, "connections",
			     CONNECTIONS_MAX, "connectionsPerUser", CONNECTIONS_PER_UID_MAX,
			     "messageSize", MESSAGE_SIZE_MAX));
}

void api_monitor(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "network", NULL };
	struct netd *d = context;
	struct vnet_error err = { 0 };
	const char *network;

	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "network", false, &network))
		return;
	if (network && !api_network(d, call, network))
		return;
	if (monitor_subscribe(d->monitor, call, network) < 0) {
		vnet_error_set(&err, -EUSERS, "too-many-subscribers",
			       "there are too many subscribers already");
		call_fail(call, &err, NULL);
	}
}
