/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_DHCP_HOSTS_H
#define VNET_DHCP_HOSTS_H

/*
 * hosts.h - who has which address and name reserved
 *
 * One list from two sources: the network's static hosts, and its ports that
 * have addresses.  A port with the MAC of a static host adds to that host what
 * it lacks; an address or name that a static host has is not given again.
 */

#include "base/strbuf.h"
#include "model/network.h"
#include "model/port.h"

struct dhcp_host_entry {
	bool has_mac;
	struct mac mac;
	const char *name;       /* or NULL; the network's or the port's */
	const char *duid;       /* or NULL; the network's */
	struct ip address;      /* IPv4 or none: dnsmasq holds one for a host */
	VEC(struct ip) addresses6;
	unsigned lease_time;    /* as in struct dhcp_host */
};

struct dhcp_host_list { VEC(struct dhcp_host_entry) entries; };

/* Borrows names from net and ports.  -EINVAL for a name that cannot stand in a file. */
int dhcp_host_list_make(const struct network *net, const struct port *const *ports, size_t n_ports,
			struct dhcp_host_list *ret, struct vnet_error *err);
void dhcp_host_list_free(struct dhcp_host_list *list);

/* dnsmasq's dhcp-hostsfile. */
void dhcp_host_list_write(const struct dhcp_host_list *list, struct strbuf *b);
/* hosts(5): the network's DNS hosts, then the entries with name and address. */
void dhcp_host_list_write_records(const struct network *net, const struct dhcp_host_list *list,
				  struct strbuf *b);

/* Not empty, letters, digits, '-', '_', '.', '*' only: cannot end a word or line of dnsmasq's files. */
bool dhcp_name_is_plain(const char *name);

#endif
