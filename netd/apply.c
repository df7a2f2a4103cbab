/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply.c - definitions take the place of former ones, each network as a whole
 *
 * Theory of operation. A definition is checked three times before anything is
 * touched: alone, beside all others, and against the host. Then all of a call
 * replace their former ones in the registry and in the files, and one reconcile()
 * brings them about, so that what they give each other (an address, a NIC) changes
 * hands in the planner's order.
 *
 * A network that fails goes back: its former definition returns to the registry,
 * and another reconcile() plans the way from whatever the kernel has by then. There
 * is no undo code. With it goes what cannot be beside the former definition; the
 * others stay. Rules are one transaction for all, so when they are refused it may
 * be for the sake of one: all go back, and then each is tried alone.
 *
 * A NIC is taken under watch (uplink.h), after the call; should that fail in the
 * end, the network goes back in the same way.
 */

#include "netd/netd.h"

#include "model/check.h"
#include "netd/log.h"
#include "netd/uplink.h"

#include <errno.h>
#include <stdio.h>

/* One definition on its way in, and what was there before it. */
struct change {
	struct network_entry *entry;
	struct network *before; /* NULL: it is new */
	struct network *after;  /* while it is not in force, to be tried once more */
	bool had_before, was_wanted, was_due, was_from_file, was_orphan;
	bool is_from_file;
	bool must_watch;        /* takes a NIC: started by uplink.c */
	bool is_undone;
	struct vnet_error problem; /* why it is */
};

typedef VEC(struct change) change_vec;

/* ---- there and back ---- */

/* The former one stays in ret->before. */
static void put(struct netd *d, struct network *net, bool is_from_file, struct change *ret)
{
	struct network_entry *entry = registry_network(&d->registry, net->name);

	*ret = (struct change){ .is_from_file = is_from_file };
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
	ret->entry->is_orphan = ret->entry->is_stopping = false;
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
	change->is_undone = true;
	change->after = network_copy(entry->net);
	if (change->before)
		registry_put_network(&d->registry, TAKE(change->before));
	entry->is_wanted = change->was_wanted;
	entry->is_due = change->was_due;
	entry->is_from_file = change->was_from_file;
	entry->is_orphan = change->was_orphan;
	entry->state = NETWORK_STOPPED;
	vnet_error_clear(&entry->problem);
}

/* Once more, after put_back(). */
static void put_again(struct netd *d, struct change *change)
{
	/* What is left of a new one is no former definition. */
	if (!change->had_before)
		registry_remove_network(&d->registry, change->entry);
	put(d, TAKE(change->after), change->is_from_file, change);
}

/* The way back failed as well. */
static bool is_amiss(const struct change *change)
{
	return change->is_undone && change->entry->state == NETWORK_FAILED;
}

/* What became of the network, behind why it failed. */
static void tell_end(const struct change *change, struct vnet_error *err)
{
	const char *end = is_amiss(change)    ? "it could not be put back either, and is tried again" :
			  change->had_before ? "it was put back to what it was before" :
					       "nothing of it is left";
	size_t n = strlen(err->message);

	snprintf(err->message + n, sizeof(err->message) - n, "; %s", end);
}

/* ---- what fails, and what cannot be without it ---- */

/* Which of them did not come to be? Those go back, in the registry. Were there any? */
static bool put_back_failed(struct netd *d, change_vec *changes, int host_failure,
			    const struct vnet_error *host_problem)
{
	bool any = false;

	vec_each(change, changes) {
		if (change->is_undone || (host_failure == 0 && change->entry->state != NETWORK_FAILED))
			continue;
		change->problem = host_failure < 0 ? *host_problem : change->entry->problem;
		put_back(d, change);
		any = true;
	}
	return any;
}

/* Can it be beside the former definitions of those that went back? */
static int check_beside(const change_vec *changes, const struct change *change, struct vnet_error *err)
{
	VEC(struct network *) all = { 0 };
	int r;

	vec_each(other, changes)
		if (other->is_undone && other->had_before)
			vec_push(&all, other->entry->net);
	vec_push(&all, change->entry->net);
	r = networks_check(all.v, all.n, err);
	vec_free(&all);
	return r;
}

static void put_back_conflicting(struct netd *d, change_vec *changes)
{
	bool any;

	do {
		any = false;
		vec_each(change, changes) {
			if (change->is_undone || check_beside(changes, change, &change->problem) == 0)
				continue;
			vnet_error_prefix(&change->problem,
					  "network %s: not beside a network that was put back",
					  change->entry->net->name);
			put_back(d, change);
			any = true;
		}
	} while (any);
}

static void tell_undone(const change_vec *changes)
{
	vec_each(change, changes)
		if (change->is_undone && !is_amiss(change))
			log_notice("network %s: put back to what it was before", change->entry->net->name);
}

/* Takes back what failed, if anything did. */
static void go_back(struct netd *d, change_vec *changes, int host_failure,
		    const struct vnet_error *host_problem)
{
	if (!put_back_failed(d, changes, host_failure, host_problem))
		return;
	put_back_conflicting(d, changes);
	reconcile(d, NULL, NULL);
	tell_undone(changes);
}

/* ---- bringing them about ---- */

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

/* The rules of one may be what was refused for all. */
static void try_alone(struct netd *d, change_vec *changes)
{
	vec_each(change, changes) {
		change_vec one = { .v = change, .n = 1 };
		struct vnet_error problem = { 0 };
		int r;

		put_again(d, change);
		if (check_beside(changes, change, &problem) < 0)
			r = problem.number;
		else
			r = reconcile(d, NULL, &problem);
		go_back(d, &one, r, &problem);
	}
}

static void bring_about(struct netd *d, change_vec *changes, struct preparation *prepared)
{
	struct vnet_error problem = { 0 };
	int r = prepared && is_still_good(d, changes) ? reconcile_prepared(d, prepared, &problem)
						      : reconcile(d, NULL, &problem);

	go_back(d, changes, r, &problem);
	if (r < 0 && changes->n > 1)
		try_alone(d, changes);
}

/* Puts the definitions into the registry and into the files. nets is emptied. */
static int define_all(struct netd *d, network_vec *nets, bool is_from_file, change_vec *changes,
		      struct vnet_error *err)
{
	int r = 0;

	vec_each(net, nets) {
		struct network_entry *old = registry_network(&d->registry, (*net)->name);

		if (old)
			drift_forgive_network(d, old);
		else
			drift_forgive_host(d);
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
			r = network_persist(d, change->entry, err);
	return networks_commit(d, r, err);
}

/* ---- the end ---- */

static void change_free(struct change *change)
{
	network_free(change->before);
	network_free(change->after);
}

struct taking {
	struct netd *d;
	struct change change;
};

/* A NIC was taken, or could not be. */
static void on_taken(void *arg, struct vnet_error *problem)
{
	struct taking *t = arg;
	struct change *change = &t->change;

	if (problem) {
		put_back(t->d, change);
		reconcile(t->d, NULL, NULL);
		tell_end(change, problem);
		if (change->had_before)
			network_persist(t->d, change->entry, NULL);
		else
			network_forget(t->d, change->entry);
	}
	change_free(change);
	free(t);
}

/* change is taken. */
static void begin_taking(struct netd *d, struct change *change)
{
	struct taking *t = mem_alloc(sizeof(*t));

	*t = (struct taking){ .d = d, .change = *change };
	uplink_begin(d, change->entry);
	uplink_when_done(d, change->entry, on_taken, t);
}

static void change_done(struct netd *d, struct change *change)
{
	struct network_entry *entry = change->entry;

	if (!change->is_undone) {
		if (change->before)
			monitor_emit(d, "network-changed", entry->net->name, NULL, NULL,
				     "network %s has a new definition", entry->net->name);
		if (change->must_watch) {
			begin_taking(d, change);
			return;
		}
	} else if (change->had_before) {
		network_persist(d, entry, NULL);
	} else {
		network_forget(d, entry);
	}
	change_free(change);
}

static void add_outcome(struct change *change, network_outcome_vec *ret, struct vnet_error *err)
{
	struct network_outcome *outcome = vec_add(ret);

	*outcome = (struct network_outcome){ .name = mem_strdup(change->entry->net->name),
					     .is_undone = change->is_undone,
					     .is_amiss = is_amiss(change) };
	if (!change->is_undone)
		return;
	tell_end(change, &change->problem);
	outcome->problem = change->problem;
	if (!vnet_error_is_set(err))
		*err = change->problem;
}

int networks_apply(struct netd *d, network_vec *nets, bool is_from_file, struct preparation *prepared,
		   network_outcome_vec *ret, struct vnet_error *err)
{
	change_vec changes = { 0 };
	struct vnet_error problem = { 0 };
	int r = define_all(d, nets, is_from_file, &changes, &problem);

	if (r < 0)
		go_back(d, &changes, r, &problem);
	else
		bring_about(d, &changes, prepared);
	vnet_error_clear(&problem);
	vec_each(change, &changes)
		add_outcome(change, ret, &problem);
	store_begin(d->store);
	vec_each(change, &changes)
		change_done(d, change);
	store_commit(d->store, NULL);
	vec_free(&changes);
	if (err && !vnet_error_is_set(err))
		*err = problem;
	return problem.number;
}

void network_outcomes_free(network_outcome_vec *outcomes)
{
	vec_each(outcome, outcomes)
		free(outcome->name);
	vec_free(outcomes);
}
