/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_network.c - Apply, Plan and the methods that name a network. */

#include "netd/api.h"

#include "netd/devices.h"
#include "netd/groups.h"
#include "netd/uplink.h"

#include <errno.h>
#include <stdio.h>

/* ---- objects out ---- */

static json_t *addresses_json(const struct network *net)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	vec_each(p, &net->addresses)
		json_array_append_new(list, json_string(prefix_format(p, text)));
	return list;
}

static json_t *source_json(const struct network_entry *entry)
{
	const struct source *source = &entry->net->source;

	if (entry->is_from_file && source->file && source->line)
		return json_sprintf("%s:%u", source->file, source->line);
	return json_string(entry->is_from_file && source->file ? source->file : "api");
}

json_t *network_info(struct netd *d, const struct network_entry *entry)
{
	const struct network in_force = network_entry_in_force(entry), *net = &in_force;
	bool has_device = net->mode != NETWORK_MACVTAP || net->macvtap.companion;
	char bridge[16];
	const char *name = has_device ? network_bridge(net, bridge) : "";
	unsigned ifindex = name[0] ? devices_index(name) : 0;
	struct vnet_error problem;
	json_t *info = json_pack("{s:s,s:s,s:s,s:s,s:i,s:o,s:b,s:o,s:I}", "name", entry->net->name,
				 "mode", network_mode_name(entry->net->mode), "state",
				 network_state_name(entry->state), "bridge", name, "mtu",
				 (int)network_mtu(net), "addresses", addresses_json(entry->net),
				 "autostart", entry->net->autostart, "source", source_json(entry), "ports",
				 (json_int_t)entry->n_ports);

	if (ifindex)
		json_object_set_new(info, "ifindex", json_integer(ifindex));
	if (net->uplink)
		json_object_set_new(info, "uplink", json_string(net->uplink));
	if (net->vlan.id)
		json_object_set_new(info, "vlan", json_integer(net->vlan.id));
	if (network_problem(d, entry, &problem))
		json_object_set_new(info, "problem", problem_to_json(&problem));
	return info;
}

#define OPERATION_PORTS_MAX 16 /* whose ports are named; the others are counted */

/* Whom an operation disturbs: the port that it is about, or all of its network. */
static void add_disturbed(const struct netd *d, const struct op *op, json_t *ret)
{
	const struct port_entry *port =
		op->kind == OP_LINK_SET ? registry_port_by_ifname(&d->registry, op->link.name) : NULL;
	json_t *names = json_array();
	size_t n = 0;

	vec_each(entry, &d->registry.ports) {
		if (port ? *entry != port : strcmp((*entry)->port->network, op->network) != 0)
			continue;
		if (n++ < OPERATION_PORTS_MAX)
			json_array_append_new(names, json_string((*entry)->port->name));
	}
	json_object_set_new(ret, "ports", names);
	json_object_set_new(ret, "portCount", json_integer((json_int_t)n));
}

static json_t *operations_json(const struct netd *d, const struct outcome *outcome)
{
	json_t *list = json_array();

	vec_each(op, &outcome->ops) {
		json_t *json = op_to_json(op);

		if (op->loses_traffic)
			add_disturbed(d, op, json);
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *notes_json(const struct outcome *outcome)
{
	json_t *list = json_array();

	vec_each(note, &outcome->notes)
		json_array_append_new(list, json_string(*note));
	return list;
}

/* ---- Apply and Plan ---- */

static const char *const apply_keys[] = { "yaml", "file", "networks", "groups", "disruptive", NULL };

static json_t *given(const json_t *parameters, const char *key)
{
	json_t *value = json_object_get(parameters, key);

	return json_is_null(value) ? NULL : value;
}

/* The definitions that the call brings, or the call is failed. Neither given: an empty list. */
static bool read_definitions(struct call *call, const json_t *parameters, bool required,
			     struct definitions *ret)
{
	json_t *networks = given(parameters, "networks"), *groups = given(parameters, "groups");
	struct vnet_error err = { 0 };
	const char *yaml, *file;
	int r = 0;

	if (!api_string(call, parameters, "yaml", false, &yaml) ||
	    !api_string(call, parameters, "file", false, &file))
		return false;
	if (yaml && (networks || groups)) {
		r = vnet_error_set(&err, -EINVAL, "parameter-invalid",
				   "give yaml or networks, not both");
	} else if (yaml) {
		r = definitions_from_yaml(yaml, strlen(yaml), file ? file : "yaml", ret, &err);
	} else if (networks || groups) {
		json_t *wrapped = json_pack("{s:O*,s:O*}", "networks", networks, "groups", groups);

		r = definitions_from_json(wrapped, ret, &err);
		json_decref(wrapped);
	} else if (required) {
		r = vnet_error_set(&err, -EINVAL, "parameter-invalid", "give yaml or networks");
	}
	if (r < 0)
		call_fail(call, &err, NULL);
	return r == 0;
}

/*
 * Do the definitions come from a file that netd reads itself, as it is now? Then
 * they stay that file's. Otherwise ret tells what the next reload will do to them.
 */
static bool is_from_file(struct netd *d, const json_t *parameters, const struct definitions *defs,
			 struct outcome *ret)
{
	const network_vec *nets = &defs->networks;
	const char *yaml = json_string_value(json_object_get(parameters, "yaml"));
	const char *file = json_string_value(json_object_get(parameters, "file"));
	bool is_same = false;
	AUTO_FREE char *path = yaml && file ? config_networks_file(d, file, yaml, &is_same) : NULL;

	if (path && is_same) {
		vec_each(net, nets)
			mem_replace(&(*net)->source.file, path);
		vec_each(group, &defs->groups)
			mem_replace(&(*group)->source.file, path);
		return true;
	}
	if (path)
		vec_push(&ret->notes, mem_printf("%s has changed since it was read for this; as it is now it counts from the next reload or start of netd on",
						 path));
	vec_each(net, nets) {
		const struct network_entry *entry = registry_network(&d->registry, (*net)->name);

		if (entry && entry->is_from_file && entry->net->source.file && !path)
			vec_push(&ret->notes, mem_printf("network %s is defined in %s, which counts again from the next reload or start of netd on; change it there, too",
							 (*net)->name, entry->net->source.file));
	}
	vec_each(group, &defs->groups) {
		const struct group_entry *entry = groups_entry(d, (*group)->name);

		if (entry && entry->is_from_file && entry->group->source.file && !path)
			vec_push(&ret->notes, mem_printf("group %s is defined in %s, which counts again from the next reload or start of netd on; change it there, too",
							 (*group)->name, entry->group->source.file));
	}
	return false;
}

static bool loses_traffic(const op_vec *ops)
{
	vec_each(op, ops)
		if (op->loses_traffic)
			return true;
	return false;
}

/* An Apply whose reply waits until NICs that it took are known to work. */
struct pending_apply {
	struct netd *d;
	struct call *call;
	struct outcome planned; /* and done, where no error is told */
	VEC(char *) names;
	size_t n_open;
	struct vnet_error problem;
};

static void pending_apply_free(struct pending_apply *p)
{
	vec_each(name, &p->names)
		free(*name);
	vec_free(&p->names);
	outcome_free(&p->planned);
	free(p);
}

/* problem: of one of its networks, whose NIC could not be taken. */
static void apply_done(void *arg, struct vnet_error *problem)
{
	struct pending_apply *p = arg;
	json_t *infos;

	if (problem && !vnet_error_is_set(&p->problem))
		p->problem = *problem;
	if (--p->n_open)
		return;
	if (vnet_error_is_set(&p->problem)) {
		call_fail(p->call, &p->problem, NULL);
		pending_apply_free(p);
		return;
	}
	infos = json_array();
	vec_each(name, &p->names) {
		struct network_entry *entry = registry_network(&p->d->registry, *name);

		if (entry)
			json_array_append_new(infos, network_info(p->d, entry));
	}
	call_reply(p->call, json_pack("{s:o,s:o,s:o}", "operations", operations_json(p->d, &p->planned),
				      "notes", notes_json(&p->planned), "networks", infos));
	pending_apply_free(p);
}

static int prepare(struct netd *d, struct definitions *defs, struct preparation *ret,
		   struct vnet_error *err)
{
	network_vec *nets = &defs->networks;
	int r = groups_prepare(d, &defs->groups, err);

	if (r == 0)
		r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &ret->snap, err);
	d->planned_groups = &defs->groups;
	if (r == 0)
		r = networks_prepare(d, nets, &ret->snap, err);
	if (r == 0)
		r = reconcile_prepare(d, nets->v, nets->n, ret, err);
	d->planned_groups = NULL;
	return r;
}

/* Groups first: networks may name them. What was planned is no more than for the networks then. */
static int carry_out(struct netd *d, struct definitions *defs, bool from_file,
		     struct preparation *prepared, network_outcome_vec *ret, struct vnet_error *err)
{
	bool has_groups = defs->groups.n;
	int r = has_groups ? groups_apply(d, &defs->groups, from_file, err) : 0;

	if (r < 0 || (has_groups && !defs->networks.n))
		return r;
	return networks_apply(d, &defs->networks, from_file, has_groups ? NULL : prepared, ret, err);
}

/* What became of each, when not all went well. */
static json_t *outcomes_json(const network_outcome_vec *outcomes)
{
	json_t *list = json_array();

	vec_each(outcome, outcomes) {
		const char *word = !outcome->is_undone ? "applied" :
				   outcome->is_amiss   ? "failed" :
							 "rolled-back";
		json_t *item = json_pack("{s:s,s:s}", "name", outcome->name, "outcome", word);

		if (outcome->is_undone)
			json_object_set_new(item, "problem", problem_to_json(&outcome->problem));
		json_array_append_new(list, item);
	}
	return list;
}

/* Checks, plans and carries out; 0, or the call is still to be failed with err and more. */
static int apply(struct pending_apply *p, const json_t *parameters, struct definitions *defs,
		 bool disruptive, struct vnet_error *err, json_t **ret_more)
{
	AUTO_PREPARATION struct preparation prepared = { 0 };
	AUTO_OUTCOMES network_outcome_vec outcomes = { 0 };
	int r = prepare(p->d, defs, &prepared, err);
	bool from_file;

	if (r < 0)
		return r;
	if (loses_traffic(&prepared.plan.ops) && !disruptive) {
		preparation_take(&prepared, &p->planned);
		*ret_more = json_pack("{s:o}", "operations", operations_json(p->d, &p->planned));
		return vnet_error_set(err, -EBUSY, "needs-disruption",
				      "running guests would notice this change; apply it with disruptive (--disruptive) if that is meant");
	}
	vec_each(net, &defs->networks)
		vec_push(&p->names, mem_strdup((*net)->name));
	from_file = is_from_file(p->d, parameters, defs, &p->planned);
	r = carry_out(p->d, defs, from_file, &prepared, &outcomes, err);
	if (r < 0 && outcomes.n)
		*ret_more = json_pack("{s:o}", "networks", outcomes_json(&outcomes));
	preparation_take(&prepared, &p->planned);
	return r;
}

void api_apply(void *context, struct call *call, const json_t *parameters)
{
	AUTO_DEFINITIONS struct definitions defs = { 0 };
	struct netd *d = context;
	struct vnet_error err = { 0 };
	struct pending_apply *p;
	json_t *more = NULL;
	bool disruptive;

	if (!api_only_keys(call, parameters, apply_keys) ||
	    !api_bool(call, parameters, "disruptive", &disruptive) ||
	    !read_definitions(call, parameters, true, &defs))
		return;
	p = mem_alloc(sizeof(*p));
	p->d = d;
	p->call = call;
	if (apply(p, parameters, &defs, disruptive, &err, &more) < 0) {
		call_fail(call, &err, more);
		pending_apply_free(p);
		return;
	}
	p->n_open = p->names.n + 1;
	for (size_t i = 0, n = p->names.n; i < n; i++) {
		struct network_entry *entry = registry_network(&d->registry, p->names.v[i]);

		if (entry)
			uplink_when_done(d, entry, apply_done, p);
		else
			p->n_open--;
	}
	apply_done(p, NULL);
}

void api_plan(void *context, struct call *call, const json_t *parameters)
{
	AUTO_DEFINITIONS struct definitions defs = { 0 };
	AUTO_PREPARATION struct preparation prepared = { 0 };
	AUTO_OUTCOME struct outcome planned = { 0 };
	struct netd *d = context;
	struct vnet_error err = { 0 };
	int r;

	if (!api_only_keys(call, parameters, apply_keys) ||
	    !read_definitions(call, parameters, false, &defs))
		return;
	r = prepare(d, &defs, &prepared, &err);
	if (r == 0)
		preparation_take(&prepared, &planned);
	if (r == 0)
		is_from_file(d, parameters, &defs, &planned);
	if (r < 0)
		call_fail(call, &err, NULL);
	else
		call_reply(call, json_pack("{s:o,s:o}", "operations", operations_json(d, &planned),
					   "notes", notes_json(&planned)));
}

/* ---- one network ---- */

void api_list_networks(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { NULL };
	struct netd *d = context;
	json_t *list;

	if (!api_only_keys(call, parameters, keys))
		return;
	list = json_array();
	vec_each(entry, &d->registry.networks)
		if (api_may_see(d, call, *entry))
			json_array_append_new(list, network_info(d, *entry));
	call_reply(call, json_pack("{s:o}", "networks", list));
}

void api_describe_network(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "name", NULL };
	struct netd *d = context;
	struct network_entry *entry;
	const char *name;
	json_t *ports;

	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "name", true, &name))
		return;
	entry = api_network(d, call, name);
	if (!entry)
		return;
	ports = json_array();
	vec_each(port, &d->registry.ports)
		if ((*port)->network == entry)
			json_array_append_new(ports, port_info(d, *port, false));
	call_reply(call, json_pack("{s:o,s:o,s:o}", "network", network_info(d, entry), "definition",
				   network_to_json(entry->net), "ports", ports));
}

struct pending_start {
	struct netd *d;
	struct call *call;
	char *name;
	struct outcome outcome;
};

static void start_done(void *arg, struct vnet_error *problem)
{
	struct pending_start *p = arg;
	struct network_entry *entry = registry_network(&p->d->registry, p->name);
	struct vnet_error err = { 0 };

	if (problem)
		err = *problem;
	else if (!entry)
		vnet_error_set(&err, -ENOENT, "network-unknown", "network %s was deleted", p->name);
	if (vnet_error_is_set(&err))
		call_fail(p->call, &err, NULL);
	else
		call_reply(p->call, json_pack("{s:o,s:o}", "network", network_info(p->d, entry),
					      "notes", notes_json(&p->outcome)));
	free(p->name);
	outcome_free(&p->outcome);
	free(p);
}

void api_repair(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "network", NULL };
	struct netd *d = context;
	struct network_entry *entry = NULL;
	struct vnet_error err = { 0 };
	AUTO_OUTCOME struct outcome outcome = { 0 };
	const char *name;

	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "network", false, &name) ||
	    (name && !(entry = api_network(d, call, name))))
		return;
	if (entry)
		drift_forgive_network(d, entry);
	else
		drift_forgive_all(d);
	if (reconcile_repair(d, &outcome, &err) < 0)
		call_fail(call, &err, NULL);
	else
		call_reply(call, json_pack("{s:o}", "operations", operations_json(d, &outcome)));
}

void api_start_network(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "name", NULL };
	struct netd *d = context;
	struct vnet_error err = { 0 };
	struct network_entry *entry;
	struct pending_start *p;
	struct outcome outcome = { 0 };
	const char *name;

	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "name", true, &name))
		return;
	entry = api_network(d, call, name);
	if (!entry)
		return;
	if (network_start(d, entry, &outcome, &err) < 0) {
		outcome_free(&outcome);
		call_fail(call, &err, NULL);
		return;
	}
	p = mem_alloc(sizeof(*p));
	*p = (struct pending_start){ .d = d, .call = call, .name = mem_strdup(name), .outcome = outcome };
	uplink_when_done(d, entry, start_done, p);
}

/* ---- the end of one, or of many ---- */

/* What `name` or `names` and `force` are about; false: the call is failed. */
static bool networks_to_end(struct netd *d, struct call *call, const json_t *parameters,
			    const char *key, network_entry_vec *ret, bool *ret_force)
{
	const char *const keys[] = { key, "force", NULL };
	string_vec names = { 0 };
	bool is_good = api_only_keys(call, parameters, keys) &&
		       api_bool(call, parameters, "force", ret_force) &&
		       api_strings(call, parameters, key, NETWORKS_MAX, &names);

	vec_each(name, &names) {
		struct network_entry *entry = is_good ? api_network(d, call, *name) : NULL;

		is_good = entry;
		if (entry)
			vec_push(ret, entry);
	}
	vec_free(&names);
	return is_good;
}

static json_t *infos_json(struct netd *d, const network_entry_vec *entries)
{
	json_t *list = json_array();

	vec_each(entry, entries)
		json_array_append_new(list, network_info(d, *entry));
	return list;
}

static void stop(struct netd *d, struct call *call, const json_t *parameters, bool many)
{
	network_entry_vec entries = { 0 };
	struct vnet_error err = { 0 };
	bool force;

	if (networks_to_end(d, call, parameters, many ? "names" : "name", &entries, &force)) {
		if (networks_stop(d, entries.v, entries.n, force, &err) < 0)
			call_fail(call, &err, NULL);
		else if (many)
			call_reply(call, json_pack("{s:o}", "networks", infos_json(d, &entries)));
		else
			call_reply(call, json_pack("{s:o}", "network",
						   network_info(d, entries.v[0])));
	}
	vec_free(&entries);
}

void api_stop_network(void *context, struct call *call, const json_t *parameters)
{
	stop(context, call, parameters, false);
}

void api_stop_networks(void *context, struct call *call, const json_t *parameters)
{
	stop(context, call, parameters, true);
}

static void delete(struct netd *d, struct call *call, const json_t *parameters, const char *key)
{
	network_entry_vec entries = { 0 };
	struct vnet_error err = { 0 };
	bool force;

	if (networks_to_end(d, call, parameters, key, &entries, &force)) {
		if (networks_delete(d, entries.v, entries.n, force, &err) < 0)
			call_fail(call, &err, NULL);
		else
			call_reply(call, NULL);
	}
	vec_free(&entries);
}

void api_delete_network(void *context, struct call *call, const json_t *parameters)
{
	delete(context, call, parameters, "name");
}

void api_delete_networks(void *context, struct call *call, const json_t *parameters)
{
	delete(context, call, parameters, "names");
}
