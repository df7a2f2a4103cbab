/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_port.c - a port on its network, beside the other ports. */

#include "model/check_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

int check_port_refuse(struct vnet_error *err, int number, const char *code, const char *path,
		      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, number, code, format, args);
	va_end(args);
	vnet_error_at(err, NULL, 0, 0, path);
	return number;
}

/* Names that netd gives to devices beside ports: "vn-blue", or a prefix and hexadecimal digits. */
static bool is_ours(const char *ifname)
{
	static const struct {
		const char *prefix;
		size_t digits; /* behind it; 0: anything */
	} names[] = {
		{ NETWORK_BRIDGE_PREFIX, 0 }, { NETWORK_VLAN_PREFIX, 0 },
		{ NETWORK_COMPANION_PREFIX, 0 }, { NETWORK_IFB_PREFIX, 0 },
		{ "vg", 8 },		      { "vx", 8 },
		{ "vs", 11 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t skip = strlen(names[i].prefix);
		const char *rest = ifname + skip;

		if (strncmp(ifname, names[i].prefix, skip) != 0)
			continue;
		if (!names[i].digits || (strlen(rest) == names[i].digits &&
					 !rest[strspn(rest, "0123456789abcdef")]))
			return true;
	}
	return false;
}

static int check_names(const struct port *port, const struct network *net, struct vnet_error *err)
{
	char bridge[16];

	/* A virtual function has no device of its own; its ifname is the uplink's. */
	if (!port->ifname[0] || port->kind == PORT_VF)
		return 0;
	if (strcmp(port->ifname, network_bridge(net, bridge)) == 0 || is_ours(port->ifname))
		return check_port_refuse(err, -EINVAL, "bad-interface-name", "ifname",
					 "%s is a name for devices that netd makes; choose another for "
					 "the port",
					 port->ifname);
	if (net->uplink && strcmp(port->ifname, net->uplink) == 0)
		return check_port_refuse(err, -EINVAL, "bad-interface-name", "ifname",
					 "%s is the network's uplink; choose another name for the port",
					 port->ifname);
	return 0;
}

bool network_has_mac(const struct network *net, const struct mac *mac)
{
	struct mac own = network_bridge_mac(net);

	return (network_owns_bridge(net) || net->macvtap.companion) && mac_cmp(mac, &own) == 0;
}

static int check_mac(const struct port *port, const struct network *net, struct vnet_error *err)
{
	char text[ADDR_TEXT_MAX];

	if (!port->has_mac)
		return 0;
	if (mac_is_multicast(&port->mac) || mac_is_zero(&port->mac))
		return check_port_refuse(err, -EINVAL, "bad-mac", "mac",
					 "%s is no address of one device",
					 mac_format(&port->mac, text));
	/* The TAP itself gets the guest's MAC with fe in front; frames to it would end in the host.
	 */
	if (port->mac.b[0] == 0xfe)
		return check_port_refuse(
			err, -EINVAL, "bad-mac", "mac",
			"%s: addresses that begin with fe are the host's side of a port; choose "
			"another, like 52:54:00:...",
			mac_format(&port->mac, text));
	if (network_has_mac(net, &port->mac))
		return check_port_refuse(err, -EEXIST, "mac-conflict", "mac",
					 "%s is the MAC of this host on the network",
					 mac_format(&port->mac, text));
	return 0;
}

static int check_mtu(const struct port *port, const struct network *net, struct vnet_error *err)
{
	if (network_owns_bridge(net) && port->mtu > network_mtu(net))
		return check_port_refuse(
			err, -EINVAL, "mtu-too-large", "mtu",
			"an MTU of %u on a bridge with %u loses large frames; raise bridge.mtu of "
			"network %s or lower the port's",
			port->mtu, network_mtu(net), net->name);
	if (port->mtu && port->mtu < 1280 && network_has_family(net, AF_INET6))
		return check_port_refuse(err, -EINVAL, "mtu-too-small", "mtu",
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
		return check_port_refuse(err, -EINVAL, "bad-address", path,
					 "%s is no guest's address", text);
	if (net->addresses.n && (!subnet || !subnet_host_is_usable(subnet, ip)))
		return check_port_refuse(err, -EINVAL, "outside-subnet", path,
			      "%s is no guest's address in the subnets of network %s", text,
			      net->name);
	if (network_has_address(net, ip))
		return check_port_refuse(err, -EEXIST, "address-conflict", path,
			      "%s is the bridge's own address", text);
	if (is_reserved(port, net, ip))
		return check_port_refuse(err, -EEXIST, "address-conflict", path,
			      "%s is reserved for a DHCP host of network %s with another MAC", text,
			      net->name);
	for (size_t k = 0; k < i; k++)
		if (ip_cmp(&port->addresses.v[k], ip) == 0)
			return check_port_refuse(err, -EINVAL, "duplicate", path, "%s is given twice", text);
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static int check_beside(const struct port *port, const struct port *other, struct vnet_error *err)
{
	char text[ADDR_TEXT_MAX];

	if (port->ifname[0] && strcmp(port->ifname, other->ifname) == 0 &&
	    !(port->kind == PORT_VF && other->kind == PORT_VF))
		return check_port_refuse(err, -EEXIST, "interface-conflict", "ifname",
			      "the interface %s belongs to port %s", port->ifname, other->name);
	if (!same_text(port->network, other->network))
		return 0;
	if (port->has_mac && other->has_mac && mac_cmp(&port->mac, &other->mac) == 0)
		return check_port_refuse(
			err, -EEXIST, "mac-conflict", "mac",
			"%s is the MAC of port %s on the same network; give another, or another "
			"name to derive one from",
			mac_format(&port->mac, text), other->name);
	for (size_t i = 0; i < port->addresses.n && other->addresses.n; i++)
		vec_each(ip, &other->addresses)
			if (ip_cmp(ip, &port->addresses.v[i]) == 0)
				return check_port_refuse(err, -EEXIST, "address-conflict",
					      PATH("addresses[%zu]", i),
					      "%s belongs to port %s on the same network",
					      ip_format(ip, text), other->name);
	return check_guard_beside(port, other, err);
}

int port_check(const struct port *port, const struct network *net, struct port *const *ports,
	       size_t n_ports, struct vnet_error *err)
{
	static int (*const checks[])(const struct port *, const struct network *,
				     struct vnet_error *) = {
		check_port_kind, check_port_keys,   check_names,       check_mac,
		check_mtu,	 check_port_vlan,   check_port_inside, check_port_limits,
		check_port_guard,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](port, net, err);
	for (size_t i = 0; r == 0 && i < port->addresses.n; i++)
		r = check_address(port, net, i, err);
	for (size_t i = 0; r == 0 && i < n_ports; i++)
		if (!same_text(port->name, ports[i]->name))
			r = check_beside(port, ports[i], err);
	if (r == 0)
		r = check_port_shares(port, net, ports, n_ports, err);
	return r < 0 ? r : check_port_function(port, net, ports, n_ports, err);
}
