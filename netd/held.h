/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETD_HELD_H
#define NETD_HELD_H

/*
 * held.h - addresses that strict ports are seen to have, and are held to from then on
 *
 * Three witnesses: DHCP acknowledgements on their way to the port, leases of our
 * own dnsmasq, and solicitations by which a guest asks whether an IPv6 address is
 * free.  First come, first served: an address that another port of the network
 * has, or that is reserved for another, is not learned (RFC 6620 calls it FCFS
 * SAVI).  What was learned is in the port's record and outlives netd.
 */

#include "dhcp/leases.h"
#include "netd/netd.h"

/* KERNEL_EVENT_FRAME with an address, or KERNEL_EVENT_DHCP_ACK. */
void held_learn(struct netd *d, const struct kernel_event *event);
/* dnsmasq's lease file changed. */
void held_lease_changed(struct netd *d, struct port_entry *entry, enum lease_change change,
			const struct lease *lease);
/*
 * Adds to a record of the entry's port what is leased to its MAC; changes no rule.
 * True: there was something to add.
 */
bool held_complete(struct netd *d, const struct port_entry *entry, struct port *port);
/* The same for every port, saved: for reconcile(), which compares rules next. */
void held_refresh(struct netd *d);
/* What port, the entry's record that is to come, declares is taken from others that learned it. */
void held_give_way(struct netd *d, const struct port_entry *entry, const struct port *port);
/* At start: takes away what is not leased any more, on networks that we serve. */
void held_restore(struct netd *d);

#endif
