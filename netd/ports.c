/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports.c - the life of a port
 *
 * Attaching costs what the kernel asks and little more: the device is opened,
 * one nftables transaction adds its elements, one message puts it into the
 * bridge and raises it. The order is the guard's: while the device is down and
 * outside the bridge no frame passes, and it goes up only when its rules stand.
 *
 * netd keeps no descriptor of a TAP. When the last holder closes it the kernel
 * removes the device, tells us (events.c), and rules, state and lease follow.
 */

#include "netd/netd.h"

#include "model/check.h"
#include "netd/log.h"
#include "nft/ruleset.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port_save(struct netd *d, const struct port *port, int ifindex, struct vnet_error *err)
{
	json_t *object = port_to_json(port);
	int r;

	json_object_set_new(object, "ifindex", json_integer(ifindex));
	r = journal_put(d->port_journal, port->name, object, err);
	json_decref(object);
	return r;
}

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
	if (network->n_ports >= BRIDGE_PORTS_MAX)
		return vnet_error_set(err, -EUSERS, "bridge-full",
				      "network %s has %zu ports, and a Linux bridge takes %d; use a second network",
				      network->net->name, network->n_ports, BRIDGE_PORTS_MAX);
	return 0;
}

/* Gives what the request left open: names, MAC, defaults. */
static void complete(struct netd *d, struct port *port, const struct network_entry *network)
{
	if (!port->ifname[0])
		registry_new_ifname(&d->registry, port->ifname);
	if (!port->name)
		port->name = mem_strdup(port->ifname);
	port->created = (uint64_t)time(NULL);
	port_complete(port, network->net);
}

/* May it be, and does it fit beside those that are? Rights first: who has none learns nothing else. */
static int check(struct netd *d, const struct port *port, const struct network_entry *network,
		 bool mac_chosen, const struct peer *peer, struct vnet_error *err)
{
	const struct port_entry *other = registry_port(&d->registry, port->name);
	struct access_request request = {
		.network = network->net, .port = port, .mac_chosen = mac_chosen,
		.n_ports_of_owner = peer->uid ? registry_count_ports_of(&d->registry, peer->uid) : 0,
	};
	port_ptr_vec ports = { 0 };
	int r = access_check_attach(d->policy, peer, &request, err);

	if (r < 0)
		return r;
	if (other && !access_may_see(d->policy, peer, other->network->net))
		return vnet_error_set(err, -EEXIST, "port-conflict",
				      "port %s exists already; choose another name", port->name);
	if (other)
		return vnet_error_set(err, -EEXIST, "port-conflict",
				      "port %s exists already, on network %s as interface %s; detach it or choose another name",
				      port->name, other->port->network, other->port->ifname);
	other = registry_port_by_ifname(&d->registry, port->ifname);
	if (other)
		return vnet_error_set(err, -EEXIST, "ifname-conflict",
				      "interface %s belongs to another port; choose another name",
				      port->ifname);
	r = check_limits(d, network, err);
	if (r < 0)
		return r;
	registry_port_list(&d->registry, &ports);
	r = port_check(port, network->net, ports.v, ports.n, err);
	vec_free(&ports);
	return r;
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The device, down and outside any bridge. An adopted one is somebody's: only its index is wanted. */
static int open_device(struct netd *d, const struct port *port, bool exists, struct attachment *ret,
		       int *ret_ifindex, struct vnet_error *err)
{
	struct kernel_tap tap = {
		.queues = port->queues, .multi_queue = port->queues > 1, .vnet_hdr = port->vnet_hdr,
		.offload = port->offload, .persistent = port->persistent, .must_exist = exists,
		.ret_fds = ret->fds,
	};
	int r;

	if (port->adopted)
		return kernel_find_tap(d->kernel, port->ifname, ret_ifindex, err);
	snprintf(tap.name, sizeof(tap.name), "%s", port->ifname);
	r = kernel_tap_open(d->kernel, &tap, err);
	if (r < 0)
		return r;
	ret->n_taps = port->queues;
	*ret_ifindex = tap.ret_ifindex;
	return 0;
}

static int open_vhost(struct netd *d, const struct port *port, struct attachment *ret,
		      struct vnet_error *err)
{
	int r;

	if (port->vhost == VHOST_OFF || port->adopted)
		return 0;
	r = kernel_vhost_open(d->kernel, port->queues, ret->fds + ret->n_taps, err);
	if (r == 0) {
		ret->n_vhosts = port->queues;
	} else if (port->vhost == VHOST_AUTO) {
		vnet_error_clear(err);
		ret->no_vhost = true;
		r = 0;
	} else {
		vnet_error_set(err, r, "no-vhost",
			       "this host has no /dev/vhost-net; load the module vhost_net or use vhost: auto");
	}
	return r;
}

/* Rules first, then the place on the bridge. */
static int put_on_bridge(struct netd *d, struct port_entry *entry, struct vnet_error *err)
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

/* The port as rules know it when its device may be gone: by the number that never comes back. */
static struct port *port_by_number(const struct port_entry *entry)
{
	struct port *port = port_copy(entry->port);

	snprintf(port->ifname, sizeof(port->ifname), "#%d", entry->ifindex);
	return port;
}

/* Takes the elements of a port away, whatever of its device is left. */
static void remove_rules(struct netd *d, struct port_entry *entry)
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
		reconcile_later(d, 1000000);
	nft_txn_free(op.nft);
}

static int check_is_up(const struct network_entry *network, struct vnet_error *err)
{
	if (network->is_orphan)
		return vnet_error_set(err, -ENETDOWN, "network-undefined",
				      "network %s is not defined any more and goes with its last guest",
				      network->net->name);
	if (!network->is_wanted)
		return vnet_error_set(err, -ENETDOWN, "network-stopped",
				      "network %s is not started; `vnetctl network start %s`",
				      network->net->name, network->net->name);
	if (network->state == NETWORK_FAILED)
		return vnet_error_set(err, -ENETDOWN, "network-failed", "network %s is not up: %s",
				      network->net->name, network->problem.message);
	return 0;
}

/* Opening a persistent TAP's queues again: device, rules and place are there. */
static int reopen(struct netd *d, struct port_entry *entry, const struct peer *peer,
		  struct attachment *ret, struct vnet_error *err)
{
	const struct access_request request = { .network = entry->network->net, .port = entry->port };
	int ifindex, r = access_check_port(peer, entry->port, err);

	/* The policy may say less than when the port was made. */
	if (r == 0)
		r = access_check_attach(d->policy, peer, &request, err);
	if (r == 0)
		r = check_is_up(entry->network, err);
	if (r == 0)
		r = open_device(d, entry->port, true, ret, &ifindex, err);
	if (r == 0) {
		r = open_vhost(d, entry->port, ret, err);
		if (r < 0)
			close_all(ret->fds, ret->n_taps);
	}
	ret->entry = entry;
	return r;
}

static int attach_new(struct netd *d, struct port_entry *entry, struct attachment *ret,
		      struct vnet_error *err)
{
	int ifindex = 0;
	int r = open_device(d, entry->port, false, ret, &ifindex, err);

	if (r < 0)
		return r;
	/* Somebody renamed a port's device, and its new name was asked for. */
	if (registry_port_by_ifindex(&d->registry, ifindex))
		return vnet_error_set(err, -EBUSY, "ifname-conflict",
				      "interface %s belongs to another port", entry->port->ifname);
	registry_set_ifindex(&d->registry, entry, ifindex);
	r = open_vhost(d, entry->port, ret, err);
	/* Before the rules: a netd killed from here on finds whose device this is. */
	if (r == 0)
		r = port_save(d, entry->port, entry->ifindex, err);
	if (r == 0)
		r = put_on_bridge(d, entry, err);
	return r;
}

static bool device_is_there(int ifindex)
{
	char name[IF_NAMESIZE];

	return ifindex && if_indextoname((unsigned)ifindex, name);
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
	       !device_is_there(entry->ifindex);
}

static void undo_attach(struct netd *d, struct port_entry *entry, struct attachment *ret)
{
	struct op op = { .kind = OP_LINK_DELETE };
	size_t done;

	if (take_off_bridge(d, entry))
		remove_rules(d, entry);
	else
		reconcile_later(d, 0);
	if (entry->port->persistent && entry->ifindex) {
		snprintf(op.link.name, sizeof(op.link.name), "%s", entry->port->ifname);
		op.link.force = true;
		kernel_execute(d->kernel, &op, 1, &done, NULL);
	}
	close_all(ret->fds, ret->n_taps + ret->n_vhosts);
	journal_del(d->port_journal, entry->port->name, NULL);
	registry_remove_port(&d->registry, entry);
}

int port_attach(struct netd *d, struct port *port, bool mac_chosen, const struct peer *peer,
		struct attachment *ret, struct vnet_error *err)
{
	struct network_entry *network = network_find(d, port->network, err);
	struct port_entry *existing = port->name ? registry_port(&d->registry, port->name) : NULL;
	int r;

	memset(ret->fds, -1, sizeof(ret->fds));
	if (!network) {
		port_free(port);
		return -ENOENT;
	}
	if (existing && existing->port->persistent && port->persistent &&
	    existing->network == network) {
		port_free(port);
		return reopen(d, existing, peer, ret, err);
	}
	port->owner_uid = peer->uid;
	port->owner_gid = peer->gid;
	if (!port->owner_pid || peer->uid != 0)
		port->owner_pid = peer->pid;
	complete(d, port, network);
	r = check(d, port, network, mac_chosen, peer, err);
	if (r == -EEXIST) {
		/* A guest that starts again at once meets its former self, gone but not yet forgotten. */
		vnet_error_clear(err);
		events_catch_up(d);
		r = check(d, port, network, mac_chosen, peer, err);
	}
	if (r == 0)
		r = check_is_up(network, err);
	if (r < 0) {
		port_free(port);
		return r;
	}
	ret->entry = registry_add_port(&d->registry, network, port);
	ret->entry->is_attaching = true;
	r = attach_new(d, ret->entry, ret, err);
	ret->entry->is_attaching = false;
	if (r < 0) {
		vnet_error_prefix(err, "port %s", port->name);
		undo_attach(d, ret->entry, ret);
		return r;
	}
	if (port->addresses.n)
		dhcp_changed(d, network);
	monitor_emit(d, "port-attached", port->network, port->name, NULL, "%s", port->ifname);
	return 0;
}

/* ---- change ---- */

int port_change(struct netd *d, struct port_entry *entry, struct port *after, struct vnet_error *err)
{
	AUTO(port_free) struct port *new = after;
	AUTO_OPS op_vec ops = { 0 };
	port_ptr_vec ports = { 0 };
	size_t done;
	int r;

	port_complete(new, entry->network->net);
	registry_port_list(&d->registry, &ports);
	r = port_check(new, entry->network->net, ports.v, ports.n, err);
	vec_free(&ports);
	if (r < 0)
		return r;
	/* A netd killed from here on finishes it at its next start. */
	r = port_save(d, new, entry->ifindex, err);
	if (r < 0)
		return r;
	plan_port_update(entry->network->net, entry->port, new, &ops);
	r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	if (r < 0) {
		/*
		 * Half done: what was declared before is put back by comparison. From the
		 * loop: should the device be gone, that forgets the entry, which callers hold.
		 */
		port_save(d, entry->port, entry->ifindex, NULL);
		reconcile_later(d, 0);
		vnet_error_prefix(err, "port %s", new->name);
		return r;
	}
	if (new->addresses.n || entry->port->addresses.n)
		dhcp_changed(d, entry->network);
	registry_replace_port(entry, TAKE(new));
	entry->state = entry->port->link_down ? PORT_DOWN : PORT_UP;
	vnet_error_clear(&entry->problem);
	monitor_emit(d, "port-changed", entry->port->network, entry->port->name, NULL, "%s",
		     entry->port->ifname);
	return 0;
}

/* ---- the end ---- */

/* Everything of a port but its rules and its device. */
static void forget(struct netd *d, struct port_entry *entry)
{
	struct network_entry *network = entry->network;
	bool had_addresses = entry->port->addresses.n > 0;

	dhcp_release_leases(d, entry);
	journal_del(d->port_journal, entry->port->name, NULL);
	monitor_emit(d, "port-removed", entry->port->network, entry->port->name, NULL, "%s",
		     entry->port->ifname);
	registry_remove_port(&d->registry, entry);
	if (had_addresses)
		dhcp_changed(d, network);
	if (network->is_orphan && !network->n_ports)
		reconcile_later(d, 0);
}

int port_detach(struct netd *d, struct port_entry *entry, struct vnet_error *err)
{
	AUTO_OPS op_vec ops = { 0 };
	size_t done;
	int r;

	plan_port_detach(entry->network->net, entry->port, entry->ifindex != 0, &ops);
	r = kernel_execute(d->kernel, ops.v, ops.n, &done, err);
	if (r < 0 && device_is_there(entry->ifindex)) {
		vnet_error_prefix(err, "port %s", entry->port->name);
		return r;
	}
	if (r < 0) {
		/* Its guest ended in this very moment. */
		vnet_error_clear(err);
		remove_rules(d, entry);
	}
	forget(d, entry);
	return 0;
}

void port_set_gone(struct netd *d, struct port_entry *entry)
{
	if (entry->is_gone || entry->is_attaching)
		return;
	entry->is_gone = true;
	vec_push(&d->gone, entry);
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
		reconcile_later(d, 1000000);
	nft_txn_free(op.nft);
	vec_each(entry, &d->gone) {
		if ((*entry)->port->persistent) {
			/* Deleted by hand: the next reconcile makes it again. */
			(*entry)->is_gone = false;
			registry_set_ifindex(&d->registry, *entry, 0);
			reconcile_later(d, 0);
		} else {
			forget(d, *entry);
		}
	}
	d->gone.n = 0;
}

/* ---- after a restart ---- */

struct restore {
	struct netd *d;
	const struct snapshot *snap;
};

static void restore_one(void *arg, const char *name, json_t *object)
{
	struct restore *restore = arg;
	struct netd *d = restore->d;
	int ifindex = (int)json_integer_value(json_object_get(object, "ifindex"));
	const struct link *link = snapshot_link_by_index(restore->snap, ifindex);
	struct vnet_error err = { 0 };
	struct network_entry *network;
	struct port_entry *entry;
	struct port *port;
	char text[1024];

	json_object_del(object, "ifindex");
	if (port_from_json(object, &port, &err) < 0) {
		log_error("state of port %s: %s", name, vnet_error_text(&err, text, sizeof(text)));
		return;
	}
	/* The number alone proves nothing: the folder may be older than this network namespace. */
	if (link && (strcmp(link->name, port->ifname) != 0 || strcmp(link->kind, "tun") != 0 ||
		     registry_port_by_ifindex(&d->registry, ifindex)))
		link = NULL;
	network = registry_network(&d->registry, port->network);
	if (!network || registry_port(&d->registry, port->name) || (!link && !port->persistent)) {
		if (!network)
			log_error("port %s: its network %s is not defined any more; forgotten",
				  port->name, port->network);
		journal_del(d->port_journal, port->name, NULL);
		port_free(port);
		return;
	}
	/* What was the network's default and not the port's own wish is not in the file. */
	port_complete(port, network->net);
	entry = registry_add_port(&d->registry, network, port);
	if (link)
		registry_set_ifindex(&d->registry, entry, ifindex);
}

int ports_restore(struct netd *d, const struct snapshot *snap, struct vnet_error *err)
{
	struct restore restore = { .d = d, .snap = snap };

	int r = journal_open(d->run_dir, "ports", &d->port_journal, err);

	if (r == 0)
		journal_each(d->port_journal, restore_one, &restore);
	return r;
}
