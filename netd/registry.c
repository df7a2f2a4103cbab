/* SPDX-License-Identifier: GPL-2.0-or-later */
/* registry.c - the networks that are defined and the ports that exist; see registry.h. */

#include "netd/registry.h"

#include "netd/devices.h"
#include "netd/owner.h"

#include <assert.h>
#include <stdio.h>

const char *network_state_name(enum network_state state)
{
	static const char *const names[] = { "stopped", "running", "failed" };

	return names[state];
}

const char *port_state_name(enum port_state state)
{
	static const char *const names[] = { "up", "down", "blocked" };

	return names[state];
}

bool network_entry_derives_mtu(const struct network_entry *entry)
{
	return (entry->net->links.n || entry->net->vlan.id) && !entry->net->bridge.mtu &&
	       network_has_bridge(entry->net);
}

struct network network_entry_in_force(const struct network_entry *entry)
{
	struct network net = *entry->net;

	if (network_entry_derives_mtu(entry))
		net.bridge.mtu = entry->bridge_mtu;
	/* A device on a NIC cannot have more than that; one on a jumbo NIC is as wide as others. */
	else if (net.mode == NETWORK_MACVTAP && !net.bridge.mtu && entry->uplink_mtu < network_mtu(&net))
		net.bridge.mtu = entry->uplink_mtu;
	return net;
}

static void network_entry_free(struct network_entry *entry)
{
	network_free(entry->net);
	network_free(entry->fallback);
	free(entry);
}

static void port_entry_free(struct port_entry *entry)
{
	port_free(entry->port);
	owner_free(entry->owner);
	free(entry);
}

void registry_free(struct registry *reg)
{
	vec_each(entry, &reg->ports)
		port_entry_free(*entry);
	vec_each(entry, &reg->networks)
		network_entry_free(*entry);
	reg->devices = devices_free(reg->devices);
	vec_free(&reg->ports);
	vec_free(&reg->by_ifindex);
	vec_free(&reg->networks);
}

/* Where a key is in a table, or where it would go. */

static int compare_network(const void *name, const void *item)
{
	return strcmp(name, (*(struct network_entry *const *)item)->net->name);
}

static int compare_port(const void *name, const void *item)
{
	return strcmp(name, (*(struct port_entry *const *)item)->port->name);
}

static int compare_ifindex(const void *ifindex, const void *item)
{
	return *(const int *)ifindex - (*(struct port_entry *const *)item)->ifindex;
}

static size_t network_position(const struct registry *reg, const char *name, bool *ret_found)
{
	return vec_search(&reg->networks, name, compare_network, ret_found);
}

static size_t port_position(const struct registry *reg, const char *name, bool *ret_found)
{
	return vec_search(&reg->ports, name, compare_port, ret_found);
}

static size_t ifindex_position(const struct registry *reg, int ifindex, bool *ret_found)
{
	return vec_search(&reg->by_ifindex, &ifindex, compare_ifindex, ret_found);
}

/* Puts item at position i of a vector of pointers. */
#define insert_at(vec, i, item) \
	do { \
		size_t at_ = (i); \
		vec_push(vec, NULL); \
		memmove(&(vec)->v[at_ + 1], &(vec)->v[at_], \
			((vec)->n - 1 - at_) * sizeof(*(vec)->v)); \
		(vec)->v[at_] = (item); \
	} while (0)

struct network_entry *registry_network(const struct registry *reg, const char *name)
{
	bool found;
	size_t i = network_position(reg, name, &found);

	return found ? reg->networks.v[i] : NULL;
}

struct network_entry *registry_network_by_ifindex(const struct registry *reg, int ifindex)
{
	vec_each(entry, &reg->networks)
		if (ifindex && (*entry)->bridge_ifindex == ifindex)
			return *entry;
	return NULL;
}

struct network_entry *registry_put_network(struct registry *reg, struct network *net)
{
	bool found;
	size_t i = network_position(reg, net->name, &found);
	struct network_entry *entry;

	devices_outdate(reg->devices);
	if (found) {
		entry = reg->networks.v[i];
		network_free(entry->net);
		entry->net = net;
		return entry;
	}
	entry = mem_alloc(sizeof(*entry));
	entry->net = net;
	insert_at(&reg->networks, i, entry);
	return entry;
}

void registry_mark_replaced(struct registry *reg, struct network *const *nets, size_t n)
{
	vec_each(entry, &reg->networks)
		(*entry)->is_replaced = false;
	for (size_t i = 0; i < n; i++) {
		struct network_entry *entry = registry_network(reg, nets[i]->name);

		if (entry)
			entry->is_replaced = true;
	}
}

void registry_remove_network(struct registry *reg, struct network_entry *entry)
{
	bool found;
	size_t i = network_position(reg, entry->net->name, &found);

	assert(found && entry->n_ports == 0);
	devices_outdate(reg->devices);
	vec_remove(&reg->networks, i);
	network_entry_free(entry);
}

struct port_entry *registry_port(const struct registry *reg, const char *name)
{
	bool found;
	size_t i = port_position(reg, name, &found);

	return found ? reg->ports.v[i] : NULL;
}

struct port_entry *registry_port_by_ifindex(const struct registry *reg, int ifindex)
{
	bool found;
	size_t i = ifindex_position(reg, ifindex, &found);

	return found ? reg->by_ifindex.v[i] : NULL;
}

struct port_entry *registry_port_by_ifname(const struct registry *reg, const char *ifname)
{
	vec_each(entry, &reg->ports)
		if (strcmp((*entry)->port->ifname, ifname) == 0)
			return *entry;
	return NULL;
}

struct port_entry *registry_add_port(struct registry *reg, struct network_entry *network,
				     struct port *port)
{
	bool found;
	size_t i = port_position(reg, port->name, &found);
	struct port_entry *entry = mem_alloc(sizeof(*entry));

	assert(!found);
	entry->port = port;
	entry->network = network;
	entry->state = port->link_down ? PORT_DOWN : PORT_UP;
	network->n_ports++;
	insert_at(&reg->ports, i, entry);
	return entry;
}

void registry_set_ifindex(struct registry *reg, struct port_entry *entry, int ifindex)
{
	bool found;
	size_t i;

	if (entry->ifindex) {
		i = ifindex_position(reg, entry->ifindex, &found);
		assert(found);
		vec_remove(&reg->by_ifindex, i);
	}
	entry->ifindex = ifindex;
	if (ifindex) {
		i = ifindex_position(reg, ifindex, &found);
		assert(!found);
		insert_at(&reg->by_ifindex, i, entry);
	}
}

void registry_replace_port(struct port_entry *entry, struct port *port)
{
	port_free(entry->port);
	entry->port = port;
}

void registry_remove_port(struct registry *reg, struct port_entry *entry)
{
	bool found;
	size_t i = port_position(reg, entry->port->name, &found);

	assert(found);
	registry_set_ifindex(reg, entry, 0);
	vec_remove(&reg->ports, i);
	entry->network->n_ports--;
	port_entry_free(entry);
}

size_t registry_count_ports_of(const struct registry *reg, uint32_t uid)
{
	size_t n = 0;

	vec_each(entry, &reg->ports)
		n += (*entry)->port->owner_uid == uid;
	return n;
}

void registry_avoid_ifnames(struct registry *reg, const struct snapshot *snap)
{
	vec_each(link, &snap->links) {
		unsigned number;

		if (sscanf(link->name, PORT_IFNAME_PREFIX "%u", &number) == 1 &&
		    number >= reg->next_ifname)
			reg->next_ifname = number + 1;
	}
}

void registry_new_ifname(struct registry *reg, char ret[16])
{
	do {
		/* A name is used again only after ten million ports. */
		snprintf(ret, 16, PORT_IFNAME_PREFIX "%u", reg->next_ifname % 10000000);
		reg->next_ifname++;
		/* Clients may ask for such names, too: theirs must not make another's attach fail. */
	} while (registry_port(reg, ret) || registry_port_by_ifname(reg, ret));
}

void registry_note_looks(struct registry *reg, const struct snapshot *snap)
{
	vec_each(entry, &reg->ports) {
		const struct link *link = (*entry)->ifindex && !(*entry)->is_elsewhere
						  ? snapshot_link_by_index(snap, (*entry)->ifindex)
						  : NULL;

		if (link)
			link_look(link, &(*entry)->look);
	}
}

void registry_port_list(const struct registry *reg, port_ptr_vec *ret)
{
	vec_reserve(ret, reg->ports.n);
	vec_each(entry, &reg->ports)
		vec_push(ret, (*entry)->port);
}
