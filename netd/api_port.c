/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_port.c - the methods of ports: attach, detach, update, list. */

#include "netd/api.h"

#include "base/strbuf.h"
#include "netd/devices.h"
#include "netd/log.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

/* ---- objects out ---- */

static json_t *leases_json(struct netd *d, const struct port_entry *entry)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];
	ip_vec addresses = { 0 };

	dhcp_port_addresses(d, entry, &addresses);
	vec_each(ip, &addresses)
		json_array_append_new(list, json_string(ip_format(ip, text)));
	vec_free(&addresses);
	return list;
}

/* What holds for the port, and the addresses that it was seen to have. */
static void describe_guard(const struct port_entry *entry, json_t *info)
{
	struct port_guard guard = port_guard(entry->port, entry->network->net);
	json_t *held = json_array();
	char text[ADDR_TEXT_MAX];

	vec_each(address, &entry->port->held)
		json_array_append_new(held, json_string(ip_format(&address->ip, text)));
	json_object_set_new(info, "held", held);
	if (entry->port->kind != PORT_VF && entry->port->kind != PORT_MACVLAN)
		json_object_set_new(info, "guard", port_guard_to_json(&guard));
}

static int cmp_reason(const void *a, const void *b)
{
	const struct drop_counter *x = a, *y = b;

	return (x->reason > y->reason) - (x->reason < y->reason);
}

/* What the guard took from this port, by reason, and the sum. */
static void describe_drops(struct netd *d, const struct port_entry *entry, json_t *info)
{
	struct port_guard guard = port_guard(entry->port, entry->network->net);
	drop_counter_vec counters = { 0 };
	json_t *drops = json_object();
	uint64_t sum = 0;

	if ((guard.policy == GUARD_OFF && !port_groups(entry->port, entry->network->net)->n) || entry->is_elsewhere || entry->port->kind == PORT_VF ||
	    kernel_drop_counters(d->kernel, entry->port->ifname, &counters, NULL) < 0) {
		json_decref(drops);
		return;
	}
	if (counters.n)
		qsort(counters.v, counters.n, sizeof(*counters.v), cmp_reason);
	vec_each(counter, &counters) {
		const char *reason = guard_reason_name(counter->reason);

		if (reason)
			json_object_set_new(drops, reason, json_integer((json_int_t)counter->packets));
		sum += counter->packets;
	}
	vec_free(&counters);
	json_object_set_new(info, "dropped", json_integer((json_int_t)sum));
	json_object_set_new(info, "drops", drops);
}

json_t *port_info(struct netd *d, const struct port_entry *entry, bool with_counters)
{
	const struct port *port = entry->port;
	char text[ADDR_TEXT_MAX];
	json_t *addresses = json_array(), *info;
	struct vnet_error problem = { 0 };

	vec_each(ip, &port->addresses)
		json_array_append_new(addresses, json_string(ip_format(ip, text)));
	info = json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:i,s:i,s:i,s:b,s:b,s:b,s:s,s:I,s:I,s:i,s:I}",
			 "name", port->name, "network", port->network, "ifname",
			 port_interface(entry), "kind", port_kind_name(port->kind), "learnsMac",
			 port->learns_mac, "addresses", addresses, "leases", leases_json(d, entry),
			 "queues", (int)port->queues, "mtu", (int)port->mtu, "txqueuelen",
			 (int)port->txqueuelen, "isolated", port->isolated, "persistent",
			 port->persistent, "adopted", port->adopted, "state",
			 port_state_name(entry->state), "ownerUid", (json_int_t)port->owner_uid,
			 "ownerGid", (json_int_t)port->owner_gid, "ownerPid", (int)port->owner_pid,
			 "created", (json_int_t)port->created);
	port_describe(port, info);
	json_object_set_new(info, "groups",
			    group_names_to_json(port_groups(port, entry->network->net)));
	if (!entry->is_elsewhere && port->kind != PORT_VF)
		json_object_set_new(info, "ifindex", json_integer(entry->ifindex));
	if (port->machine)
		json_object_set_new(info, "machine", json_string(port->machine));
	if (entry->pci_address[0])
		json_object_set_new(info, "pciAddress", json_string(entry->pci_address));
	if (port->has_mac)
		json_object_set_new(info, "mac", json_string(mac_format(&port->mac, text)));
	if (drift_problem(&entry->drift, port->network, &problem))
		json_object_set_new(info, "state", json_string(port_state_name(PORT_BLOCKED)));
	else if (entry->state == PORT_BLOCKED)
		problem = entry->problem;
	if (vnet_error_is_set(&problem))
		json_object_set_new(info, "problem", problem_to_json(&problem));
	describe_guard(entry, info);
	if (with_counters)
		describe_drops(d, entry, info);
	return info;
}

/* ---- AttachPort ---- */

static json_t *fds_json(const struct attachment *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_taps + a->n_vhosts; i++) {
		bool is_tap = i < a->n_taps;

		json_t *fd = json_pack("{s:I,s:s,s:I}", "index", (json_int_t)i, "role",
				       is_tap ? "tap" : "vhost", "queue",
				       (json_int_t)(is_tap ? i : i - a->n_taps));

		if (is_tap)
			json_object_set_new(fd, "vnetHdr",
					    json_boolean(a->entry->port->vnet_hdr && !a->no_header));
		json_array_append_new(list, fd);
	}
	return list;
}

/* QEMU takes letters, digits, '-', '.' and '_' in an id. */
static char *qemu_id(const char *name)
{
	char *id = mem_printf("vnet-%s", name);

	for (char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
			*c = '_';
	return id;
}

/* "fd=%fd0%" or "fds=%fd0%:%fd1%" */
static void append_fds(struct strbuf *b, const char *one, const char *many, size_t first, size_t n)
{
	strbuf_printf(b, ",%s=", n == 1 ? one : many);
	for (size_t i = 0; i < n; i++)
		strbuf_printf(b, "%s%%fd%zu%%", i ? ":" : "", first + i);
}

/* A function of the NIC becomes the guest's own; what it may do there is set on the NIC. */
static json_t *qemu_vfio_json(const struct attachment *a, const char *id)
{
	const char *address = a->entry->pci_address;

	if (!address[0])
		return json_array();
	return json_pack("[s,o]", "-device", json_sprintf("vfio-pci,host=%s,id=%s", address, id));
}

static json_t *qemu_args_json(const struct attachment *a)
{
	const struct port *port = a->entry->port;
	AUTO_STRBUF struct strbuf netdev = { 0 }, device = { 0 };
	AUTO_FREE char *id = qemu_id(port->name);
	char mac[ADDR_TEXT_MAX];

	if (!a->n_taps)
		return qemu_vfio_json(a, id);
	strbuf_printf(&netdev, "tap,id=%s", id);
	append_fds(&netdev, "fd", "fds", 0, a->n_taps);
	if (a->n_vhosts) {
		strbuf_append(&netdev, ",vhost=on");
		append_fds(&netdev, "vhostfd", "vhostfds", a->n_taps, a->n_vhosts);
	}
	strbuf_printf(&device, "virtio-net-pci,netdev=%s", id);
	if (port->has_mac)
		strbuf_printf(&device, ",mac=%s", mac_format(&port->mac, mac));
	/* docs/system of QEMU: two vectors a queue pair, one for config, one for control. */
	if (a->n_taps > 1)
		strbuf_printf(&device, ",mq=on,vectors=%zu", 2 * a->n_taps + 2);
	if (port->mtu != 1500)
		strbuf_printf(&device, ",host_mtu=%u", port->mtu);
	return json_pack("[s,s,s,s]", "-netdev", netdev.s, "-device", device.s);
}

static json_t *attach_notes(const struct attachment *a)
{
	json_t *notes = json_array();

	if (a->entry->port->kind == PORT_VF && !a->entry->pci_address[0])
		json_array_append_new(notes, json_string("the virtual function has no PCI address, so there is nothing to hand to QEMU"));
	if (a->no_vhost)
		json_array_append_new(notes, json_string("no vhost descriptors: this host has no /dev/vhost-net (load the module vhost_net); the guest's network works through QEMU itself"));
	if (a->no_header)
		json_array_append_new(notes, json_string("no virtio header, and so no offloads: this netd cannot guard against what a guest does with it; `vnetctl version` says why"));
	if (a->entry->port->learns_mac && !a->entry->port->has_mac)
		json_array_append_new(notes, json_string("the port carries nothing until its guest's first frame has told its MAC address"));
	return notes;
}

/* A reply that waits until DHCP knows the port's addresses. */
struct held_reply {
	struct call *call;
	json_t *parameters;
	size_t n_fds;
	int fds[CALL_FDS_MAX];
};

static void send_held(void *arg, bool was_told)
{
	struct held_reply *held = arg;
	json_t *notes = json_object_get(held->parameters, "notes");

	if (!was_told && notes)
		json_array_append_new(notes, json_string("DHCP does not know the port's addresses yet; `vnetctl network show` tells what is the matter"));
	call_reply_with_fds(held->call, held->parameters, held->fds, held->n_fds);
	free(held);
}

static void reply_when_told(struct netd *d, struct call *call, const struct port_entry *entry,
			    json_t *parameters, const int *fds, size_t n_fds)
{
	struct held_reply *held = mem_alloc(sizeof(*held));

	held->call = call;
	held->parameters = parameters;
	held->n_fds = n_fds;
	if (n_fds) /* UpdatePort has none */
		memcpy(held->fds, fds, n_fds * sizeof(*fds));
	dhcp_when_told(d, entry->network, send_held, held);
}

void api_attach_port(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct vnet_error err = { 0 };
	struct attachment a = { 0 };
	struct port *port;
	json_t *reply;

	if (port_from_request(parameters, &port, &err) < 0 ||
	    port_attach(d, port, port->has_mac, call_peer(call), &a, &err) < 0) {
		call_fail(call, &err, NULL);
		return;
	}
	reply = json_pack("{s:o,s:o,s:o,s:o}", "port", port_info(d, a.entry, false), "fds",
			  fds_json(&a), "qemuArgs", qemu_args_json(&a), "notes", attach_notes(&a));
	if (a.entry->pci_address[0])
		json_object_set_new(reply, "pciAddress", json_string(a.entry->pci_address));
	if (a.entry->port->addresses.n)
		reply_when_told(d, call, a.entry, reply, a.fds, a.n_taps + a.n_vhosts);
	else
		call_reply_with_fds(call, reply, a.fds, a.n_taps + a.n_vhosts);
}

/* ---- one port ---- */

static const char *const name_keys[] = { "name", NULL };

void api_detach_port(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct vnet_error err = { 0 };
	struct port_entry *entry;
	const char *name;

	if (!api_only_keys(call, parameters, name_keys) ||
	    !api_string(call, parameters, "name", true, &name))
		return;
	entry = api_port(d, call, name);
	if (!entry)
		return;
	if (port_detach(d, entry, &err) < 0)
		call_fail(call, &err, NULL);
	else
		call_reply(call, NULL);
}

static bool is_of_machine(const struct port *port, const char *machine)
{
	return port->machine && strcmp(port->machine, machine) == 0;
}

/* Those of one machine that the peer may detach: what others gave its name is theirs. */
void api_detach_ports(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "machine", NULL };
	struct netd *d = context;
	port_entry_vec entries = { 0 };
	struct vnet_error err = { 0 };
	json_t *names;
	const char *machine;

	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "machine", true, &machine))
		return;
	/* A machine that has just ended took its devices along. */
	events_catch_up(d);
	names = json_array();
	vec_each(entry, &d->registry.ports) {
		const struct port *port = (*entry)->port;

		if (!is_of_machine(port, machine) ||
		    access_check_port(call_peer(call), port, NULL) < 0)
			continue;
		vec_push(&entries, *entry);
		json_array_append_new(names, json_string(port->name));
	}
	if (ports_detach(d, &entries, &err) < 0) {
		json_decref(names);
		call_fail(call, &err, NULL);
	} else {
		call_reply(call, json_pack("{s:o}", "ports", names));
	}
	vec_free(&entries);
}

void api_update_port(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	AUTO(port_free) struct port *after = NULL;
	struct vnet_error err = { 0 };
	struct port_entry *entry;
	json_t *changes;
	const char *name;
	size_t n_reserved;
	bool may_disrupt;
	int r;

	if (!api_string(call, parameters, "name", true, &name) ||
	    !api_bool(call, parameters, "disruptive", &may_disrupt))
		return;
	entry = api_port(d, call, name);
	if (!entry)
		return;
	changes = json_copy((json_t *)parameters);
	json_object_del(changes, "name");
	json_object_del(changes, "disruptive");
	after = port_copy(entry->port);
	n_reserved = after->addresses.n;
	r = port_update_from_json(after, changes, &err);
	json_decref(changes);
	if (r == 0)
		r = access_check_update(d->policy, call_peer(call), entry->network->net, entry->port,
					after, &err);
	if (r == 0)
		r = port_change(d, entry, TAKE(after), may_disrupt, &err);
	if (r < 0)
		call_fail(call, &err, NULL);
	else if (n_reserved || entry->port->addresses.n)
		reply_when_told(d, call, entry, json_pack("{s:o}", "port", port_info(d, entry, false)),
				NULL, 0);
	else
		call_reply(call, json_pack("{s:o}", "port", port_info(d, entry, false)));
}

void api_describe_port(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct port_entry *entry;
	const char *name;

	if (!api_only_keys(call, parameters, name_keys) ||
	    !api_string(call, parameters, "name", true, &name))
		return;
	entry = api_port(d, call, name);
	if (entry)
		call_reply(call, json_pack("{s:o}", "port", port_info(d, entry, true)));
}

void api_trace(void *context, struct call *call, const json_t *parameters)
{
	static const char *const keys[] = { "port", "all", NULL };
	struct netd *d = context;
	struct vnet_error err = { 0 };
	struct port_entry *entry;
	const char *name;
	bool all;

	if (!api_only_keys(call, parameters, keys) || !api_string(call, parameters, "port", true, &name) ||
	    !api_bool(call, parameters, "all", &all))
		return;
	entry = api_port(d, call, name);
	if (entry && trace_subscribe(d, call, entry, all, &err) < 0)
		call_fail(call, &err, NULL);
}

/* ---- lists ---- */

static const char *const list_keys[] = { "network", NULL };
static const char *const list_port_keys[] = { "network", "machine", NULL };

/* The network to list, NULL for all; false: the call is failed. */
static bool list_filter(struct netd *d, struct call *call, const json_t *parameters,
			const char *const *keys, struct network_entry **ret)
{
	const char *name;

	*ret = NULL;
	if (!api_only_keys(call, parameters, keys) ||
	    !api_string(call, parameters, "network", false, &name))
		return false;
	if (name)
		*ret = api_network(d, call, name);
	return !name || *ret;
}

static bool is_listed(struct netd *d, struct call *call, const struct network_entry *filter,
		      const struct network_entry *entry)
{
	return filter ? filter == entry : api_may_see(d, call, entry);
}

void api_list_ports(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct network_entry *filter;
	const char *machine;
	json_t *list;

	if (!list_filter(d, call, parameters, list_port_keys, &filter) ||
	    !api_string(call, parameters, "machine", false, &machine))
		return;
	list = json_array();
	vec_each(entry, &d->registry.ports)
		if (is_listed(d, call, filter, (*entry)->network) &&
		    (!machine || is_of_machine((*entry)->port, machine)))
			json_array_append_new(list, port_info(d, *entry, false));
	call_reply(call, json_pack("{s:o}", "ports", list));
}

/* The port of this MAC on this network, or NULL. */
static const char *port_of_mac(struct netd *d, const struct network_entry *network,
			       const struct mac *mac)
{
	vec_each(entry, &d->registry.ports)
		if ((*entry)->network == network && (*entry)->port->has_mac &&
		    mac_cmp(&(*entry)->port->mac, mac) == 0)
			return (*entry)->port->name;
	return NULL;
}

static json_t *lease_json(struct netd *d, const struct network_entry *network,
			  const struct lease *lease)
{
	char address[ADDR_TEXT_MAX], mac[ADDR_TEXT_MAX];

	return json_pack("{s:s,s:s,s:s*,s:s*,s:s*,s:I,s:s*}", "network", network->net->name, "address",
			 ip_format(&lease->address, address), "mac",
			 lease->has_mac ? mac_format(&lease->mac, mac) : NULL, "clientId", lease->client_id,
			 "hostname", lease->hostname, "expires", (json_int_t)lease->expires, "port",
			 lease->has_mac ? port_of_mac(d, network, &lease->mac) : NULL);
}

void api_list_leases(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct network_entry *filter;
	json_t *list;

	if (!list_filter(d, call, parameters, list_keys, &filter))
		return;
	list = json_array();
	vec_each(entry, &d->registry.networks) {
		const struct lease_file *file;

		if (!is_listed(d, call, filter, *entry))
			continue;
		file = dhcp_leases(d, *entry);
		if (file)
			vec_each(lease, &file->leases)
				json_array_append_new(list, lease_json(d, *entry, lease));
	}
	call_reply(call, json_pack("{s:o}", "leases", list));
}

static json_t *fdb_json(struct netd *d, const struct network_entry *network, const char *bridge,
			const struct fdb_entry *e)
{
	char ifname[IF_NAMESIZE] = "";
	const struct port_entry *port = registry_port_by_ifindex(&d->registry, e->ifindex);
	char mac[ADDR_TEXT_MAX];
	json_t *entry;

	if (port)
		snprintf(ifname, sizeof(ifname), "%s", port->port->ifname);
	else
		if_indextoname((unsigned)e->ifindex, ifname);
	entry = json_pack("{s:s,s:s,s:s,s:s,s:s*,s:b,s:b,s:I}", "network", network->net->name, "bridge",
			  bridge, "mac", mac_format(&e->mac, mac), "ifname", ifname, "port",
			  port ? port->port->name : NULL, "isLocal", e->is_local, "isStatic",
			  e->is_static, "ageMs", (json_int_t)e->age_ms);
	if (e->vlan)
		json_object_set_new(entry, "vlan", json_integer(e->vlan));
	if (e->dst.family)
		json_object_set_new(entry, "remote", json_string(ip_format(&e->dst, mac)));
	return entry;
}

void api_list_fdb(void *context, struct call *call, const json_t *parameters)
{
	struct netd *d = context;
	struct network_entry *filter;
	struct vnet_error err = { 0 };
	json_t *list;
	int r = 0;

	if (!list_filter(d, call, parameters, list_keys, &filter))
		return;
	list = json_array();
	vec_each(network, &d->registry.networks) {
		char buf[16];
		const char *bridge = network_bridge((*network)->net, buf);
		int ifindex = (int)devices_index(bridge);
		fdb_vec entries = { 0 };

		if (r < 0 || !ifindex || !network_has_bridge((*network)->net) ||
		    !is_listed(d, call, filter, *network))
			continue;
		r = kernel_list_fdb(d->kernel, ifindex, &entries, &err);
		vec_each(e, &entries)
			json_array_append_new(list, fdb_json(d, *network, bridge, e));
		vec_free(&entries);
	}
	if (r < 0) {
		json_decref(list);
		call_fail(call, &err, NULL);
	} else {
		call_reply(call, json_pack("{s:o}", "entries", list));
	}
}
