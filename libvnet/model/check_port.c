/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_port.c - a port on its network, beside the other ports. */

#include "model/check_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static int refuse(struct vnet_error *err, int number, const char *code, const char *path,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

static int refuse(struct vnet_error *err, int number, const char *code, const char *path,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, number, code, format, args);
	va_end(args);
	vnet_error_at(err, NULL, 0, 0, path);
	return number;
}

static int check_names(const struct port *port, const struct network *net, struct vnet_error *err)
{
	char bridge[16];

	if (!port->ifname[0])
		return 0;
	if (strcmp(port->ifname, network_bridge(net, bridge)) == 0 ||
	    strncmp(port->ifname, NETWORK_BRIDGE_PREFIX, strlen(NETWORK_BRIDGE_PREFIX)) == 0)
		return refuse(err, -EINVAL, "bad-interface-name", "ifname",
			      "%s is a bridge's name; choose another for the port", port->ifname);
	return 0;
}

static int check_mac(const struct port *port, const struct network *net, struct vnet_error *err)
{
	struct mac bridge = network_bridge_mac(net);
	char text[ADDR_TEXT_MAX];

	if (!port->has_mac)
		return 0;
	if (mac_is_multicast(&port->mac) || mac_is_zero(&port->mac))
		return refuse(err, -EINVAL, "bad-mac", "mac", "%s is no address of one device",
			      mac_format(&port->mac, text));
	/* The TAP itself gets the guest's MAC with fe in front; frames to it would end in the host.
	 */
	if (port->mac.b[0] == 0xfe)
		return refuse(
			err, -EINVAL, "bad-mac", "mac",
			"%s: addresses that begin with fe are the host's side of a port; choose "
			"another, like 52:54:00:...",
			mac_format(&port->mac, text));
	if (network_owns_bridge(net) && mac_cmp(&port->mac, &bridge) == 0)
		return refuse(err, -EEXIST, "mac-conflict", "mac", "%s is the bridge's own MAC",
			      mac_format(&port->mac, text));
	return 0;
}

static int check_mtu(const struct port *port, const struct network *net, struct vnet_error *err)
{
	if (network_owns_bridge(net) && port->mtu > network_mtu(net))
		return refuse(
			err, -EINVAL, "mtu-too-large", "mtu",
			"an MTU of %u on a bridge with %u loses large frames; raise bridge.mtu of "
			"network %s or lower the port's",
			port->mtu, network_mtu(net), net->name);
	if (port->mtu && port->mtu < 1280 && network_has_family(net, AF_INET6))
		return refuse(err, -EINVAL, "mtu-too-small", "mtu",
			      "an MTU of %u is too small for IPv6, which needs at least 1280",
			      port->mtu);
	return 0;
}

/* A static DHCP host of another MAC has the address. */
static bool is_reserved(const struct port *port, const struct network *net, const struct ip *ip)
{
	vec_each(host, &net->dhcp.hosts) {
		if (ip_cmp(&host->address, ip) != 0 && ip_cmp(&host->address6, ip) != 0)
			continue;
		if (!host->has_mac || !port->has_mac || mac_cmp(&host->mac, &port->mac) != 0)
			return true;
	}
	return false;
}

static int check_address(const struct port *port, const struct network *net, size_t i,
			 struct vnet_error *err)
{
	const struct ip *ip = &port->addresses.v[i];
	const struct prefix *subnet = network_subnet_of(net, ip);
	const char *path = PATH("addresses[%zu]", i);
	char text[ADDR_TEXT_MAX];

	ip_format(ip, text);
	if (ip_is_any(ip) || ip_is_multicast(ip) || ip_is_loopback(ip))
		return refuse(err, -EINVAL, "bad-address", path, "%s is no guest's address", text);
	if (net->addresses.n && (!subnet || !subnet_host_is_usable(subnet, ip)))
		return refuse(err, -EINVAL, "outside-subnet", path,
			      "%s is no guest's address in the subnets of network %s", text,
			      net->name);
	if (network_has_address(net, ip))
		return refuse(err, -EEXIST, "address-conflict", path,
			      "%s is the bridge's own address", text);
	if (is_reserved(port, net, ip))
		return refuse(err, -EEXIST, "address-conflict", path,
			      "%s is reserved for a DHCP host of network %s with another MAC", text,
			      net->name);
	for (size_t k = 0; k < i; k++)
		if (ip_cmp(&port->addresses.v[k], ip) == 0)
			return refuse(err, -EINVAL, "duplicate", path, "%s is given twice", text);
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static int check_beside(const struct port *port, const struct port *other, struct vnet_error *err)
{
	char text[ADDR_TEXT_MAX];

	if (port->ifname[0] && strcmp(port->ifname, other->ifname) == 0)
		return refuse(err, -EEXIST, "interface-conflict", "ifname",
			      "the interface %s belongs to port %s", port->ifname, other->name);
	if (!same_text(port->network, other->network))
		return 0;
	if (port->has_mac && other->has_mac && mac_cmp(&port->mac, &other->mac) == 0)
		return refuse(
			err, -EEXIST, "mac-conflict", "mac",
			"%s is the MAC of port %s on the same network; give another, or another "
			"name to derive one from",
			mac_format(&port->mac, text), other->name);
	for (size_t i = 0; i < port->addresses.n && other->addresses.n; i++)
		vec_each(ip, &other->addresses)
			if (ip_cmp(ip, &port->addresses.v[i]) == 0)
				return refuse(err, -EEXIST, "address-conflict",
					      PATH("addresses[%zu]", i),
					      "%s belongs to port %s on the same network",
					      ip_format(ip, text), other->name);
	return 0;
}

int port_check(const struct port *port, const struct network *net, struct port *const *ports,
	       size_t n_ports, struct vnet_error *err)
{
	static int (*const checks[])(const struct port *, const struct network *,
				     struct vnet_error *) = { check_names, check_mac, check_mtu };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](port, net, err);
	for (size_t i = 0; r == 0 && i < port->addresses.n; i++)
		r = check_address(port, net, i, err);
	for (size_t i = 0; r == 0 && i < n_ports; i++)
		if (!same_text(port->name, ports[i]->name))
			r = check_beside(port, ports[i], err);
	return r;
}
