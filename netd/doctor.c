/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.c - facts for diagnose(), and the fixes kept in force
 *
 * Fixes are rules in others' chains. Who owns those chains may write them anew at
 * any time, and our networks come and go: so `--fix` is not an act but a wish that
 * is kept until `--unfix`, across restarts. Whenever others' rules or our networks
 * change, the difference between what is there and what is needed is one small
 * transaction, and mostly none.
 */

#include "netd/netd.h"

#include "netd/dnsmasq_process.h"
#include "netd/doctor_files.h"
#include "netd/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#define STORED_NAME "fixes"
#define FIX_ATTEMPTS 5          /* while others change the same chains */
#define SETTLE_USEC 30000       /* events of one action come within this */
#define LOOK_SHARE 10           /* a look is followed by a rest of ten times its length */
#define REPAIRS_BEFORE_PATIENCE 5 /* in REPAIR_INTERVAL_USEC */
#define REPAIR_INTERVAL_USEC 10000000ull
#define PATIENCE_USEC 1000000ull

/* ---- facts ---- */

/* Where the default route with the best metric leads. */
static void default_exit(const struct snapshot *snap, int family, char ret[16])
{
	const struct route *best = NULL;
	const struct link *link;

	vec_each(route, &snap->routes)
		if (route->family == family && !route->dst.len && route->oif && route->table == RT_TABLE_MAIN &&
		    (!best || route->metric < best->metric))
			best = route;
	link = best ? snapshot_link_by_index(snap, best->oif) : NULL;
	snprintf(ret, 16, "%s", link ? link->name : "");
}

static unsigned count_default_devices(const struct snapshot *snap)
{
	VEC(int) devices = { 0 };
	unsigned n;

	vec_each(route, &snap->routes) {
		bool is_known = !route->oif || route->family != AF_INET || route->dst.len ||
				route->table != RT_TABLE_MAIN;

		vec_each(device, &devices)
			is_known |= *device == route->oif;
		if (!is_known)
			vec_push(&devices, route->oif);
	}
	n = (unsigned)devices.n;
	vec_free(&devices);
	return n;
}

/* The way of a guest's packet out, and of its answer back, in the kernel's own words. */
static void ask_ways(struct netd *d, struct doctor_network *network, int family, char exit[16], int *ret_out,
		     int *ret_back)
{
	struct ip guest, outside;
	char oif[16];

	doctor_ends(network->net, family, &guest, &outside);
	if (!network->is_running || !guest.family || !network->bridge[0])
		return;
	*ret_out = kernel_ask_route(d->kernel, network->bridge, &guest, &outside, oif);
	if (*ret_out == 0 && oif[0])
		snprintf(exit, 16, "%s", oif);
	if (*ret_out == 0 && exit[0])
		*ret_back = kernel_ask_route(d->kernel, exit, &outside, &guest, oif);
}

static void add_network(struct netd *d, const struct network_entry *entry, const struct snapshot *snap,
			struct doctor_facts *facts)
{
	struct doctor_network *network = vec_add(&facts->networks);
	struct vnet_error problem = { 0 };
	const struct link *bridge;

	network->net = entry->net;
	network->is_running = entry->state == NETWORK_RUNNING;
	if (network_problem(d, entry, &problem))
		network->problem = mem_strdup(problem.message);
	if (!network_has_bridge(entry->net))
		return;
	network_bridge(entry->net, network->bridge);
	bridge = snapshot_link(snap, network->bridge);
	vec_each(port, &d->registry.ports)
		if ((*port)->network == entry && (*port)->ifindex)
			memcpy(network->port, port_interface(*port), strnlen(port_interface(*port), 15));
	vec_each(link, &snap->links)
		network->bridge_ports += bridge && link->master == bridge->ifindex;
	default_exit(snap, AF_INET, network->exit4);
	default_exit(snap, AF_INET6, network->exit6);
	if (entry->net->nat.uplink) {
		snprintf(network->exit4, sizeof(network->exit4), "%s", entry->net->nat.uplink);
		snprintf(network->exit6, sizeof(network->exit6), "%s", entry->net->nat.uplink);
	}
	if (entry->net->mode == NETWORK_ISOLATED || entry->net->mode == NETWORK_BRIDGED)
		return;
	ask_ways(d, network, AF_INET, network->exit4, &network->out4, &network->back4);
	ask_ways(d, network, AF_INET6, network->exit6, &network->out6, &network->back6);
}

/* Devices on our own bridges that nobody told us of. */
static void add_strangers(struct netd *d, const struct snapshot *snap, struct doctor_facts *facts)
{
	vec_each(link, &snap->links) {
		struct network_entry *entry = link->master ? registry_network_by_ifindex(&d->registry, link->master) :
							     NULL;
		char bridge[16];

		if (!entry || !network_owns_bridge(entry->net) || link_is_ours(link) ||
		    registry_port_by_ifindex(&d->registry, link->ifindex) ||
		    (entry->net->uplink && strcmp(entry->net->uplink, link->name) == 0))
			continue;
		vec_push(&facts->strangers,
			 mem_printf("%s %s", link->name, network_bridge(entry->net, bridge)));
	}
}

static void add_sockets(struct netd *d, struct doctor_facts *facts)
{
	doctor_socket_vec sockets = { 0 };

	kernel_list_listeners(d->kernel, &sockets);
	vec_each(socket, &sockets)
		if (!socket->pid || !dnsmasq_is_ours(d->dnsmasq, socket->pid))
			vec_push(&facts->sockets, *socket);
	vec_free(&sockets);
}

static int read_sysctls(struct netd *d, struct doctor_facts *facts, struct vnet_error *err)
{
	struct snapshot snap = { 0 };
	int r;

	doctor_wanted_sysctls(facts);
	vec_each(sysctl, &facts->sysctls)
		vec_push(&snap.sysctls, *sysctl);
	r = kernel_read_sysctls(d->kernel, &snap, err);
	facts->sysctls.n = 0;
	vec_each(sysctl, &snap.sysctls)
		vec_push(&facts->sysctls, *sysctl);
	snapshot_free(&snap);
	return r;
}

/* What decides about packets: all that the fixes need. */
static int gather_filters(struct netd *d, const struct peer *peer, const struct snapshot *snap,
			  struct doctor_facts *ret, struct vnet_error *err)
{
	int r;

	vec_each(entry, &d->registry.networks)
		if (((*entry)->is_wanted || (*entry)->state == NETWORK_FAILED) &&
		    (!peer || access_may_see(d->policy, peer, (*entry)->net)))
			add_network(d, *entry, snap, ret);
	r = read_sysctls(d, ret, err);
	return r < 0 ? r : kernel_read_filters(d->kernel, &ret->tables, err);
}

int doctor_gather(struct netd *d, const struct peer *peer, struct doctor_facts *ret, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_FREE char *dnsmasq = dnsmasq_find_program();
	int r = kernel_snapshot(d->kernel, SNAPSHOT_LINKS | SNAPSHOT_ROUTES, &snap, err);

	if (r == 0)
		r = gather_filters(d, peer, &snap, ret, err);
	if (r < 0)
		return r;
	ret->default_devices4 = count_default_devices(&snap);
	ret->has_dnsmasq = dnsmasq;
	add_strangers(d, &snap, ret);
	add_sockets(d, ret);
	doctor_read_files(&snap, ret);
	vec_each(note, &d->notes)
		vec_push(&ret->lacking, mem_strdup(*note));
	return 0;
}

/* ---- fixes ---- */

static void tell(text_list *ret, const char *verb, const struct fix_rule *rule)
{
	AUTO_FREE char *text = fix_rule_text(rule);

	log_info("doctor: %s %s", verb, text);
	vec_push(ret, mem_printf("%s %s", verb, text));
}

/* Brings others' chains to what is needed, or to nothing of ours. -EAGAIN: they changed meanwhile. */
static int fix_once(struct netd *d, bool keep, text_list *ret_changes, struct vnet_error *err)
{
	AUTO_SNAPSHOT struct snapshot snap = { 0 };
	AUTO_FACTS struct doctor_facts facts = { 0 };
	fix_rule_vec wanted = { 0 }, add = { 0 };
	fix_present_vec remove = { 0 };
	int r = kernel_snapshot(d->kernel, SNAPSHOT_LINKS | SNAPSHOT_ROUTES, &snap, err);

	if (r == 0)
		r = gather_filters(d, NULL, &snap, &facts, err);
	if (r == 0) {
		if (keep)
			doctor_fixes(&facts, &wanted);
		doctor_fixes_diff(&facts, &wanted, &add, &remove);
		r = kernel_fix_filters(d->kernel, &add, &remove, err);
	}
	if (r == 0) {
		vec_each(present, &remove)
			tell(ret_changes, "removed", &present->rule);
		vec_each(rule, &add)
			tell(ret_changes, "added", rule);
	}
	vec_free(&wanted);
	vec_free(&add);
	vec_free(&remove);
	return r;
}

static int fix(struct netd *d, bool keep, text_list *ret_changes, struct vnet_error *err)
{
	struct vnet_error problem = { 0 };
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < FIX_ATTEMPTS; i++) {
		vnet_error_clear(&problem);
		r = fix_once(d, keep, ret_changes, &problem);
	}
	if (r < 0)
		*err = problem;
	return r;
}

static int remember(struct netd *d, bool keep, struct vnet_error *err)
{
	json_t *object;
	int r;

	if (!keep)
		return store_remove(d->store, STORE_DOCTOR, STORED_NAME, err);
	object = json_object();
	r = store_put(d->store, STORE_DOCTOR, STORED_NAME, object, err);
	json_decref(object);
	return r;
}

int doctor_keep_fixes(struct netd *d, bool keep, text_list *ret_changes, struct vnet_error *err)
{
	int r = remember(d, keep, err);

	if (r < 0)
		return r;
	if (keep != d->keeps_fixes)
		log_notice("doctor: rules that let our networks pass in others' chains are %s",
			   keep ? "kept in force" : "taken away");
	d->keeps_fixes = keep;
	return fix(d, keep, ret_changes, err);
}

void doctor_load(struct netd *d)
{
	json_t *object = store_get(d->store, STORE_DOCTOR, STORED_NAME);

	d->keeps_fixes = object;
	json_decref(object);
}

/*
 * A look reads all rules of the host: with many of them it must not be taken at each of
 * their changes. Nor must one who takes ours away again and again keep us at it.
 */
static struct {
	uint64_t end, cost;     /* of the last look */
	uint64_t since;         /* the first of repairs */
	unsigned repairs;
} past;

static uint64_t pause_before_look(void)
{
	uint64_t now = loop_now(), rest = past.cost * LOOK_SHARE;

	if (now - past.since > REPAIR_INTERVAL_USEC)
		past.repairs = 0;
	if (past.repairs > REPAIRS_BEFORE_PATIENCE && rest < PATIENCE_USEC)
		rest = PATIENCE_USEC;
	/* One change after a quiet time is followed at once. */
	return past.end + rest > now + SETTLE_USEC ? past.end + rest - now : SETTLE_USEC;
}

static void note_repair(void)
{
	if (!past.repairs++)
		past.since = loop_now();
}

static void look(void *arg)
{
	static struct log_limit limit = LOG_LIMIT(60, 3);
	struct netd *d = arg;
	struct vnet_error err = { 0 };
	text_list changes = { 0 };
	uint64_t before = loop_now();

	d->fix_timer = NULL;
	if (!d->keeps_fixes)
		return;
	if (fix(d, true, &changes, &err) < 0 && log_limit_pass(&limit))
		log_error("doctor: %s", err.message);
	if (changes.n)
		note_repair();
	vec_each(text, &changes)
		free(*text);
	vec_free(&changes);
	past.end = loop_now();
	past.cost = past.end - before;
}

void doctor_look_soon(struct netd *d)
{
	if (d->keeps_fixes && !d->fix_timer)
		loop_timer_add(d->loop, pause_before_look(), look, d, &d->fix_timer);
}
