/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcp.c - between the registry and dnsmasq's supervision: who has which address, and who is told. */

#include "netd/netd.h"

#include "netd/held.h"
#include "netd/log.h"

#include <errno.h>
#include <stdio.h>

/* Many ports may come or go in one moment: their addresses are written once. */
#define GATHER_USEC 20000
/* A dnsmasq that takes longer to start or to test its files is not waited for. */
#define TELL_USEC 3000000

/* Ports of the network whose addresses dnsmasq is to know. */
static void list_ports(const struct netd *d, const char *network, port_ptr_vec *ret)
{
	const struct network_entry *of = registry_network(&d->registry, network);

	if (!of || !of->n_ports)
		return;
	vec_each(entry, &d->registry.ports)
		if ((*entry)->network == of)
			vec_push(ret, (*entry)->port);
}

int dhcp_apply(struct netd *d, struct network_entry *entry, struct vnet_error *err)
{
	const struct network net = network_entry_in_force(entry);
	enum service_action action;
	port_ptr_vec ports = { 0 };
	int r;

	if (!entry->is_wanted) {
		dnsmasq_stop(d->dnsmasq, entry->net->name);
		return 0;
	}
	if (network_wants_dnsmasq(&net))
		list_ports(d, net.name, &ports);
	r = dnsmasq_apply(d->dnsmasq, &net, (const struct port *const *)ports.v, ports.n,
			  &action, err);
	vec_free(&ports);
	return r < 0 ? r : 0;
}

void dhcp_plan(struct netd *d, struct network *const *nets, size_t n_nets, op_vec *ops)
{
	for (size_t i = 0; i < n_nets; i++) {
		const struct network_entry *entry = registry_network(&d->registry, nets[i]->name);
		port_ptr_vec ports = { 0 };
		enum service_action action;

		/* What stays stopped starts no service. */
		if (entry ? !entry->is_wanted && !entry->is_due : !nets[i]->autostart)
			continue;
		list_ports(d, nets[i]->name, &ports);
		if (dnsmasq_would(d->dnsmasq, nets[i], (const struct port *const *)ports.v, ports.n,
				  &action, NULL) == 1)
			op_add(ops, OP_SERVICE, nets[i]->name)->service = action;
		vec_free(&ports);
	}
}

/* ---- reserved addresses of ports ---- */

static void answer_waiters(struct netd *d, bool is_end);

static void apply_stale(struct netd *d)
{
	vec_each(name, &d->stale_dhcp) {
		struct network_entry *entry = registry_network(&d->registry, *name);
		struct vnet_error err = { 0 };

		if (entry && entry->is_wanted && dhcp_apply(d, entry, &err) < 0)
			log_error("network %s: %s", *name, err.message);
		free(*name);
	}
	d->stale_dhcp.n = 0;
	loop_remove(d->dhcp_timer);
	d->dhcp_timer = NULL;
}

static void on_gathered(void *arg)
{
	struct netd *d = arg;

	apply_stale(d);
	if (d->dhcp_waiters.n)
		answer_waiters(d, false);
}

void dhcp_changed(struct netd *d, const struct network_entry *entry)
{
	vec_each(name, &d->stale_dhcp)
		if (strcmp(*name, entry->net->name) == 0)
			return;
	vec_push(&d->stale_dhcp, mem_strdup(entry->net->name));
	if (!d->dhcp_timer)
		loop_timer_add(d->loop, GATHER_USEC, on_gathered, d, &d->dhcp_timer);
}

/* ---- who waits until dnsmasq knows them ---- */

static void on_waited(void *arg);

/* Answers those whose wait is over; everybody with is_end. */
static void answer_waiters(struct netd *d, bool is_end)
{
	uint64_t now = loop_now(), next = 0;

	for (size_t i = 0; i < d->dhcp_waiters.n;) {
		struct dhcp_waiter w = d->dhcp_waiters.v[i];
		bool was_told = dnsmasq_is_settled(d->dnsmasq, w.network);

		if (!was_told && !is_end && now < w.until) {
			next = !next || w.until < next ? w.until : next;
			i++;
			continue;
		}
		vec_remove(&d->dhcp_waiters, i);
		w.fn(w.arg, was_told);
		free(w.network);
	}
	loop_remove(d->dhcp_wait_timer);
	d->dhcp_wait_timer = NULL;
	if (next)
		loop_timer_add(d->loop, next - now, on_waited, d, &d->dhcp_wait_timer);
}

static void on_waited(void *arg)
{
	answer_waiters(arg, false);
}

void dhcp_when_told(struct netd *d, const struct network_entry *entry,
		    void (*fn)(void *arg, bool was_told), void *arg)
{
	struct dhcp_waiter w = { .network = mem_strdup(entry->net->name), .fn = fn, .arg = arg,
				 .until = loop_now() + TELL_USEC };

	vec_push(&d->dhcp_waiters, w);
	if (!d->stale_dhcp.n) {
		answer_waiters(d, false);
		return;
	}
	/* At the end of this round: what other clients ask for in it costs no files of its own. */
	loop_remove(d->dhcp_timer);
	loop_timer_add(d->loop, 0, on_gathered, d, &d->dhcp_timer);
}

void dhcp_end_waiting(struct netd *d)
{
	answer_waiters(d, true);
	vec_free(&d->dhcp_waiters);
}

static void on_moved(void *context)
{
	struct netd *d = context;

	if (d->dhcp_waiters.n)
		answer_waiters(d, false);
}

/* ---- leases ---- */

const struct lease_file *dhcp_leases(struct netd *d, const struct network_entry *entry)
{
	return dnsmasq_leases(d->dnsmasq, entry->net->name);
}

void dhcp_port_addresses(struct netd *d, const struct port_entry *entry, ip_vec *ret)
{
	const struct lease_file *file;

	if (!entry->port->has_mac)
		return;
	file = dhcp_leases(d, entry->network);
	if (!file)
		return;
	vec_each(lease, &file->leases)
		if (lease->has_mac && mac_cmp(&lease->mac, &entry->port->mac) == 0)
			vec_push(ret, lease->address);
}

void dhcp_release_leases(struct netd *d, const struct port_entry *entry)
{
	if (entry->port->has_mac && entry->network->is_wanted)
		dnsmasq_release(d->dnsmasq, entry->network->net->name, &entry->port->mac);
}

static struct port_entry *port_of_lease(struct netd *d, const char *network,
					const struct lease *lease)
{
	vec_each(entry, &d->registry.ports)
		if (lease->has_mac && (*entry)->port->has_mac &&
		    mac_cmp(&(*entry)->port->mac, &lease->mac) == 0 &&
		    strcmp((*entry)->port->network, network) == 0)
			return *entry;
	return NULL;
}

static void on_lease(void *context, const char *network, enum lease_change change,
		     const struct lease *lease)
{
	struct netd *d = context;
	char address[ADDR_TEXT_MAX], mac[ADDR_TEXT_MAX];
	struct port_entry *entry = port_of_lease(d, network, lease);
	bool is_added = change == LEASE_ADDED;

	if (change == LEASE_RENEWED)
		return;
	ip_format(&lease->address, address);
	if (lease->has_mac)
		mac_format(&lease->mac, mac);
	monitor_emit(d, is_added ? "lease-added" : "lease-removed", network,
		     entry ? entry->port->name : NULL,
		     json_pack("{s:s,s:s*,s:s*}", "address", address, "mac",
			       lease->has_mac ? mac : NULL, "hostname", lease->hostname),
		     "%s %s %s", address, is_added ? "leased to" : "given back by",
		     lease->has_mac ? mac : "a client");
	if (entry)
		held_lease_changed(d, entry, change, lease);
}

static void on_state(void *context, const char *network, enum dnsmasq_state state,
		     const struct vnet_error *problem)
{
	struct netd *d = context;

	/* dnsmasq.c has logged it: here it reaches those who watch. The network forwards all the same. */
	if (problem)
		monitor_emit(d, "network-failed", network, NULL, NULL, "DHCP and DNS: %s",
			     problem->message);
	else if (state == DNSMASQ_RUNNING)
		monitor_emit(d, "network-changed", network, NULL, NULL, "DHCP and DNS serve");
}

static void on_put_back(void *context, const char *network, const char *text)
{
	log_notice("network %s: put back: %s", network, text);
	monitor_emit(context, "repaired", network, NULL, NULL, "%s", text);
}

void dhcp_look_after(struct netd *d)
{
	dnsmasq_look_after(d->dnsmasq, on_put_back, d);
}

static void on_resolvers(void *context)
{
	struct netd *d = context;

	vec_each(entry, &d->registry.networks)
		if ((*entry)->is_wanted)
			dhcp_changed(d, *entry);
}

int dhcp_init(struct netd *d, struct vnet_error *err)
{
	static const struct dnsmasq_callbacks callbacks = { on_lease, on_state, on_moved,
							     on_resolvers };
	const struct dnsmasq_options options = { .run_dir = d->run_dir, .state_dir = d->state_dir,
						 .program = d->dnsmasq_program,
						 .has_group = d->users.name, .group = d->users.dnsmasq_gid,
						 .egress_hold = &d->settings.egress_hold };
	int r = dnsmasq_set_new(d->loop, &options, &callbacks, d, &d->dnsmasq, err);

	return r < 0 ? r : dnsmasq_adopt(d->dnsmasq, err);
}
