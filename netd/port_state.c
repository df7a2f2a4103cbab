/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_state.c - ports in the journal, and back from it
 *
 * A line holds the port as the model writes it and what only this netd knows: the
 * device's index, which namespace a path led to, when the owner began.
 */

#include "netd/port.h"

#include "netd/groups.h"
#include "netd/log.h"
#include "netd/owner.h"

#include <errno.h>
#include <stdio.h>

int port_save(struct netd *d, const struct port_entry *entry, const struct port *port,
	      struct vnet_error *err)
{
	json_t *object = port_to_json(port);
	int r;

	json_object_set_new(object, "ifindex", json_integer(entry->ifindex));
	if (entry->is_elsewhere)
		json_object_set_new(object, "namespace",
				    json_pack("[I,I,i]", (json_int_t)entry->namespace.device,
					      (json_int_t)entry->namespace.inode,
					      entry->inside_ifindex));
	if (entry->owner)
		json_object_set_new(object, "ownerStarted",
				    json_integer((json_int_t)owner_started(entry->owner)));
	r = journal_put(d->port_journal, port->name, object, err);
	json_decref(object);
	return r;
}

/* ---- slots ---- */

static bool is_shaped(const struct network *net, const struct port *port)
{
	struct bandwidth in, out;

	/* What is elsewhere cannot be redirected, and a function has its own shaper. */
	if (port->kind == PORT_MACVLAN || port->kind == PORT_VF)
		return false;
	port_limits(port, net, &in, &out);
	return in.rate || out.rate;
}

/* The lowest number that no other port of the network has. */
static unsigned free_slot(const struct registry *reg, const struct network_entry *network,
			  const struct port *but)
{
	bool is_taken[PORT_SLOT_MAX + 1] = { 0 };

	vec_each(entry, &reg->ports)
		if ((*entry)->network == network && strcmp((*entry)->port->name, but->name) != 0 &&
		    (*entry)->port->slot <= PORT_SLOT_MAX)
			is_taken[(*entry)->port->slot] = true;
	for (unsigned slot = 1; slot <= PORT_SLOT_MAX; slot++)
		if (!is_taken[slot])
			return slot;
	return 0;
}

int port_choose_slot(const struct registry *reg, const struct network_entry *network,
		     struct port *port, struct vnet_error *err)
{
	if (!is_shaped(network->net, port)) {
		port->slot = 0;
		return 0;
	}
	if (!port->slot)
		port->slot = free_slot(reg, network, port);
	/* A bridge has no more ports than that, but a NIC may have more macvtap devices. */
	return port->slot ? 0 : vnet_error_set(err, -EUSERS, "too-many-ports",
					       "network %s has %d ports with limits, the most it can have",
					       network->net->name, PORT_SLOT_MAX);
}

void ports_choose_slots(struct netd *d)
{
	vec_each(entry, &d->registry.ports) {
		struct port *port = (*entry)->port;
		struct vnet_error err = { 0 };
		unsigned before = port->slot;

		if (port_choose_slot(&d->registry, (*entry)->network, port, &err) < 0)
			port_set_blocked(d, *entry, &err);
		if (port->slot != before && !(*entry)->is_attaching)
			port_save(d, *entry, port, NULL);
	}
}

/* ---- owners ---- */

static void owner_ended(void *arg)
{
	ports_end_unowned(arg);
}

int port_watch_owner(struct netd *d, struct port_entry *entry, uint64_t started,
		     struct vnet_error *err)
{
	const struct port *port = entry->port;

	if (!device_kind(port)->has_owner || port->persistent)
		return 0;
	return owner_watch(d->loop, port->owner_pid, started, owner_ended, d, &entry->owner, err);
}

/* ---- after a restart ---- */

/* What port_save() added to the model's object; it is taken out of it. */
struct record {
	int ifindex;
	bool is_elsewhere;
	struct port_namespace namespace;
	int inside_ifindex;
	uint64_t owner_started;
};

static json_int_t take_number(json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	json_object_del(object, key);
	return value;
}

static struct record take_record(json_t *object)
{
	const json_t *namespace = json_object_get(object, "namespace");
	struct record record = {
		.is_elsewhere = json_is_array(namespace),
		.namespace.device = (uint64_t)json_integer_value(json_array_get(namespace, 0)),
		.namespace.inode = (uint64_t)json_integer_value(json_array_get(namespace, 1)),
		.inside_ifindex = (int)json_integer_value(json_array_get(namespace, 2)),
	};

	json_object_del(object, "namespace");
	record.ifindex = (int)take_number(object, "ifindex");
	record.owner_started = (uint64_t)take_number(object, "ownerStarted");
	return record;
}

struct restore {
	struct netd *d;
	const struct snapshot *snap;
};

static void drop_record(struct netd *d, struct port_entry *entry)
{
	journal_del(d->port_journal, entry->port->name, NULL);
	registry_remove_port(&d->registry, entry);
}

/* Its device as this netd finds it; false: it is gone for good. */
static bool find_device(const struct restore *restore, struct port_entry *entry,
			const struct record *record)
{
	struct netd *d = restore->d;
	const struct link *link = snapshot_link_by_index(restore->snap, record->ifindex);
	const struct device_kind *kind = device_kind(entry->port);

	entry->is_elsewhere = record->is_elsewhere;
	entry->namespace = record->namespace;
	entry->inside_ifindex = record->inside_ifindex;
	if (registry_port_by_ifindex(&d->registry, record->ifindex))
		link = NULL;
	if (kind->is_there(d, entry, link, restore->snap)) {
		if (link && record->ifindex)
			registry_set_ifindex(&d->registry, entry, record->ifindex);
		return true;
	}
	entry->is_elsewhere = false;
	return entry->port->persistent && kind->has_persistence;
}

static struct port *read_port(const char *name, const json_t *object)
{
	struct vnet_error err = { 0 };
	struct port *port;
	char text[1024];

	if (port_from_json(object, &port, &err) == 0)
		return port;
	log_error("state of port %s: %s", name, vnet_error_text(&err, text, sizeof(text)));
	return NULL;
}

static void restore_one(void *arg, const char *name, json_t *object)
{
	struct restore *restore = arg;
	struct netd *d = restore->d;
	struct record record = take_record(object);
	struct port *port = read_port(name, object);
	struct network_entry *network = port ? registry_network(&d->registry, port->network) : NULL;
	struct port_entry *entry;

	if (!port)
		return;
	if (!network || registry_port(&d->registry, port->name)) {
		if (!network)
			log_error("port %s: its network %s is not defined any more; forgotten",
				  port->name, port->network);
		journal_del(d->port_journal, port->name, NULL);
		port_free(port);
		return;
	}
	/* What was the network's default and not the port's own wish is not in the file. */
	port_complete(port, network->net);
	groups_note_port(d, port, network->net);
	entry = registry_add_port(&d->registry, network, port);
	if (!find_device(restore, entry, &record)) {
		drop_record(d, entry);
		return;
	}
	if (port_watch_owner(d, entry, record.owner_started, NULL) < 0)
		entry->has_no_owner = true;
}

int ports_restore(struct netd *d, const struct snapshot *snap, struct vnet_error *err)
{
	struct restore restore = { .d = d, .snap = snap };
	int r = journal_open(d->run_dir, "ports", false, &d->port_journal, err);

	if (r < 0)
		return r;
	journal_each(d->port_journal, restore_one, &restore);
	return 0;
}
