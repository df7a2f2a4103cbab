/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports.c - the life of a port
 *
 * Attaching costs what the kernel asks and little more: the device is opened,
 * one nftables transaction adds its elements, one message puts it into the
 * bridge and raises it. The order is the guard's: while the device is down and
 * outside the bridge no frame passes, and it goes up only when its rules stand.
 *
 * netd keeps no descriptor of a port's device. When the last holder of a TAP closes
 * it the kernel removes the device, tells us (events.c), and rules, state and lease
 * follow. What the kernel does not remove so ends with its owner (owner.h).
 */

#include "netd/port.h"

#include "model/check.h"
#include "netd/flows.h"
#include "netd/groups.h"
#include "netd/held.h"
#include "netd/log.h"
#include "netd/owner.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

struct port_entry *port_find(struct netd *d, const char *name, struct vnet_error *err)
{
	struct port_entry *entry = registry_port(&d->registry, name);

	if (!entry)
		vnet_error_set(err, -ENOENT, "port-unknown",
			       "there is no port %s; `vnetctl port list` shows those that exist",
			       name);
	return entry;
}

void port_set_blocked(struct netd *d, struct port_entry *entry, const struct vnet_error *err)
{
	char text[1024];

	entry->state = PORT_BLOCKED;
	entry->problem = *err;
	vnet_error_text(err, text, sizeof(text));
	log_error("port %s: blocked: %s", entry->port->name, text);
	monitor_emit(d, "port-blocked", entry->port->network, entry->port->name, NULL, "%s", text);
}

/* ---- attach ---- */

static int check_limits(struct netd *d, const struct network_entry *network, struct vnet_error *err)
{
	if (d->registry.ports.n >= PORTS_MAX)
		return vnet_error_set(err, -EUSERS, "too-many-ports",
				      "this netd has %d ports, the most it takes", PORTS_MAX);
	if (network->n_ports >= BRIDGE_PORTS_MAX && network_has_bridge(network->net))
		return vnet_error_set(err, -EUSERS, "bridge-full",
				      "network %s has %zu ports, and a Linux bridge takes %d; use a second network",
				      network->net->name, network->n_ports, BRIDGE_PORTS_MAX);
	return 0;
}

/* Gives what the request left open: names, MAC, defaults. */
static void complete(struct netd *d, struct port *port, const struct network_entry *network)
{
	const struct network net = network_entry_in_force(network);

	if (!port->ifname[0])
		registry_new_ifname(&d->registry, port->ifname);
	if (!port->name)
		port->name = mem_strdup(port->ifname);
	port->created = (uint64_t)time(NULL);
	port_complete(port, &net);
	groups_note_port(d, port, &net);
	/* A function has no interface of ours; its name is the port's alone. */
	if (port->kind == PORT_VF)
		port->ifname[0] = '\0';
}

static int check_persistence(const struct port *port, struct vnet_error *err)
{
	if (!port->persistent || device_kind(port)->has_persistence)
		return 0;
	vnet_error_set(err, -EINVAL, "bad-request",
		       "a %s port lives as long as its namespace; leave persistent out",
		       port_kind_name(port->kind));
	vnet_error_at(err, NULL, 0, 0, "persistent");
	return -EINVAL;
}

/* May it be, and does it fit beside those that are? Rights first: who has none learns nothing else. */
static int check(struct netd *d, struct port *port, const struct network_entry *network,
		 bool mac_chosen, const struct peer *peer, struct vnet_error *err)
{
	const struct network in_force = network_entry_in_force(network);
	const struct port_entry *other = registry_port(&d->registry, port->name);
	struct access_request request = {
		.network = network->net, .port = port, .mac_chosen = mac_chosen,
		.n_ports_of_owner = peer->uid ? registry_count_ports_of(&d->registry, peer->uid) : 0,
	};
	port_ptr_vec ports = { 0 };
	int r = access_check_attach(d->policy, peer, &request, err);

	if (r == 0)
		r = check_persistence(port, err);
	if (r < 0)
		return r;
	if (other && !access_may_see(d->policy, peer, other->network->net))
		return vnet_error_set(err, -EEXIST, "port-conflict",
				      "port %s exists already; choose another name", port->name);
	if (other)
		return vnet_error_set(err, -EEXIST, "port-conflict",
				      "port %s exists already, on network %s as interface %s; detach it or choose another name",
				      port->name, other->port->network, other->port->ifname);
	other = port->ifname[0] ? registry_port_by_ifname(&d->registry, port->ifname) : NULL;
	if (other)
		return vnet_error_set(err, -EEXIST, "ifname-conflict",
				      "interface %s belongs to another port; choose another name",
				      port->ifname);
	r = check_limits(d, network, err);
	if (r == 0)
		r = port_choose_slot(&d->registry, network, port, err);
	if (r < 0)
		return r;
	registry_port_list(&d->registry, &ports);
	r = port_check(port, &in_force, ports.v, ports.n, err);
	vec_free(&ports);
	return r < 0 ? r : groups_check_port(d, port, network->net, err);
}

/* Rules first, then the place on the bridge. */
static int put_in_place(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	AUTO_OPS op_vec ops = { 0 };
	size_t done;
	int r;

	plan_port_attach(entry->network->net, entry->port, &ops);
	r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	if (r != -ENOENT || !err || strcmp(err->code, "rules-missing") != 0)
		return r;
	/* Someone flushed our tables a moment ago: put them back, this port's elements with them. */
	vnet_error_clear(err);
	r = reconcile(d, NULL, err);
	if (r == 0)
		r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	return r;
}

static int check_is_up(const struct network_entry *network, struct vnet_error *err)
{
	if (network->is_orphan)
		return vnet_error_set(err, -ENETDOWN, "network-undefined",
				      "network %s is not defined any more and goes with its last guest",
				      network->net->name);
	if (network->state == NETWORK_FAILED)
		return vnet_error_set(err, -ENETDOWN, "network-failed", "its network is not up: %s",
				      network->problem.message);
	if (!network->is_wanted)
		return vnet_error_set(err, -ENETDOWN, "network-stopped",
				      "network %s is not started; `vnetctl network start %s`",
				      network->net->name, network->net->name);
	return 0;
}

/* The device, its record, its rules and place. */
static int attach_device(struct netd *d, struct port_entry *entry, struct attachment *ret,
			 struct vnet_error *err)
{
	int r = port_watch_owner(d, entry, 0, err);

	if (r == 0)
		r = device_kind(entry->port)->open(d, entry, false, ret, err);
	/* Before the rules: a netd killed from here on finds whose device this is. */
	if (r == 0)
		r = port_save(d, entry, entry->port, err);
	if (r == 0)
		r = put_in_place(d, entry, err);
	return r;
}

/* The device of a persistent port vanished with what it stood on: made anew. */
static int remake(struct netd *d, struct port_entry *entry, struct attachment *ret,
		  struct vnet_error *err)
{
	int r;

	entry->is_attaching = true;
	r = attach_device(d, entry, ret, err);
	entry->is_attaching = false;
	if (r == 0) {
		entry->state = entry->port->link_down ? PORT_DOWN : PORT_UP;
		vnet_error_clear(&entry->problem);
		return 0;
	}
	port_remove_rules(d, entry);
	device_kind(entry->port)->remove(d, entry, NULL);
	registry_set_ifindex(&d->registry, entry, 0);
	return r;
}

/* Opening a persistent port's queues again: device, rules and place are there. */
static int reopen(struct netd *d, struct port_entry *entry, const struct peer *peer,
		  struct attachment *ret, struct vnet_error *err)
{
	const struct access_request request = { .network = entry->network->net, .port = entry->port };
	const struct device_kind *kind = device_kind(entry->port);
	int r = access_check_port(peer, entry->port, err);

	/* The policy may say less than when the port was made. */
	if (r == 0)
		r = access_check_attach(d->policy, peer, &request, err);
	if (r == 0)
		r = check_is_up(entry->network, err);
	if (r == 0)
		r = drift_check_attach(d, entry->network, err);
	if (r == 0)
		r = port_has_device(entry) || kind->is_remade ? kind->open(d, entry, true, ret, err)
							      : remake(d, entry, ret, err);
	if (r < 0)
		port_close_fds(ret);
	ret->entry = entry;
	return r;
}

/* Who is the port for? A client may act for another process of its user, as QEMU's helper does. */
static int set_owner(struct port *port, const struct peer *peer, struct vnet_error *err)
{
	port->owner_uid = peer->uid;
	port->owner_gid = peer->gid;
	if (!port->owner_pid)
		port->owner_pid = peer->pid;
	if (peer->uid == 0 || port->owner_pid == peer->pid)
		return 0;
	return owner_check(port->owner_pid, peer->uid, err);
}

/* Everything that can be told before anything is made. */
static int check_attach(struct netd *d, struct port *port, const struct network_entry *network,
			bool mac_chosen, const struct peer *peer, struct vnet_error *err)
{
	int r = check(d, port, network, mac_chosen, peer, err);

	if (r == -EEXIST) {
		/* A guest that starts again at once meets its former self, gone but not yet forgotten. */
		vnet_error_clear(err);
		events_catch_up(d);
		r = check(d, port, network, mac_chosen, peer, err);
	}
	if (r == 0)
		r = check_is_up(network, err);
	return r < 0 ? r : drift_check_attach(d, network, err);
}

static int attach_new(struct netd *d, struct network_entry *network, struct port *port,
		      struct attachment *ret, struct vnet_error *err)
{
	int r;

	ret->entry = registry_add_port(&d->registry, network, port);
	ret->entry->is_attaching = true;
	held_complete(d, ret->entry, port);
	held_give_way(d, ret->entry, port);
	r = attach_device(d, ret->entry, ret, err);
	ret->entry->is_attaching = false;
	if (r < 0) {
		vnet_error_prefix(err, "port %s", port->name);
		port_undo_attach(d, ret->entry, ret);
		return r;
	}
	if (port->addresses.n)
		dhcp_changed(d, network);
	flows_changed(d);
	monitor_emit(d, "port-attached", port->network, port->name, NULL, "%s",
		     port_interface(ret->entry));
	return 0;
}

static bool is_reopened(const struct port_entry *existing, const struct port *port)
{
	return existing && existing->port->persistent && port->persistent &&
	       device_kind(existing->port)->has_persistence &&
	       strcmp(existing->port->network, port->network) == 0;
}

int port_attach(struct netd *d, struct port *port, bool mac_chosen, const struct peer *peer,
		struct attachment *ret, struct vnet_error *err)
{
	struct network_entry *network = network_find(d, port->network, err);
	struct port_entry *existing;
	int r;

	memset(ret->fds, -1, sizeof(ret->fds));
	if (!network) {
		port_free(port);
		return -ENOENT;
	}
	/* The network was made a moment ago, and what its bridge is like was not heard yet. */
	if (network_entry_derives_mtu(network) && !network->bridge_mtu)
		events_catch_up(d);
	existing = port->name ? registry_port(&d->registry, port->name) : NULL;
	if (is_reopened(existing, port)) {
		port_free(port);
		return reopen(d, existing, peer, ret, err);
	}
	r = set_owner(port, peer, err);
	if (r == 0) {
		complete(d, port, network);
		r = check_attach(d, port, network, mac_chosen, peer, err);
	}
	if (r < 0) {
		port_free(port);
		return r;
	}
	return attach_new(d, network, port, ret, err);
}

/* ---- change ---- */

/* What is in another namespace was set when it was made, and is its owner's since. */
static int check_change(const struct port *before, const struct port *after, struct vnet_error *err)
{
	bool same_mac = before->has_mac == after->has_mac && mac_cmp(&before->mac, &after->mac) == 0;

	if (before->kind != PORT_VETH && before->kind != PORT_MACVLAN)
		return 0;
	if (same_mac && (before->kind == PORT_VETH || before->mtu == after->mtu))
		return 0;
	return vnet_error_set(err, -EINVAL, "parameter-invalid",
			      "%s of a %s port is set when it is attached; detach it and attach it again",
			      same_mac ? "mtu" : "mac", port_kind_name(before->kind));
}

static int check_changed(struct netd *d, const struct port_entry *entry, const struct port *after,
			 struct vnet_error *err)
{
	const struct network net = network_entry_in_force(entry->network);
	port_ptr_vec ports = { 0 };
	int r = check_change(entry->port, after, err);

	registry_port_list(&d->registry, &ports);
	if (r == 0)
		r = port_check(after, &net, ports.v, ports.n, err);
	vec_free(&ports);
	if (r == 0 && !group_names_equal(port_groups(entry->port, &net), port_groups(after, &net)))
		r = groups_check_port(d, after, &net, err);
	return r;
}

static int check_disruption(const struct port *port, const op_vec *ops, bool may_disrupt,
			    struct vnet_error *err)
{
	vec_each(op, ops)
		if (op->loses_traffic && !may_disrupt)
			return vnet_error_set(err, -EBUSY, "needs-disruption",
					      "port %s: the guest would notice: %s; change it with disruptive (--disruptive) if that is meant",
					      port->name, op->why);
	return 0;
}

int port_change(struct netd *d, struct port_entry *entry, struct port *after, bool may_disrupt,
		struct vnet_error *err)
{
	const struct network net = network_entry_in_force(entry->network);
	AUTO(port_free) struct port *new = after;
	AUTO_OPS op_vec ops = { 0 };
	size_t done;
	int r;

	port_complete(new, &net);
	groups_note_port(d, new, &net);
	r = check_changed(d, entry, new, err);
	if (r < 0)
		return r;
	held_complete(d, entry, new);
	held_give_way(d, entry, new);
	r = port_choose_slot(&d->registry, entry->network, new, err);
	plan_port_update(entry->network->net, entry->port, new, &ops);
	if (r == 0)
		r = check_disruption(entry->port, &ops, may_disrupt, err);
	/* A netd killed from here on finishes it at its next start. */
	if (r == 0)
		r = port_save(d, entry, new, err);
	if (r < 0)
		return r;
	drift_forgive_port(d, entry);
	/* What the next event tells is our own doing. */
	vec_each(op, &ops)
		if (op->kind == OP_LINK_SET)
			entry->look = (struct link_look){ 0 };
	r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	if (r < 0) {
		/*
		 * Half done: what was declared before is put back by comparison. From the
		 * loop: should the device be gone, that forgets the entry, which callers hold.
		 */
		port_save(d, entry, entry->port, NULL);
		reconcile_later(d, 0);
		vnet_error_prefix(err, "port %s", new->name);
		return r;
	}
	if (new->addresses.n || entry->port->addresses.n)
		dhcp_changed(d, entry->network);
	flows_changed(d);
	registry_replace_port(entry, TAKE(new));
	entry->state = entry->port->link_down ? PORT_DOWN : PORT_UP;
	vnet_error_clear(&entry->problem);
	monitor_emit(d, "port-changed", entry->port->network, entry->port->name, NULL, "%s",
		     port_interface(entry));
	return 0;
}
