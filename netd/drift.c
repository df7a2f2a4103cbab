/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drift.c - what others change of what is netd's; see drift.h
 *
 * Events only ask for a look (reconcile()). What was changed is told by the operations that
 * the plan then has, and these are what is counted: an event that comes to nothing costs no
 * patience. A thing that waits is left out of the plan's operations (reconcile.c), whatever
 * the look was for.
 */

#include "netd/drift.h"

#include "netd/devices.h"
#include "netd/log.h"
#include "netd/netd.h"
#include "vnet/error.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000ull
#define LINES_MAX 100           /* of one repair in the log; there may be a thousand ports on a bridge */

/* ---- who ---- */

/* "process 4711 (ip)", "process 4711", "somebody" */
static const char *culprit_text(const struct culprit *by, char *buf, size_t size)
{
	if (by->pid <= 0)
		snprintf(buf, size, "somebody");
	else if (by->process[0])
		snprintf(buf, size, "process %d (%s)", by->pid, by->process);
	else
		snprintf(buf, size, "process %d, which has ended,", by->pid);
	return buf;
}

void drift_seen(struct drift *drift, int pid, const char *process)
{
	char path[32], *name = drift->by.process;
	ssize_t n = -1;
	int fd;

	/* The number is the process's for its first socket only; the kernel makes others up below zero. */
	if (pid <= 0)
		return;
	drift->by.pid = pid;
	if (process && process[0]) {
		snprintf(name, sizeof(drift->by.process), "%s", process);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, sizeof(drift->by.process) - 1);
		close(fd);
	}
	name[n > 0 ? n : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

static json_t *culprit_to_json(const struct culprit *by)
{
	if (by->pid <= 0)
		return NULL;
	return json_pack("{s:{s:i,s:s*}}", "by", "pid", by->pid, "process",
			 by->process[0] ? by->process : NULL);
}

/* ---- when ---- */

static bool is_rules(const struct netd *d, const struct drift *drift)
{
	return drift == &d->rules_drift;
}

static uint64_t quiet_usec(const struct drift *drift)
{
	unsigned doublings = drift->holds ? drift->holds - 1 : 0;

	if (doublings > DRIFT_QUIET_DOUBLINGS)
		doublings = DRIFT_QUIET_DOUBLINGS;
	return DRIFT_QUIET_SECONDS * SECOND << doublings;
}

static void touched(struct netd *d, struct drift *drift, uint64_t settle)
{
	uint64_t now = loop_now();

	drift->is_touched = true;
	if (drift->is_held)
		drift->due = now + quiet_usec(drift);
	reconcile_later(d, drift->due > now + settle ? drift->due - now : settle);
}

/* ---- whose ---- */

static struct drift *drift_of(struct netd *d, const struct op *op)
{
	const char *device = op_device(op);
	struct network_entry *network = registry_network(&d->registry, op->network);
	struct port_entry *port = device[0] ? registry_port_by_ifname(&d->registry, device) : NULL;

	if (op->kind == OP_NFT)
		return &d->rules_drift;
	if (port && port->network == network)
		return &port->drift;
	return network ? &network->drift : &d->host_drift;
}

static bool is_port(struct netd *d, const struct drift *drift, const struct op *op)
{
	const struct network_entry *network = registry_network(&d->registry, op->network);

	return network && drift != &network->drift && op->kind != OP_NFT;
}

static bool waits(const struct drift *drift, uint64_t now, uint64_t *soonest)
{
	if (drift->due <= now)
		return false;
	if (drift->due < *soonest)
		*soonest = drift->due;
	return true;
}

bool drift_waits(struct netd *d, const struct op *op, uint64_t *soonest)
{
	const struct network_entry *network = registry_network(&d->registry, op->network);
	const struct drift *rules = &d->rules_drift;
	uint64_t now = loop_now();

	/* What is on a bridge that waits waits too, and nothing comes up without the rules. */
	return waits(drift_of(d, op), now, soonest) ||
	       (network && waits(&network->drift, now, soonest)) ||
	       (rules->is_held && waits(rules, now, soonest));
}

/* Its names, for those who are told; NULL where it has none. */
static const struct port_entry *port_of(struct netd *d, const struct drift *drift)
{
	vec_each(entry, &d->registry.ports)
		if (&(*entry)->drift == drift)
			return *entry;
	return NULL;
}

static const struct network_entry *network_of(struct netd *d, const struct drift *drift)
{
	vec_each(entry, &d->registry.networks)
		if (&(*entry)->drift == drift)
			return *entry;
	return NULL;
}

struct names {
	const char *network, *port;
	char text[160];         /* "network blue", "port web", "rules", "host" */
};

static void find_names(struct netd *d, const struct drift *drift, struct names *ret)
{
	const struct port_entry *port = port_of(d, drift);
	const struct network_entry *network = port ? port->network : network_of(d, drift);

	ret->port = port ? port->port->name : NULL;
	ret->network = network ? network->net->name : NULL;
	if (port)
		snprintf(ret->text, sizeof(ret->text), "port %s", ret->port);
	else if (network)
		snprintf(ret->text, sizeof(ret->text), "network %s", ret->network);
	else
		snprintf(ret->text, sizeof(ret->text), "%s", is_rules(d, drift) ? "rules" : "host");
}

/* ---- events ---- */

void drift_port(struct netd *d, struct port_entry *entry)
{
	touched(d, &entry->drift, DRIFT_SETTLE_USEC);
}

void drift_network(struct netd *d, struct network_entry *entry)
{
	touched(d, entry ? &entry->drift : &d->host_drift, DRIFT_SETTLE_USEC);
}

void drift_rules(struct netd *d)
{
	/* The event is of a whole transaction: there is nothing to wait for. */
	touched(d, &d->rules_drift, 0);
}

/* ---- holding ---- */

static void add_down(op_vec *ops, const char *network, const char *ifname)
{
	struct op *op = op_add(ops, OP_LINK_SET, network);

	snprintf(op->link.name, sizeof(op->link.name), "%s", ifname);
	op->link.set = LINK_SET_UP;
}

/* A port that has a device here, and so can be set down. */
static bool can_be_cut(const struct port_entry *entry)
{
	return entry->ifindex && !entry->is_elsewhere && entry->port->kind != PORT_VF;
}

/* Guests behind these send nothing and get nothing until the thing is repaired. */
static void cut(struct netd *d, const struct network_entry *network, const struct port_entry *port)
{
	struct vnet_error err = { 0 };
	AUTO_OPS op_vec ops = { 0 };
	size_t done = 0;

	vec_each(entry, &d->registry.ports)
		if (can_be_cut(*entry) && (!network || (*entry)->network == network) &&
		    (!port || *entry == port))
			add_down(&ops, (*entry)->port->network, (*entry)->port->ifname);
	/* One that cannot be set down must not keep the others up. */
	for (size_t i = 0; i < ops.n; i += done + 1)
		if (kernel_execute(d->kernel, ops.v + i, ops.n - i, &done, &err) == 0)
			break;
	if (vnet_error_is_set(&err))
		log_error("cannot cut off what is held: %s", err.message);
}

/* What keeps guests, VLANs or other hosts apart by the bridge alone. */
static bool separates(const struct netd *d, const struct op *op)
{
	const struct network_entry *entry = registry_network(&d->registry, op->network);

	if (op->kind == OP_VLAN_ADD || op->kind == OP_VLAN_DEL)
		return true;
	return op->kind == OP_LINK_SET &&
	       (op->link.set & LINK_SET_ISOLATED ||
		(op->link.set & LINK_SET_BRIDGE && entry && entry->net->bridge.vlan_filtering));
}

static bool any_separates(struct netd *d, const struct drift *drift, const struct op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (drift_of(d, &ops[i]) == drift && separates(d, &ops[i]))
			return true;
	return false;
}

static void hold(struct netd *d, struct drift *drift, const struct op *ops, size_t n)
{
	const struct port_entry *port = port_of(d, drift);
	const struct network_entry *network = network_of(d, drift);
	char who[64];
	struct names names;

	drift->is_held = true;
	drift->holds++;
	drift->due = loop_now() + quiet_usec(drift);
	find_names(d, drift, &names);
	culprit_text(&drift->by, who, sizeof(who));
	log_warning("%s: %s changed it %u times in %llu s; netd leaves it so until nobody has touched it for %llu s, or `vnetctl repair`",
		    names.text, who, drift->repairs,
		    (unsigned long long)((loop_now() - drift->since) / SECOND),
		    (unsigned long long)(quiet_usec(drift) / SECOND));
	monitor_emit(d, "held", names.network, names.port, culprit_to_json(&drift->by),
		     "%s changed it %u times; netd does not put it back for now", who,
		     drift->repairs);
	drift->is_cut = port || is_rules(d, drift) || any_separates(d, drift, ops, n);
	if (drift->is_cut)
		cut(d, network, port);
}

static void release(struct netd *d, struct drift *drift)
{
	struct names names;

	/* From now on it is counted anew, but how often it was held is remembered for a while. */
	*drift = (struct drift){ .since = loop_now(), .holds = drift->holds };
	find_names(d, drift, &names);
	log_notice("%s: netd looks after it again", names.text);
	monitor_emit(d, "resumed", names.network, names.port, NULL, "netd looks after it again");
}

static void release_due(struct netd *d, struct drift *drift)
{
	if (drift->is_held && drift->due <= loop_now())
		release(d, drift);
}

void drift_release_due(struct netd *d)
{
	release_due(d, &d->rules_drift);
	release_due(d, &d->host_drift);
	vec_each(entry, &d->registry.networks)
		release_due(d, &(*entry)->drift);
	vec_each(entry, &d->registry.ports)
		release_due(d, &(*entry)->drift);
}

bool drift_problem(const struct drift *drift, const char *network, struct vnet_error *ret)
{
	char who[64];

	if (!drift->is_held)
		return false;
	vnet_error_set(ret, -EBUSY, "interference",
		       "%s changed it again and again; netd leaves it so until nobody has touched it for %llu s, or `vnetctl repair%s%s`",
		       culprit_text(&drift->by, who, sizeof(who)),
		       (unsigned long long)(quiet_usec(drift) / SECOND), network ? " " : "",
		       network ? network : "");
	return true;
}

bool drift_rules_problem(struct netd *d, struct vnet_error *ret)
{
	return drift_problem(&d->rules_drift, NULL, ret);
}

int drift_check_attach(struct netd *d, const struct network_entry *network, struct vnet_error *err)
{
	const struct drift *drift = d->rules_drift.is_cut ? &d->rules_drift : &network->drift;

	if (!drift->is_cut)
		return 0;
	drift_problem(drift, network->net->name, err);
	vnet_error_prefix(err, "network %s", network->net->name);
	return -EBUSY;
}

/* ---- repairs ---- */

static void count(struct netd *d, struct drift *drift)
{
	uint64_t now = loop_now();
	bool rules = is_rules(d, drift);
	uint64_t window = (rules ? DRIFT_RULES_WINDOW_SECONDS : DRIFT_WINDOW_SECONDS) * SECOND;

	if (now - drift->since > window) {
		/* Long since the last hold: that is forgiven. */
		if (now - drift->since > window + 2 * quiet_usec(drift))
			drift->holds = 0;
		drift->since = now;
		drift->repairs = 0;
	}
	drift->repairs++;
	drift->due = rules || drift->repairs <= DRIFT_AT_ONCE
			     ? 0
			     : now + (DRIFT_SETTLE_USEC << (drift->repairs - DRIFT_AT_ONCE));
}

/* In the log the first ones of a window only; subscribers are told of each. */
static void tell(struct netd *d, const struct drift *drift, const struct op *op, bool is_logged)
{
	AUTO_FREE char *text = op_to_text(op);
	int priority = is_logged && drift->repairs <= DRIFT_AT_ONCE ? LOG_NOTICE : LOG_DEBUG;
	char who[64];
	struct names names;

	find_names(d, drift, &names);
	if (drift->by.pid > 0)
		log_msg(priority, "%s: %s changed it; put back: %s", names.text,
			culprit_text(&drift->by, who, sizeof(who)), text);
	else
		log_msg(priority, "%s: put back: %s", names.text, text);
	monitor_emit(d, "repaired", op->network[0] ? op->network : NULL, names.port,
		     culprit_to_json(&drift->by), "%s", text);
}

/*
 * Is the operation about somebody's interference with just this thing?  The rules follow
 * devices that were put back, and ports their bridge.
 */
static bool counts(struct netd *d, const struct drift *drift, const struct op *op)
{
	const struct network_entry *network = registry_network(&d->registry, op->network);

	if (is_rules(d, drift))
		return drift->is_touched;
	return !network || drift == &network->drift || !network->drift.is_counted;
}

static void count_once(struct netd *d, struct drift *drift, const struct op *op)
{
	if (drift->is_counted || !counts(d, drift, op))
		return;
	count(d, drift);
	drift->is_counted = true;
}

static void end_count(struct netd *d, struct drift *drift, const struct op *ops, size_t n)
{
	if (!drift->is_counted)
		return;
	drift->is_counted = false;
	if (drift->repairs >= (is_rules(d, drift) ? DRIFT_RULES_MAX : DRIFT_REPAIRS_MAX))
		hold(d, drift, ops, n);
}

void drift_repaired(struct netd *d, const struct op *ops, size_t n)
{
	/* Networks first: see counts(). */
	for (size_t i = 0; i < n; i++)
		if (!is_port(d, drift_of(d, &ops[i]), &ops[i]))
			count_once(d, drift_of(d, &ops[i]), &ops[i]);
	for (size_t i = 0; i < n; i++)
		count_once(d, drift_of(d, &ops[i]), &ops[i]);
	for (size_t i = 0; i < n; i++)
		tell(d, drift_of(d, &ops[i]), &ops[i], i < LINES_MAX);
	if (n > LINES_MAX)
		log_notice("host: put back: %zu operations more", n - LINES_MAX);
	for (size_t i = 0; i < n; i++)
		end_count(d, drift_of(d, &ops[i]), ops, n);
}

/* What was seen of a change that has come to nothing, or is put back, says nothing of the next one. */
static void forget_seen(struct drift *drift)
{
	drift->is_touched = false;
	if (drift->due <= loop_now())
		drift->by = (struct culprit){ 0 };
}

void drift_looked(struct netd *d)
{
	forget_seen(&d->rules_drift);
	forget_seen(&d->host_drift);
	vec_each(entry, &d->registry.networks)
		forget_seen(&(*entry)->drift);
	vec_each(entry, &d->registry.ports)
		forget_seen(&(*entry)->drift);
}

/* ---- forgiving ---- */

static void forgive(struct netd *d, struct drift *drift)
{
	if (drift->is_held)
		release(d, drift);
	*drift = (struct drift){ 0 };
}

void drift_forgive_port(struct netd *d, struct port_entry *entry)
{
	forgive(d, &entry->drift);
}

void drift_forgive_host(struct netd *d)
{
	forgive(d, &d->rules_drift);
	forgive(d, &d->host_drift);
}

void drift_forgive_network(struct netd *d, struct network_entry *entry)
{
	forgive(d, &entry->drift);
	drift_forgive_host(d);
	vec_each(port, &d->registry.ports)
		if ((*port)->network == entry)
			forgive(d, &(*port)->drift);
}

void drift_forgive_all(struct netd *d)
{
	vec_each(entry, &d->registry.networks)
		drift_forgive_network(d, *entry);
	drift_forgive_host(d);
}
