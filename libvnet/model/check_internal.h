/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VNET_MODEL_CHECK_INTERNAL_H
#define VNET_MODEL_CHECK_INTERNAL_H

/* check_internal.h - what the check_*.c files share. */

#include "model/check.h"
#include "model/node.h"

/* A key path within a network, in a buffer that lives as long as the enclosing block. */
#define PATH(...) check_path((char[NODE_PATH_MAX]){ 0 }, __VA_ARGS__)
char *check_path(char *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Sets the error and points at path in net; item: where the offending item was
 * declared, NULL: where path was.  Returns -EINVAL.
 */
int check_refuse(const struct network *net, const struct source *item, const char *path,
		 struct vnet_error *err, const char *code, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* "blue.yaml:12", or "network blue": the other party of a conflict.  Returns buf. */
#define OTHER_MAX 192
char *check_other(const struct network *net, const struct source *item, char buf[OTHER_MAX]);

/* The network's subnet that holds ip, or NULL. */
const struct prefix *network_subnet_of(const struct network *net, const struct ip *ip);
/* ip is one of the bridge's own addresses. */
bool network_has_address(const struct network *net, const struct ip *ip);
/* mac is that of this host on the network: its bridge's, or its companion's. */
bool network_has_mac(const struct network *net, const struct mac *mac);
/* An address that a host in this subnet can have (not its first or IPv4 broadcast one). */
bool subnet_host_is_usable(const struct prefix *subnet, const struct ip *ip);

/* The parts of network_check(). */
int check_modes(const struct network *net, struct vnet_error *err);
int check_dhcp(const struct network *net, struct vnet_error *err);
int check_dns(const struct network *net, struct vnet_error *err);
int check_vlans(const struct network *net, struct vnet_error *err);
int check_links(const struct network *net, struct vnet_error *err);
int check_bandwidth(const struct network *net, struct vnet_error *err);
int check_egress(const struct network *net, struct vnet_error *err);
int check_guard(const struct network *net, struct vnet_error *err);

/* The parts of networks_check() that are in check_uplinks.c. */
int check_uplinks(struct network *const *nets, size_t n, struct vnet_error *err);
int check_tunnels(struct network *const *nets, size_t n, struct vnet_error *err);

/* Sets the error for a port's key; returns number. */
int check_port_refuse(struct vnet_error *err, int number, const char *code, const char *path,
		      const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The parts of port_check() that are in check_port_kind.c. */
int check_port_kind(const struct port *port, const struct network *net, struct vnet_error *err);
int check_port_keys(const struct port *port, const struct network *net, struct vnet_error *err);
int check_port_vlan(const struct port *port, const struct network *net, struct vnet_error *err);
int check_port_inside(const struct port *port, const struct network *net, struct vnet_error *err);
int check_port_limits(const struct port *port, const struct network *net, struct vnet_error *err);
int check_port_shares(const struct port *port, const struct network *net,
		      struct port *const *ports, size_t n_ports, struct vnet_error *err);
/* In check_guard.c. */
int check_port_guard(const struct port *port, const struct network *net, struct vnet_error *err);
/* Neither sends with the other's own MAC; same network. */
int check_guard_beside(const struct port *port, const struct port *other, struct vnet_error *err);
int check_port_function(const struct port *port, const struct network *net,
			struct port *const *ports, size_t n_ports, struct vnet_error *err);

/*
 * Forwards of one or several networks that would take the same packets.  The
 * forwards and networks are borrowed; v is sorted by the call.
 */
struct forward_ref {
	const struct network *net;
	const struct forward *forward;
	size_t index; /* within net->forwards */
	size_t order; /* of declaration, over all: the later one is refused */
};
int check_forward_collisions(struct forward_ref *v, size_t n, struct vnet_error *err);

#endif
