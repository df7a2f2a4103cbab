/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * networks.c - start, stop, delete: the life of a network; how it begins is in apply.c
 */

#include "netd/netd.h"

#include "netd/log.h"
#include "netd/uplink.h"

#include <errno.h>
#include <stdio.h>

void network_unknown(const char *name, struct vnet_error *err)
{
	vnet_error_set(err, -ENOENT, "network-unknown",
		       "there is no network %s; `vnetctl network list` shows those that you may use",
		       name);
}

struct network_entry *network_find(struct netd *d, const char *name, struct vnet_error *err)
{
	struct network_entry *entry = registry_network(&d->registry, name);

	if (!entry)
		network_unknown(name, err);
	return entry;
}

bool network_problem(struct netd *d, const struct network_entry *entry, struct vnet_error *ret)
{
	vnet_error_clear(ret);
	if (entry->state == NETWORK_FAILED)
		*ret = entry->problem;
	else if (entry->is_wanted && (drift_problem(&entry->drift, entry->net->name, ret) ||
				      drift_rules_problem(d, ret)))
		return true;
	else if (entry->is_wanted && entry->missing[0])
		vnet_error_set(ret, -ENODEV, "device-missing",
			       "%s is not there; the network is completed when it comes",
			       entry->missing);
	else if (entry->is_wanted)
		/* It forwards, but its DHCP and DNS do not serve, or not this definition. */
		dnsmasq_state(d->dnsmasq, entry->net->name, ret);
	return vnet_error_is_set(ret);
}

/* ---- state and its echo ---- */

static int save_runtime(struct netd *d, const struct network_entry *entry, json_t *definition,
			struct vnet_error *err)
{
	json_t *object = json_pack("{s:O,s:b,s:b,s:b,s:s}", "definition", definition, "wanted",
				   entry->is_wanted || entry->is_due, "ran", entry->is_wanted,
				   "from_file", entry->is_from_file, "file",
				   entry->net->source.file ? entry->net->source.file : "");
	int r = store_put(d->store, STORE_NETWORKS, entry->net->name, object, err);

	json_decref(object);
	return r;
}

int network_save_runtime(struct netd *d, const struct network_entry *entry, struct vnet_error *err)
{
	json_t *definition = network_to_json(entry->net);
	int r = save_runtime(d, entry, definition, err);

	json_decref(definition);
	return r;
}

int network_save_subnets(struct netd *d, const struct network *net, struct vnet_error *err)
{
	json_t *object;
	int r;

	if (!net->auto4 && !net->auto6)
		return 0;
	object = json_object();
	vec_each(p, &net->addresses) {
		char text[ADDR_TEXT_MAX];
		bool is_v4 = p->addr.family == AF_INET;

		if (is_v4 ? net->auto4 : net->auto6)
			json_object_set_new(object, is_v4 ? "ipv4" : "ipv6",
					    json_string(prefix_format(p, text)));
	}
	r = store_put(d->store, STORE_SUBNETS, net->name, object, err);
	json_decref(object);
	return r;
}

void network_set_failed(struct netd *d, struct network_entry *entry, const struct vnet_error *err)
{
	char text[1024];

	vnet_error_text(err, text, sizeof(text));
	/* A retry that fails in the same way is no news. */
	if (entry->state != NETWORK_FAILED || strcmp(entry->problem.message, err->message) != 0) {
		log_error("%s; trying again", text);
		monitor_emit(d, "network-failed", entry->net->name, NULL, NULL, "%s", text);
	}
	entry->state = NETWORK_FAILED;
	entry->problem = *err;
}

void network_set_running(struct netd *d, struct network_entry *entry, int log_priority)
{
	if (entry->state == NETWORK_RUNNING)
		return;
	entry->state = NETWORK_RUNNING;
	vnet_error_clear(&entry->problem);
	log_msg(log_priority, "network %s: running", entry->net->name);
	monitor_emit(d, "network-started", entry->net->name, NULL, NULL, "network %s is up",
		     entry->net->name);
}

/* ---- what is kept ---- */

int network_persist(struct netd *d, const struct network_entry *entry, struct vnet_error *err)
{
	json_t *definition = network_to_json(entry->net), *object;
	int r = network_save_subnets(d, entry->net, err);

	if (r == 0)
		r = save_runtime(d, entry, definition, err);
	object = json_pack("{s:o}", "definition", definition);
	/* A file's word replaces what was applied before: that must not come back with a restart. */
	if (r == 0)
		r = entry->is_from_file
			    ? store_remove(d->store, STORE_DEFINITIONS, entry->net->name, err)
			    : store_put(d->store, STORE_DEFINITIONS, entry->net->name, object, err);
	json_decref(object);
	return r;
}

int networks_commit(struct netd *d, int r, struct vnet_error *err)
{
	int committed = store_commit(d->store, r < 0 ? NULL : err);

	return r < 0 ? r : committed;
}

/* ---- start, stop, delete ---- */

int network_start(struct netd *d, struct network_entry *entry, struct outcome *outcome,
		  struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	int r;

	if (entry->is_wanted && entry->state == NETWORK_RUNNING)
		return 0;
	drift_forgive_network(d, entry);
	r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, err);
	if (r == 0)
		r = network_check_to_start(d, entry, &snap, err);
	if (r < 0)
		return r;
	if (uplink_must_watch(d, entry->net)) {
		uplink_begin(d, entry);
		return 0;
	}
	entry->is_due = entry->is_stopping = false;
	entry->is_wanted = true;
	r = network_save_runtime(d, entry, err);
	if (r == 0)
		r = reconcile(d, outcome, err);
	if (r == 0 && entry->state != NETWORK_FAILED)
		return 0;
	if (r == 0) {
		*err = entry->problem;
		r = err->number;
	}
	/* What failed when asked for is not left half there. */
	entry->is_wanted = false;
	entry->state = NETWORK_STOPPED;
	network_save_runtime(d, entry, NULL);
	reconcile(d, NULL, NULL);
	return r;
}

static int refuse_in_use(const struct network_entry *entry, struct vnet_error *err)
{
	return vnet_error_set(err, -EBUSY, "network-in-use",
			      "network %s has %zu port%s attached; stop the guests first, or use force to cut them off",
			      entry->net->name, entry->n_ports, entry->n_ports == 1 ? "" : "s");
}

/* Cuts every guest off. */
static int detach_all(struct netd *d, const network_entry_vec *entries, struct vnet_error *err)
{
	port_entry_vec ports = { 0 };
	int r;

	vec_each(entry, entries)
		(*entry)->is_ending = true;
	vec_each(port, &d->registry.ports)
		if ((*port)->network->is_ending)
			vec_push(&ports, *port);
	vec_each(entry, entries)
		(*entry)->is_ending = false;
	r = ports_detach(d, &ports, err);
	vec_free(&ports);
	return r;
}

static bool is_stopped(const struct network_entry *entry)
{
	return !entry->is_wanted && !entry->is_due && entry->state == NETWORK_STOPPED;
}

/* All that are not wanted any more from here on, known so to the next netd; or nothing is changed. */
static int set_unwanted(struct netd *d, const network_entry_vec *entries, struct vnet_error *err)
{
	VEC(struct { bool is_wanted; bool is_due; }) before = { 0 };
	int r = 0;

	store_begin(d->store);
	vec_each(it, entries) {
		struct network_entry *entry = *it;

		vec_add(&before);
		before.v[before.n - 1].is_wanted = entry->is_wanted;
		before.v[before.n - 1].is_due = entry->is_due;
		entry->is_wanted = entry->is_due = false;
		if (r == 0)
			r = network_save_runtime(d, entry, err);
	}
	r = networks_commit(d, r, err);
	for (size_t i = 0; i < entries->n; i++) {
		struct network_entry *entry = entries->v[i];

		if (r == 0) {
			uplink_cancel(d, entry);
			entry->state = NETWORK_STOPPED;
			entry->is_stopping = true;
		} else {
			entry->is_wanted = before.v[i].is_wanted;
			entry->is_due = before.v[i].is_due;
			network_save_runtime(d, entry, NULL);
		}
	}
	vec_free(&before);
	return r;
}

void network_set_stopped(struct netd *d, struct network_entry *entry, int log_priority)
{
	entry->state = NETWORK_STOPPED;
	entry->is_stopping = false;
	vnet_error_clear(&entry->problem);
	log_msg(log_priority, "network %s: stopped", entry->net->name);
	monitor_emit(d, "network-stopped", entry->net->name, NULL, NULL, "network %s is stopped",
		     entry->net->name);
	if (entry->is_orphan)
		reconcile_later(d, 0);
}

/* Says so of each that is; returns the first failure of the others, which are stopped when that can be. */
static int tell_stopped(struct netd *d, const network_entry_vec *entries, struct vnet_error *err)
{
	struct vnet_error problem = { 0 };

	if (entries->n > NETWORKS_LOGGED_MAX)
		log_info("%zu networks are stopped", entries->n);
	vec_each(entry, entries) {
		if ((*entry)->state != NETWORK_FAILED)
			network_set_stopped(d, *entry,
					    entries->n > NETWORKS_LOGGED_MAX ? LOG_DEBUG : LOG_INFO);
		else if (!vnet_error_is_set(&problem))
			problem = (*entry)->problem;
	}
	if (vnet_error_is_set(&problem) && err)
		vnet_error_set(err, problem.number, problem.code,
			       "%.400s; what is left is taken away as soon as that can be", problem.message);
	return problem.number;
}

/* The order matters: what an error refuses has changed nothing. */
static int stop_all(struct netd *d, const network_entry_vec *entries, bool force, struct vnet_error *err)
{
	int r;

	vec_each(entry, entries)
		if ((*entry)->n_ports && !force)
			return refuse_in_use(*entry, err);
	r = detach_all(d, entries, err);
	if (r == 0)
		r = set_unwanted(d, entries, err);
	if (r == 0)
		r = reconcile(d, NULL, err);
	return r < 0 ? r : tell_stopped(d, entries, err);
}

int networks_stop(struct netd *d, struct network_entry *const *v, size_t n, bool force,
		  struct vnet_error *err)
{
	network_entry_vec entries = { 0 };
	int r;

	for (size_t i = 0; i < n; i++)
		if (!is_stopped(v[i])) {
			drift_forgive_network(d, v[i]);
			vec_push(&entries, v[i]);
		}
	r = entries.n ? stop_all(d, &entries, force, err) : 0;
	vec_free(&entries);
	return r;
}

void network_forget(struct netd *d, struct network_entry *entry)
{
	store_remove(d->store, STORE_DEFINITIONS, entry->net->name, NULL);
	store_remove(d->store, STORE_NETWORKS, entry->net->name, NULL);
	store_remove(d->store, STORE_SUBNETS, entry->net->name, NULL);
	dnsmasq_forget(d->dnsmasq, entry->net->name);
	registry_remove_network(&d->registry, entry);
}

/*
 * They are not defined any more, whatever becomes of netd from here on; or all are as
 * they were. What still runs the next start finds in the copy of what ran, and ends.
 */
static int undefine(struct netd *d, struct network_entry *const *v, size_t n, struct vnet_error *err)
{
	int r = 0;

	store_begin(d->store);
	for (size_t i = 0; i < n && r == 0; i++)
		r = store_remove(d->store, STORE_DEFINITIONS, v[i]->net->name, err);
	r = networks_commit(d, r, err);
	for (size_t i = 0; i < n && r < 0; i++)
		network_persist(d, v[i], NULL);
	return r;
}

/* What is left of one that could not be stopped: nothing has changed, or it goes when that can be. */
static void keep_undeleted(struct netd *d, struct network_entry *entry)
{
	if (entry->is_wanted || entry->is_due) {
		network_persist(d, entry, NULL);
		return;
	}
	entry->is_orphan = true;
}

int networks_delete(struct netd *d, struct network_entry *const *v, size_t n, bool force,
		    struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i]->is_from_file && !v[i]->is_orphan)
			return vnet_error_set(err, -EBUSY, "network-in-file",
					      "network %s is defined in %s; remove it there and reload netd, or only stop it",
					      v[i]->net->name, v[i]->net->source.file);
		if (v[i]->n_ports && !force)
			return refuse_in_use(v[i], err);
	}
	r = undefine(d, v, n, err);
	if (r < 0)
		return r;
	r = networks_stop(d, v, n, force, err);
	store_begin(d->store);
	for (size_t i = 0; i < n; i++) {
		if (is_stopped(v[i]) && !v[i]->n_ports)
			network_forget(d, v[i]);
		else
			keep_undeleted(d, v[i]);
	}
	store_commit(d->store, NULL);
	return r;
}

void networks_drop_orphans(struct netd *d)
{
	for (size_t i = d->registry.networks.n; i-- > 0;) {
		struct network_entry *entry = d->registry.networks.v[i];
		struct vnet_error err = { 0 };

		if (entry->is_orphan && !entry->n_ports &&
		    networks_delete(d, &entry, 1, false, &err) < 0)
			log_error("network %s: %s", entry->net->name, err.message);
	}
}
