/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_end.c - how ports end: detached, their device gone, their owner gone
 *
 * The order is that of the beginning in reverse: off the bridge, then the rules,
 * then the device and the state. What a crash leaves of it the next start finds.
 */

#include "netd/port.h"

#include "netd/flows.h"
#include "netd/groups.h"
#include "netd/log.h"
#include "netd/owner.h"
#include "nft/ruleset.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_USEC 1000000

/*
 * The port as rules know it when its device may be gone: by the number that
 * never comes back.  A macvtap port's chain has the device's name.
 */
static struct port *port_by_number(const struct port_entry *entry)
{
	struct port *port = port_copy(entry->port);

	if (entry->ifindex && port->kind != PORT_MACVTAP)
		snprintf(port->ifname, sizeof(port->ifname), "#%d", entry->ifindex);
	return port;
}

void port_remove_rules(struct netd *d, struct port_entry *entry)
{
	AUTO(port_free) struct port *port = port_by_number(entry);
	struct op op = { .kind = OP_NFT,
			 .nft = nft_txn_for_port(entry->network->net, port, NULL) };
	struct vnet_error err = { 0 };
	size_t done;

	if (!entry->ifindex || nft_txn_is_empty(op.nft)) {
		nft_txn_free(op.nft);
		return;
	}
	/* Elements left behind name a device that is gone: no harm, and the next reconcile takes them. */
	if (kernel_execute(d->kernel, &op, 1, &done, &err) < 0)
		reconcile_later(d, RETRY_USEC);
	nft_txn_free(op.nft);
}

/*
 * An adopted device is open in a guest's process already: it must leave the
 * bridge before its rules go. False: it did not, and the rules must stay; netd
 * knows the port no more then, so the next reconcile lowers it.
 */
static bool take_off_bridge(struct netd *d, const struct port_entry *entry)
{
	struct op op = { .kind = OP_LINK_SET };
	size_t done;

	if (!entry->port->adopted || !entry->ifindex)
		return true;
	snprintf(op.link.name, sizeof(op.link.name), "%s", entry->port->ifname);
	op.link.set = LINK_SET_MASTER | LINK_SET_UP | LINK_SET_ALIAS;
	return kernel_execute(d->kernel, &op, 1, &done, NULL) == 0 ||
	       !port_device_is_there(entry->ifindex);
}

void port_undo_attach(struct netd *d, struct port_entry *entry, struct attachment *a)
{
	if (take_off_bridge(d, entry))
		port_remove_rules(d, entry);
	else
		reconcile_later(d, 0);
	device_kind(entry->port)->remove(d, entry, NULL);
	/* What may be left, because this failed too, is marked as ours and known to nobody: the planner's. */
	reconcile_later(d, RETRY_USEC);
	port_close_fds(a);
	journal_del(d->port_journal, entry->port->name, NULL);
	registry_remove_port(&d->registry, entry);
}

/* Everything of a port but its rules and its device. */
static void forget(struct netd *d, struct port_entry *entry)
{
	struct network_entry *network = entry->network;
	bool had_addresses = entry->port->addresses.n > 0;

	trace_port_gone(d, entry);
	flows_forget_port(d, entry);
	dhcp_release_leases(d, entry);
	journal_del(d->port_journal, entry->port->name, NULL);
	monitor_emit(d, "port-removed", entry->port->network, entry->port->name, NULL, "%s",
		     port_interface(entry));
	registry_remove_port(&d->registry, entry);
	if (had_addresses)
		dhcp_changed(d, network);
	if ((network->is_orphan && !network->n_ports) || groups_have_orphans(d))
		reconcile_later(d, 0);
}

/* ---- detach ---- */

static int take_apart(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	AUTO_OPS op_vec ops = { 0 };
	size_t done;
	int r;

	plan_port_detach(entry->network->net, entry->port, port_has_device(entry), &ops);
	r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	/* Where the planner's operations do not reach. */
	if (r == 0 && entry->is_elsewhere)
		r = device_kind(entry->port)->remove(d, entry, err);
	return r;
}

int port_detach(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	int r = take_apart(d, entry, err);

	if (r < 0 && (!entry->ifindex || port_device_is_there(entry->ifindex))) {
		vnet_error_prefix(err, "port %s", entry->port->name);
		return r;
	}
	if (r < 0) {
		/* Its guest ended in this very moment. */
		vnet_error_clear(err);
		port_remove_rules(d, entry);
	}
	forget(d, entry);
	return 0;
}

static int take_apart_many(struct netd *d, const port_entry_vec *entries, struct vnet_error *err)
{
	VEC(struct plan_detach) many = { 0 };
	AUTO_OPS op_vec ops = { 0 };
	size_t done;
	int r;

	vec_each(entry, entries)
		vec_push(&many, (struct plan_detach){ .net = (*entry)->network->net,
						      .port = (*entry)->port,
						      .device_exists = port_has_device(*entry) });
	plan_ports_detach(many.v, many.n, &ops);
	vec_free(&many);
	r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	vec_each(entry, entries)
		if (r == 0 && (*entry)->is_elsewhere)
			r = device_kind((*entry)->port)->remove(d, *entry, err);
	return r;
}

static int detach_one_by_one(struct netd *d, const port_entry_vec *entries, struct vnet_error *err)
{
	int r = 0;

	vec_each(entry, entries)
		if (r == 0)
			r = port_detach(d, *entry, err);
	return r;
}

int ports_detach(struct netd *d, const port_entry_vec *entries, struct vnet_error *err)
{
	int r;

	if (entries->n < 2)
		return detach_one_by_one(d, entries, err);
	journal_begin(d->port_journal);
	r = take_apart_many(d, entries, err);
	if (r == 0) {
		vec_each(entry, entries)
			forget(d, *entry);
	} else {
		/* One of the guests may just have ended: alone each is looked at. */
		vnet_error_clear(err);
		r = detach_one_by_one(d, entries, err);
	}
	journal_commit(d->port_journal, NULL);
	return r;
}

/* ---- the device is gone ---- */

void port_set_gone(struct netd *d, struct port_entry *entry)
{
	if (entry->is_gone || entry->is_attaching)
		return;
	entry->is_gone = true;
	vec_push(&d->gone, entry);
}

/* A persistent port without a device: made again by the plan, or when it is attached again. */
static void wait_for_device(struct netd *d, struct port_entry *entry)
{
	struct vnet_error err = { 0 };

	entry->is_gone = false;
	registry_set_ifindex(&d->registry, entry, 0);
	port_save(d, entry, entry->port, NULL);
	if (device_kind(entry->port)->is_remade) {
		reconcile_later(d, 0);
		return;
	}
	vnet_error_set(&err, -ENODEV, "device-gone",
		       "its device %s has vanished; attach it again to have it made anew",
		       entry->port->ifname);
	port_set_blocked(d, entry, &err);
}

void ports_forget_gone(struct netd *d)
{
	struct op op = { .kind = OP_NFT };
	size_t done;

	if (!d->gone.n)
		return;
	/* One transaction for all: a host that shuts down loses hundreds at once. */
	op.nft = nft_txn_new();
	vec_each(entry, &d->gone) {
		AUTO(port_free) struct port *port = port_by_number(*entry);

		nft_txn_add_port(op.nft, (*entry)->network->net, port, NULL);
	}
	if (!nft_txn_is_empty(op.nft) && kernel_execute(d->kernel, &op, 1, &done, NULL) < 0)
		reconcile_later(d, RETRY_USEC);
	nft_txn_free(op.nft);
	vec_each(entry, &d->gone) {
		const struct port *port = (*entry)->port;

		if (port->persistent && device_kind(port)->has_persistence)
			wait_for_device(d, *entry);
		else
			forget(d, *entry);
	}
	d->gone.n = 0;
}

/* ---- the owner is gone ---- */

static bool has_no_owner(const struct port_entry *entry)
{
	return !entry->is_attaching &&
	       (entry->has_no_owner || (entry->owner && owner_has_ended(entry->owner)));
}

bool ports_end_unowned(struct netd *d)
{
	port_entry_vec entries = { 0 };
	struct vnet_error err = { 0 };
	char text[1024];
	bool were_any;

	vec_each(entry, &d->registry.ports) {
		if (!has_no_owner(*entry))
			continue;
		log_info("port %s: its process %d has ended", (*entry)->port->name,
			 (int)(*entry)->port->owner_pid);
		vec_push(&entries, *entry);
	}
	if (ports_detach(d, &entries, &err) < 0) {
		log_error("%s; trying again", vnet_error_text(&err, text, sizeof(text)));
		reconcile_later(d, RETRY_USEC);
	}
	were_any = entries.n > 0;
	vec_free(&entries);
	return were_any;
}
