/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile.c - desired → snapshot → plan → execute
 *
 * Theory of operation. There is one way to bring the host to what is wanted:
 * take a full snapshot, plan, run the plan. Start-up, a definition, a repair and
 * a retry all come here; only attach and detach of a port do not (they touch
 * their port alone, see ports.c). A plan with nothing in it writes nothing, so
 * being called once too often costs a dump and no more.
 *
 * Failure of an operation skips the later ones of the same network and is tried
 * again after a while; an nftables transaction that fails stops the run, because
 * what follows it would let frames pass without their rules.
 */

#include "netd/netd.h"

#include "netd/devices.h"
#include "netd/flows.h"
#include "netd/groups.h"
#include "netd/held.h"
#include "netd/log.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_FIRST 2   /* s */
#define RETRY_LAST 60   /* s */
#define LOOKS_MAX 3      /* in a row, at rules that somebody changes while we plan */
#define AGAIN_USEC 1000000 /* after a plan that changed something, a look at what came of it */
#define OPS_LOGGED_MAX 500 /* of one plan, each by a line */

void outcome_free(struct outcome *outcome)
{
	op_vec_free(&outcome->ops);
	vec_each(note, &outcome->notes)
		free(*note);
	vec_free(&outcome->notes);
}

/* ---- what is wanted ---- */

static void build_groups(struct netd *d, struct desired *ret)
{
	group_vec groups = { 0 };

	vec_each(entry, &d->registry.ports)
		groups_note_port(d, (*entry)->port, (*entry)->network->net);
	groups_list(d, d->planned_groups, &groups);
	ret->has_conntrack = groups.n && kernel_has_conntrack(d->kernel);
	/* Without connection tracking there is no rule that they could become. */
	if (!ret->has_conntrack)
		vec_free(&groups);
	memcpy(&ret->groups, &groups, sizeof(groups));
}

/* The registry's view, with nets in the place of entries of the same name. Borrows all. */
static void build_desired(struct netd *d, struct network *const *nets, size_t n_nets,
			  struct desired *ret)
{
	const char *why;

	ret->guards_checksums = kernel_guards_checksums(d->kernel, &why);
	for (size_t i = 0; i < n_nets; i++) {
		const struct network_entry *entry = registry_network(&d->registry, nets[i]->name);

		/* One that is stopped stays so. */
		if (entry ? entry->is_wanted || entry->is_due : nets[i]->autostart)
			vec_push(&ret->networks, nets[i]);
	}
	registry_mark_replaced(&d->registry, nets, n_nets);
	vec_each(entry, &d->registry.networks)
		if ((*entry)->is_wanted && !(*entry)->is_replaced)
			vec_push(&ret->networks, (*entry)->net);
	vec_each(entry, &d->registry.ports)
		if ((*entry)->network->is_wanted &&
		    (port_has_device(*entry) || (*entry)->port->persistent))
			vec_push(&ret->ports, (*entry)->port);
	build_groups(d, ret);
	/* Borrowed: the vectors are d's, and are not freed through ret. */
	memcpy(&ret->saved, &d->host.saved, sizeof(ret->saved));
	memcpy(&ret->takeovers, &d->host.takeovers, sizeof(ret->takeovers));
}

static void desired_forget(struct desired *desired)
{
	vec_free(&desired->networks);
	vec_free(&desired->ports);
	vec_free(&desired->groups);
}

static int make_plan(struct netd *d, const struct desired *desired, struct snapshot *snap,
		     struct plan *ret, struct vnet_error *err)
{
	sysctl_vec wanted = { 0 };
	int r;

	plan_wanted_sysctls(desired, snap, &wanted);
	vec_free(&snap->sysctls);
	memcpy(&snap->sysctls, &wanted, sizeof(wanted));
	r = kernel_read_sysctls(d->kernel, snap, err);
	if (r < 0)
		return r;
	return plan_make(desired, snap, ret, err);
}

/* ---- running the plan ---- */

struct run {
	struct netd *d;
	VEC(const char *) failed; /* networks whose later operations are skipped */
	struct vnet_error *err;   /* the host's first failure, for the caller */
	size_t n_refused;         /* networks that cannot be started yet */
	unsigned n_looks;
	bool is_stale;            /* the rules were not what the plan was made for */
	bool is_repair;           /* drift_repaired() tells what was done */
};

static bool run_skips(const struct run *run, const char *network)
{
	if (!network[0])
		return false;
	vec_each(failed, &run->failed)
		if (strcmp(*failed, network) == 0)
			return true;
	return false;
}

static void run_network_failed(struct run *run, const char *network, struct vnet_error *err)
{
	struct network_entry *entry = registry_network(&run->d->registry, network);

	vec_push(&run->failed, network);
	vnet_error_prefix(err, "network %s", network);
	if (entry) {
		network_set_failed(run->d, entry, err);
	} else {
		char text[1024];

		log_error("%s; trying again", vnet_error_text(err, text, sizeof(text)));
	}
}

static void run_host_failed(struct run *run, const struct vnet_error *err)
{
	char text[1024];

	if (!vnet_error_is_set(run->err))
		*run->err = *err;
	log_error("%s; trying again", vnet_error_text(err, text, sizeof(text)));
}

/* Somebody changed our tables between the look and the transaction; nothing of it was done then. */
static bool is_stale(const struct run *run, const struct op *op, const struct vnet_error *err)
{
	int n = err->number;

	return op->kind == OP_NFT && run->n_looks < LOOKS_MAX &&
	       (n == -ENOENT || n == -EEXIST || n == -EINTR || n == -EAGAIN);
}

/* A port's device that went with its guest since the look: the event is on its way, and nothing is left to do. */
static bool is_gone_port(const struct run *run, const struct op *op, const struct vnet_error *err)
{
	const char *device = op_device(op);
	size_t n;

	if (err->number != -ENODEV || !device[0] || devices_index(device))
		return false;
	devices_find(&run->d->registry, device, &n);
	return n == 0;
}

/* False: the rules could not be set, so nothing that relies on them may follow. */
static bool run_ops(struct run *run, const op_vec *ops)
{
	size_t i = 0;

	while (i < ops->n) {
		struct vnet_error err = { 0 };
		size_t n = 0, done = 0;

		while (i + n < ops->n && !run_skips(run, ops->v[i + n].network))
			n++;
		if (!n) {
			i++;
			continue;
		}
		if (kernel_execute(run->d->kernel, ops->v + i, n, &done, &err) == 0) {
			i += n;
			continue;
		}
		i += done;
		if (is_gone_port(run, &ops->v[i], &err)) {
			i++;
			continue;
		}
		run->is_stale = is_stale(run, &ops->v[i], &err);
		if (run->is_stale)
			return false;
		if (ops->v[i].network[0])
			run_network_failed(run, ops->v[i].network, &err);
		else
			run_host_failed(run, &err);
		if (ops->v[i].kind == OP_NFT)
			return false;
		i++;
	}
	return true;
}

static bool run_failed(const struct run *run, const struct network_entry *entry)
{
	return run_skips(run, entry->net->name);
}

/* DHCP and DNS of every network that stands. */
static void run_services(struct run *run)
{
	vec_each(entry, &run->d->registry.networks) {
		struct vnet_error err = { 0 };

		if (run_failed(run, *entry))
			continue;
		if (dhcp_apply(run->d, *entry, &err) < 0)
			run_network_failed(run, (*entry)->net->name, &err);
	}
}

static void retry(void *arg)
{
	reconcile(arg, NULL, NULL);
}

static void schedule_retry(struct netd *d, bool failed)
{
	if (!failed) {
		loop_remove(d->retry_timer);
		d->retry_timer = NULL;
		d->retry_delay = 0;
		return;
	}
	if (d->retry_timer)
		return;
	d->retry_delay = d->retry_delay ? d->retry_delay * 2 : RETRY_FIRST;
	if (d->retry_delay > RETRY_LAST)
		d->retry_delay = RETRY_LAST;
	loop_timer_add(d->loop, d->retry_delay * 1000000ull, retry, d, &d->retry_timer);
}

/* Ports whose device the snapshot lacks are gone, though no event told so. */
static void sweep_ports(struct netd *d, const struct snapshot *snap)
{
	vec_each(entry, &d->registry.ports)
		if ((*entry)->ifindex && !snapshot_link_by_index(snap, (*entry)->ifindex))
			port_set_gone(d, *entry);
	ports_forget_gone(d);
}

/* What networks stand on is not ours to make: they go on without, and are completed when it comes. */
static void tell_missing(struct netd *d, const struct network_entry *entry, const char *before)
{
	if (!entry->is_wanted || strcmp(entry->missing, before) == 0)
		return;
	if (entry->missing[0]) {
		log_warning("network %s: %s is not there; the network is completed when it comes",
			    entry->net->name, entry->missing);
		monitor_emit(d, "network-changed", entry->net->name, NULL, NULL, "%s is not there",
			     entry->missing);
	} else {
		log_info("network %s: %s is there", entry->net->name, before);
		monitor_emit(d, "network-changed", entry->net->name, NULL, NULL, "%s is there", before);
	}
}

/* A persistent TAP that the plan made, or a netd that was killed before it could write it down. */
static void find_ifindexes(struct registry *reg, const struct snapshot *snap)
{
	vec_each(entry, &reg->ports) {
		const struct port *port = (*entry)->port;
		const struct link *link;

		if ((*entry)->ifindex || !port->persistent || port->kind != PORT_TAP)
			continue;
		link = snapshot_link(snap, port->ifname);
		if (link && !registry_port_by_ifindex(reg, link->ifindex))
			registry_set_ifindex(reg, *entry, link->ifindex);
	}
}

/* How devices are now is what later events are compared with. */
static void note_looks(struct registry *reg, const struct snapshot *snap)
{
	devices_note(reg, snap);
	find_ifindexes(reg, snap);
	registry_note_looks(reg, snap);
}

static void note_devices(struct netd *d, const struct snapshot *snap)
{
	VEC(struct { char name[16]; }) before = { 0 };

	vec_each(entry, &d->registry.networks)
		memcpy(vec_add(&before)->name, (*entry)->missing, sizeof((*entry)->missing));
	note_looks(&d->registry, snap);
	for (size_t i = 0; i < before.n; i++)
		tell_missing(d, d->registry.networks.v[i], before.v[i].name);
	vec_free(&before);
}

static bool has_static_peers(const struct network *net)
{
	vec_each(link, &net->links)
		if (link->kind == LINK_VXLAN && !link->external)
			return true;
	return false;
}

/* Peers of a VXLAN are forwarding entries, which others could take away. */
static void watch_fdb(struct netd *d)
{
	struct vnet_error err = { 0 };
	bool wants = false;

	vec_each(entry, &d->registry.networks)
		wants |= (*entry)->is_wanted && has_static_peers((*entry)->net);
	if (!wants || d->watches_fdb)
		return;
	d->watches_fdb = true;
	if (kernel_watch_fdb(d->kernel, &err) < 0)
		log_error("%s; peers of VXLANs that others take away are missed", err.message);
}

/* What the plan made decides the MTU of a bridge where none is declared, too: dnsmasq is to tell it. */
static void note_result(struct netd *d)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };

	if (kernel_snapshot(d->kernel, SNAPSHOT_LINKS, &snap, NULL) == 0)
		note_looks(&d->registry, &snap);
}

/* Many are summed up: nobody reads a thousand lines, and writing them takes as long as the work. */
static void report_plan(const struct plan *plan)
{
	bool is_long = plan->ops.n > OPS_LOGGED_MAX;
	int priority = is_long ? LOG_DEBUG : LOG_INFO;

	if (is_long)
		log_info("host: %zu operations", plan->ops.n);
	vec_each(op, &plan->ops) {
		AUTO_FREE char *text = log_is_on(priority) ? op_to_text(op) : NULL;

		if (text)
			log_msg(priority, "%s: %s", op->network[0] ? op->network : "host", text);
	}
	vec_each(note, &plan->notes)
		log_notice("%s", *note);
}

/* Those whose end had failed. */
static void set_stopped(const struct run *run)
{
	vec_each(entry, &run->d->registry.networks)
		if ((*entry)->is_stopping && (*entry)->state == NETWORK_FAILED && !run_failed(run, *entry))
			network_set_stopped(run->d, *entry, LOG_INFO);
}

static void set_running(const struct run *run)
{
	const struct registry *reg = &run->d->registry;
	size_t n = 0;

	vec_each(entry, &reg->networks)
		n += (*entry)->is_wanted && (*entry)->state != NETWORK_RUNNING;
	if (n > NETWORKS_LOGGED_MAX)
		log_info("%zu networks are brought up", n);
	vec_each(entry, &reg->networks)
		if ((*entry)->is_wanted && !run_failed(run, *entry))
			network_set_running(run->d, *entry,
					    n > NETWORKS_LOGGED_MAX ? LOG_DEBUG : LOG_INFO);
}

/* Executes the plan and tells the networks how it went. */
static void run_plan(struct run *run, const struct plan *plan)
{
	struct netd *d = run->d;
	bool rules_stand = run_ops(run, &plan->ops);

	if (plan->ops.n) {
		note_result(d);
		/* What others changed meanwhile was noted as our own doing. */
		reconcile_later(d, AGAIN_USEC);
	}
	if (!rules_stand)
		return;
	run_services(run);
	egress_refresh(d, &plan->ops);
	set_running(run);
	set_stopped(run);
	flows_changed(d);
}

/*
 * Before the plan, which knows what is ours by its mark and name: without these it would take
 * the network's rules away. So that waits for nothing (drift.h), but is counted.
 */
static void claim_devices(struct netd *d, struct snapshot *snap)
{
	AUTO_OPS op_vec ops = { 0 };

	devices_claim(&d->registry, snap, &ops);
	vec_each(op, &ops) {
		struct vnet_error err = { 0 };
		size_t done;

		if (kernel_execute(d->kernel, op, 1, &done, &err) < 0 || op_apply(op, snap, &err) < 0)
			log_error("network %s: %s", op->network, err.message);
		else
			drift_repaired(d, op, 1);
	}
}

static int plan_by(struct netd *d, struct snapshot *snap, struct plan *ret, size_t *ret_refused,
		   struct vnet_error *err)
{
	struct desired desired = { 0 };
	int r;

	claim_devices(d, snap);
	sweep_ports(d, snap);
	ports_choose_slots(d);
	held_refresh(d);
	note_devices(d, snap);
	watch_fdb(d);
	*ret_refused = networks_retry_refused(d, snap);
	build_desired(d, NULL, 0, &desired);
	r = make_plan(d, &desired, snap, ret, err);
	desired_forget(&desired);
	return r < 0 ? r : host_remember(d, ret, err);
}

static int plan_now(struct netd *d, struct plan *ret, size_t *ret_refused, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	int r = kernel_snapshot(d->kernel, SNAPSHOT_ALL, &snap, err);

	return r < 0 ? r : plan_by(d, &snap, ret, ret_refused, err);
}

void preparation_free(struct preparation *p)
{
	snapshot_free(&p->snap);
	plan_free(&p->plan);
	op_vec_free(&p->services);
}

static void outcome_take(struct outcome *ret, struct plan *plan)
{
	memcpy(&ret->ops, &plan->ops, sizeof(plan->ops));
	memcpy(&ret->notes, &plan->notes, sizeof(plan->notes));
	memset(&plan->ops, 0, sizeof(plan->ops));
	memset(&plan->notes, 0, sizeof(plan->notes));
}

/* What waits (drift.h) is left out, and looked at again when its time has come. */
static void leave_out_waiting(struct netd *d, op_vec *ops)
{
	uint64_t now = loop_now(), soonest = UINT64_MAX;
	op_vec waiting = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < ops->n; i++)
		if (drift_waits(d, &ops->v[i], &soonest))
			vec_push(&waiting, ops->v[i]);
		else
			ops->v[n++] = ops->v[i];
	ops->n = n;
	op_vec_free(&waiting);
	if (soonest != UINT64_MAX)
		reconcile_later(d, soonest > now ? soonest - now : 0);
}

/* Runs the plan, or tells why there is none. */
static int carry_out(struct run *run, struct plan *plan, int planned)
{
	AUTO_PLAN struct plan again = { 0 };
	struct plan *now = plan;

	while (planned == 0) {
		leave_out_waiting(run->d, &now->ops);
		if (!run->is_repair)
			report_plan(now);
		run->n_looks++;
		run->is_stale = false;
		run_plan(run, now);
		if (!run->is_stale)
			break;
		log_notice("our nftables tables were changed while this was planned; looking again");
		plan_free(&again);
		memset(&again, 0, sizeof(again));
		planned = plan_now(run->d, &again, &run->n_refused, run->err);
		now = &again;
	}
	if (planned < 0)
		run_host_failed(run, run->err);
	else if (!run->err->number && !run->failed.n)
		host_forget(run->d, now, NULL);
	schedule_retry(run->d, run->err->number || run->failed.n || run->n_refused);
	vec_free(&run->failed);
	doctor_look_soon(run->d);
	return run->err->number;
}

static int end_run(const struct run *run, struct vnet_error *err)
{
	if (err && run->err->number && !vnet_error_is_set(err))
		*err = *run->err;
	return run->err->number;
}

static int reconcile_as(struct netd *d, bool is_repair, struct outcome *outcome,
			struct vnet_error *err)
{
	AUTO_PLAN struct plan plan = { 0 };
	struct vnet_error problem = { 0 };
	struct run run = { .d = d, .err = &problem, .is_repair = is_repair };

	carry_out(&run, &plan, plan_now(d, &plan, &run.n_refused, &problem));
	if (outcome)
		outcome_take(outcome, &plan);
	return end_run(&run, err);
}

void reconcile_seen(struct netd *d, struct snapshot *snap)
{
	AUTO_PLAN struct plan plan = { 0 };
	struct vnet_error problem = { 0 };
	struct run run = { .d = d, .err = &problem };

	carry_out(&run, &plan, plan_by(d, snap, &plan, &run.n_refused, &problem));
}

int reconcile(struct netd *d, struct outcome *outcome, struct vnet_error *err)
{
	return reconcile_as(d, false, outcome, err);
}

int reconcile_repair(struct netd *d, struct outcome *outcome, struct vnet_error *err)
{
	int r;

	drift_release_due(d);
	r = reconcile_as(d, true, outcome, err);
	drift_repaired(d, outcome->ops.v, outcome->ops.n);
	drift_looked(d);
	dhcp_look_after(d);
	return r;
}

int reconcile_prepared(struct netd *d, struct preparation *p, struct vnet_error *err)
{
	struct vnet_error problem = { 0 };
	struct run run = { .d = d, .err = &problem };

	note_devices(d, &p->snap);
	watch_fdb(d);
	carry_out(&run, &p->plan, host_remember(d, &p->plan, &problem));
	return end_run(&run, err);
}

int reconcile_prepare(struct netd *d, struct network *const *nets, size_t n_nets,
		      struct preparation *p, struct vnet_error *err)
{
	struct desired desired = { 0 };
	int r;

	build_desired(d, nets, n_nets, &desired);
	r = make_plan(d, &desired, &p->snap, &p->plan, err);
	desired_forget(&desired);
	if (r == 0)
		dhcp_plan(d, nets, n_nets, &p->services);
	return r;
}

void preparation_take(struct preparation *p, struct outcome *ret)
{
	vec_each(note, &p->plan.notes)
		vec_push(&ret->notes, *note);
	p->plan.notes.n = 0;
	op_vec_free(&ret->ops);
	memcpy(&ret->ops, &p->plan.ops, sizeof(ret->ops));
	memset(&p->plan.ops, 0, sizeof(p->plan.ops));
	vec_each(op, &p->services)
		vec_push(&ret->ops, *op);
	p->services.n = 0;
}
