/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held.c - learns the addresses of strict ports; see held.h. */

#include "netd/held.h"

#include "netd/log.h"
#include "netd/port.h"

#include <time.h>

/* Of one family: a guest with privacy extensions (RFC 8981) has one more each day. */
#define HELD_FAMILY_MAX (GUARD_HELD_MAX / 2)

/* ---- whose is it? ---- */

static bool has_address(const struct port *port, const struct network *net, const struct ip *ip)
{
	ip_vec addresses = { 0 };
	prefix_vec prefixes = { 0 };
	bool found = false;

	port_sources(port, net, &addresses, &prefixes);
	vec_each(other, &addresses)
		found |= ip_cmp(other, ip) == 0;
	vec_each(prefix, &prefixes)
		found |= prefix_contains(prefix, ip);
	vec_free(&addresses);
	vec_free(&prefixes);
	return found;
}

static struct port_entry *other_with(const struct netd *d, const struct port_entry *entry,
				     const struct ip *ip)
{
	vec_each(other, &d->registry.ports)
		if (*other != entry && (*other)->network == entry->network &&
		    has_address((*other)->port, entry->network->net, ip))
			return *other;
	return NULL;
}

/* A lease that has run out keeps nobody else from the address. */
static bool holds_expired(const struct port *port, const struct ip *ip)
{
	vec_each(held, &port->held)
		if (ip_cmp(&held->ip, ip) == 0)
			return held->expires && held->expires < (uint64_t)time(NULL);
	return false;
}

/* ---- changes ---- */

static void remove_held(struct port *port, const struct ip *ip)
{
	for (size_t i = 0; i < port->held.n; i++)
		if (ip_cmp(&port->held.v[i].ip, ip) == 0)
			vec_remove(&port->held, i--);
}

/* Makes room by forgetting the oldest. */
static void add_held(struct port *port, const struct held_address *held)
{
	size_t n = 0, oldest = 0;

	remove_held(port, &held->ip);
	for (size_t i = port->held.n; i-- > 0;) {
		if (port->held.v[i].ip.family != held->ip.family)
			continue;
		oldest = i;
		n++;
	}
	if (n >= HELD_FAMILY_MAX)
		vec_remove(&port->held, oldest);
	vec_push(&port->held, *held);
}

static void change(struct netd *d, struct port_entry *entry, struct port *after)
{
	static struct log_limit limit = LOG_LIMIT(10, 5);
	struct vnet_error err = { 0 };

	/* The entry is not looked at afterwards: it may be gone. */
	if (port_change(d, entry, after, false, &err) < 0 && log_limit_pass(&limit))
		log_warning("learned addresses not changed: %s", err.message);
}

static void refuse(const struct port_entry *entry, const struct port_entry *other,
		   const struct ip *ip)
{
	static struct log_limit limit = LOG_LIMIT(10, 5);
	char text[ADDR_TEXT_MAX];

	if (log_limit_pass(&limit))
		log_warning("port %s: address %s not learned: port %s has it", entry->port->name,
			    ip_format(ip, text), other->port->name);
}

static void forget(struct netd *d, struct port_entry *entry, const struct ip *ip)
{
	struct port *after = port_copy(entry->port);

	remove_held(after, ip);
	if (after->held.n == entry->port->held.n)
		port_free(after);
	else
		change(d, entry, after);
}

static void learn(struct netd *d, struct port_entry *entry, const struct held_address *held)
{
	struct port_entry *other;
	struct port *after;

	if (!port_may_learn(entry->port, entry->network->net, &held->ip) ||
	    has_address(entry->port, entry->network->net, &held->ip))
		return;
	other = other_with(d, entry, &held->ip);
	if (other && holds_expired(other->port, &held->ip)) {
		forget(d, other, &held->ip);
		other = NULL;
	}
	if (other) {
		refuse(entry, other, &held->ip);
		return;
	}
	after = port_copy(entry->port);
	add_held(after, held);
	change(d, entry, after);
}

static void give_way(struct netd *d, struct port_entry *other, const struct port *declared)
{
	const struct network *net = other->network->net;
	struct port *after = port_copy(other->port);

	for (size_t i = 0; i < after->held.n; i++)
		if (has_address(declared, net, &after->held.v[i].ip))
			vec_remove(&after->held, i--);
	if (after->held.n == other->port->held.n)
		port_free(after);
	else
		change(d, other, after);
}

void held_give_way(struct netd *d, const struct port_entry *entry, const struct port *port)
{
	struct port declared = *port; /* borrowed, without what it has learned itself */

	declared.held = (held_vec){ 0 };
	vec_each(other, &d->registry.ports)
		if (*other != entry && (*other)->network == entry->network && (*other)->port->held.n)
			give_way(d, *other, &declared);
}

/* ---- witnesses ---- */

void held_learn(struct netd *d, const struct kernel_event *event)
{
	struct port_entry *entry = registry_port_by_ifindex(&d->registry, event->link.ifindex);
	struct held_address held = { .ip = event->ip };

	if (!entry || !entry->port->has_mac || !event->ip.family)
		return;
	/* A broadcast acknowledgement comes by every port. */
	if (event->kind == KERNEL_EVENT_DHCP_ACK && mac_cmp(&event->mac, &entry->port->mac) != 0)
		return;
	if (event->seconds)
		held.expires = (uint64_t)time(NULL) + event->seconds;
	learn(d, entry, &held);
}

void held_lease_changed(struct netd *d, struct port_entry *entry, enum lease_change what,
			const struct lease *lease)
{
	if (what == LEASE_REMOVED)
		forget(d, entry, &lease->address);
	else
		learn(d, entry, &(struct held_address){ .ip = lease->address });
}

/* The leases of a network whose ports learn from them; NULL: there are none. */
static const struct lease_file *leases_of(struct netd *d, const struct port_entry *entry,
					  const struct port *port)
{
	const struct network *net = entry->network->net;

	if (!port->has_mac || !network_wants_dnsmasq(net) || !port_learns_addresses(port, net))
		return NULL;
	return dhcp_leases(d, entry->network);
}

bool held_complete(struct netd *d, const struct port_entry *entry, struct port *port)
{
	const struct lease_file *file = leases_of(d, entry, port);
	const struct network *net = entry->network->net;
	size_t n_before = port->held.n;

	if (!file)
		return false;
	vec_each(lease, &file->leases)
		if (lease->has_mac && mac_cmp(&lease->mac, &port->mac) == 0 &&
		    port_may_learn(port, net, &lease->address) &&
		    !has_address(port, net, &lease->address) &&
		    !other_with(d, entry, &lease->address))
			add_held(port, &(struct held_address){ .ip = lease->address });
	return port->held.n != n_before;
}

void held_refresh(struct netd *d)
{
	vec_each(entry, &d->registry.ports)
		if (held_complete(d, *entry, (*entry)->port))
			port_save(d, *entry, (*entry)->port, NULL);
}

static bool is_leased(const struct lease_file *file, const struct port *port, const struct ip *ip)
{
	const struct lease *lease = lease_find(file, ip);

	return lease && lease->has_mac && mac_cmp(&lease->mac, &port->mac) == 0;
}

/* IPv4 only: an IPv6 address may be one that the guest found free itself. */
void held_restore(struct netd *d)
{
	vec_each(entry, &d->registry.ports) {
		struct port *port = (*entry)->port;
		const struct lease_file *file = leases_of(d, *entry, port);
		size_t n_before = port->held.n;

		for (size_t i = 0; file && i < port->held.n; i++)
			if (port->held.v[i].ip.family == AF_INET &&
			    !is_leased(file, port, &port->held.v[i].ip))
				vec_remove(&port->held, i--);
		if (port->held.n != n_before)
			port_save(d, *entry, port, NULL);
	}
}
