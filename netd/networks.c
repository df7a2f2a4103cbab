/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * networks.c - define, start, stop, delete: the life of a network
 *
 * A definition is checked three times before anything is touched: alone, beside
 * all others, and against the host. Then it replaces the old one in the registry
 * and reconcile() does the rest; should that fail, the old definition comes back
 * the same way.
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
	else if (entry->is_wanted && entry->missing[0])
		vnet_error_set(ret, -ENODEV, "device-missing",
			       "%s is not there; the network is completed when it comes",
			       entry->missing);
	else if (entry->is_wanted)
		/* It forwards, but its DHCP and DNS do not serve, or not this definition. */
		dnsmasq_state(d->dnsmasq, entry->net->name, ret);
	return vnet_error_is_set(ret);
}

static void forget(struct netd *d, struct network_entry *entry);

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

/* ---- apply ---- */

/* One definition on its way in, and what was there before it. */
struct change {
	struct network_entry *entry;
	struct network *before; /* NULL: it is new */
	bool had_before, was_wanted, was_due, was_from_file, was_orphan;
	bool must_watch;        /* takes a NIC: started by uplink.c */
	bool is_undone;
};

static int persist(struct netd *d, const struct network_entry *entry, struct vnet_error *err)
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

/* Ends store_begin(); r is how it went until here. */
static int commit(struct netd *d, int r, struct vnet_error *err)
{
	int committed = store_commit(d->store, r < 0 ? NULL : err);

	return r < 0 ? r : committed;
}

static void put(struct netd *d, struct network *net, bool is_from_file, struct change *ret)
{
	struct network_entry *entry = registry_network(&d->registry, net->name);

	*ret = (struct change){ 0 };
	if (entry) {
		ret->was_due = entry->is_due;
		uplink_cancel(d, entry);
		ret->before = network_copy(entry->net);
		ret->had_before = true;
		ret->was_wanted = entry->is_wanted;
		ret->was_from_file = entry->is_from_file;
		ret->was_orphan = entry->is_orphan;
	}
	ret->entry = registry_put_network(&d->registry, net);
	ret->entry->is_from_file = is_from_file;
	ret->entry->is_orphan = false;
	ret->entry->is_wanted = ret->before ? ret->was_wanted || ret->was_due : net->autostart;
	ret->entry->is_due = false;
	/* A failure of the former definition says nothing of this one. */
	if (ret->entry->state == NETWORK_FAILED)
		ret->entry->state = NETWORK_STOPPED;
	/* Its NIC is taken under watch, by uplink.c, not by a plain reconcile. */
	ret->must_watch = ret->entry->is_wanted && uplink_must_watch(d, net);
	if (ret->must_watch) {
		ret->entry->is_wanted = false;
		ret->entry->is_due = true;
	}
}

/* Back to what was; the reconcile that follows does it. */
static void put_back(struct netd *d, struct change *change)
{
	struct network_entry *entry = change->entry;

	uplink_cancel(d, entry);
	if (change->before)
		registry_put_network(&d->registry, TAKE(change->before));
	entry->is_wanted = change->was_wanted;
	entry->is_due = change->was_due;
	entry->is_from_file = change->was_from_file;
	entry->is_orphan = change->was_orphan;
}

static void change_done(struct netd *d, struct change *change)
{
	struct network_entry *entry = change->entry;

	if (!change->is_undone) {
		if (change->must_watch)
			uplink_begin(d, entry);
		if (change->before)
			monitor_emit(d, "network-changed", entry->net->name, NULL, NULL,
				     "network %s has a new definition", entry->net->name);
	} else if (change->had_before) {
		persist(d, entry, NULL);
	} else {
		forget(d, entry);
	}
	network_free(change->before);
}

typedef VEC(struct change) change_vec;

/* Puts the definitions into the registry and into the files. nets is emptied. */
static int define_all(struct netd *d, network_vec *nets, bool is_from_file, change_vec *changes,
		      struct vnet_error *err)
{
	int r = 0;

	vec_each(net, nets) {
		struct network_entry *old = registry_network(&d->registry, (*net)->name);

		if (old && old->is_from_file == is_from_file && old->state != NETWORK_FAILED &&
		    network_equal(old->net, *net))
			/* The same definition from another line: nothing to do but to know where. */
			registry_put_network(&d->registry, *net)->is_orphan = false;
		else
			put(d, *net, is_from_file, vec_add(changes));
	}
	nets->n = 0;
	store_begin(d->store);
	vec_each(change, changes)
		if (r == 0)
			r = persist(d, change->entry, err);
	return commit(d, r, err);
}

/* Whether this change did not come to be, and why. */
static bool change_failed(const struct change *change, int host_failure, struct vnet_error *err)
{
	if (host_failure < 0)
		return true;
	if (change->entry->state != NETWORK_FAILED)
		return false;
	if (!vnet_error_is_set(err))
		*err = change->entry->problem;
	return true;
}

/*
 * Is what was prepared, before the registry had the definitions, what a plan of now
 * would be? Not where a NIC is taken under watch, ports get what they lack first,
 * or another network waits for its time.
 */
static bool is_still_good(struct netd *d, const change_vec *changes)
{
	vec_each(change, changes)
		if (change->must_watch || change->entry->n_ports)
			return false;
	vec_each(entry, &d->registry.networks)
		if ((*entry)->is_due)
			return false;
	return true;
}

int networks_apply(struct netd *d, network_vec *nets, bool is_from_file,
		   struct preparation *prepared, struct vnet_error *err)
{
	change_vec changes = { 0 };
	bool undo = false;
	int r = define_all(d, nets, is_from_file, &changes, err);

	if (r == 0)
		r = prepared && is_still_good(d, &changes) ? reconcile_prepared(d, prepared, err)
							    : reconcile(d, NULL, err);
	vec_each(change, &changes) {
		change->is_undone = change_failed(change, r, err);
		if (change->is_undone)
			put_back(d, change);
		undo |= change->is_undone;
	}
	if (undo)
		reconcile(d, NULL, NULL);
	store_begin(d->store);
	vec_each(change, &changes)
		change_done(d, change);
	store_commit(d->store, NULL);
	vec_free(&changes);
	return r < 0 ? r : undo ? err->number : 0;
}

/* ---- start, stop, delete ---- */

int network_start(struct netd *d, struct network_entry *entry, struct outcome *outcome,
		  struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	int r;

	if (entry->is_wanted && entry->state == NETWORK_RUNNING)
		return 0;
	r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, err);
	if (r == 0)
		r = network_check_to_start(d, entry, &snap, err);
	if (r < 0)
		return r;
	if (uplink_must_watch(d, entry->net)) {
		uplink_begin(d, entry);
		return 0;
	}
	entry->is_due = false;
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

/* All that are not wanted any more from here on, known so to the next netd. */
static int set_unwanted(struct netd *d, const network_entry_vec *entries, struct vnet_error *err)
{
	int r = 0;

	store_begin(d->store);
	vec_each(it, entries) {
		struct network_entry *entry = *it;

		uplink_cancel(d, entry);
		entry->is_wanted = entry->is_due = false;
		entry->state = NETWORK_STOPPED;
		if (r == 0)
			r = network_save_runtime(d, entry, err);
	}
	return commit(d, r, err);
}

/* Says so of each that is; returns the first failure of the others. */
static int tell_stopped(struct netd *d, const network_entry_vec *entries, struct vnet_error *err)
{
	int r = 0;

	if (entries->n > NETWORKS_LOGGED_MAX)
		log_info("%zu networks are stopped", entries->n);
	vec_each(it, entries) {
		struct network_entry *entry = *it;

		if (entry->state == NETWORK_FAILED) {
			if (r == 0 && err)
				*err = entry->problem;
			if (r == 0)
				r = entry->problem.number;
			continue;
		}
		vnet_error_clear(&entry->problem);
		log_msg(entries->n > NETWORKS_LOGGED_MAX ? LOG_DEBUG : LOG_INFO, "network %s: stopped",
			entry->net->name);
		monitor_emit(d, "network-stopped", entry->net->name, NULL, NULL,
			     "network %s is stopped", entry->net->name);
	}
	return r;
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
		if (!is_stopped(v[i]))
			vec_push(&entries, v[i]);
	r = entries.n ? stop_all(d, &entries, force, err) : 0;
	vec_free(&entries);
	return r;
}

/* Every trace of a network that is stopped and has no ports. */
static void forget(struct netd *d, struct network_entry *entry)
{
	store_remove(d->store, STORE_DEFINITIONS, entry->net->name, NULL);
	store_remove(d->store, STORE_NETWORKS, entry->net->name, NULL);
	store_remove(d->store, STORE_SUBNETS, entry->net->name, NULL);
	dnsmasq_forget(d->dnsmasq, entry->net->name);
	registry_remove_network(&d->registry, entry);
}

int networks_delete(struct netd *d, struct network_entry *const *v, size_t n, bool force,
		    struct vnet_error *err)
{
	int r;

	for (size_t i = 0; i < n; i++)
		if (v[i]->is_from_file && !v[i]->is_orphan)
			return vnet_error_set(err, -EBUSY, "network-in-file",
					      "network %s is defined in %s; remove it there and reload netd, or only stop it",
					      v[i]->net->name, v[i]->net->source.file);
	r = networks_stop(d, v, n, force, err);
	/* Those that are stopped go, though another failed. */
	store_begin(d->store);
	for (size_t i = 0; i < n; i++)
		if (is_stopped(v[i]) && !v[i]->n_ports)
			forget(d, v[i]);
	return commit(d, r, err);
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
