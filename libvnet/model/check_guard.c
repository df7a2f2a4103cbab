/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_guard.c - what a guard can hold ports to, of a network and of one port. */

#include "model/check_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* Where in a guard the problem is, as a path below it. */
struct problem {
	char path[32];
};

static int refuse(struct problem *at, struct vnet_error *err, const char *code, const char *path,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
static int refuse(struct problem *at, struct vnet_error *err, const char *code, const char *path,
		  const char *format, ...)
{
	va_list args;

	snprintf(at->path, sizeof(at->path), "%s", path);
	va_start(args, format);
	vnet_error_setv(err, -EINVAL, code, format, args);
	va_end(args);
	return -EINVAL;
}

static bool is_guests(const struct network *net, const struct ip *ip)
{
	static const struct ip broadcast = { AF_INET, { 255, 255, 255, 255 } };
	const struct prefix *subnet = network_subnet_of(net, ip);

	if (ip_is_any(ip) || ip_is_multicast(ip) || ip_is_loopback(ip))
		return false;
	return ip_cmp(ip, &broadcast) != 0 && (!subnet || subnet_host_is_usable(subnet, ip));
}

static int check_address(const struct network *net, const struct prefix *prefix, size_t i,
			 struct problem *at, struct vnet_error *err)
{
	bool is_one = prefix->len == ip_bits(&prefix->addr);
	char text[ADDR_TEXT_MAX], own[ADDR_TEXT_MAX];
	const char *path = PATH("addresses[%zu]", i);

	if (is_one && !is_guests(net, &prefix->addr))
		return refuse(at, err, "bad-address", path, "%s is no guest's address",
			      ip_format(&prefix->addr, text));
	vec_each(address, &net->addresses) {
		if (!prefix_contains(prefix, &address->addr))
			continue;
		if (is_one)
			return refuse(at, err, "address-conflict", path,
				      "%s is the bridge's own address",
				      ip_format(&prefix->addr, text));
		return refuse(at, err, "address-conflict", path,
			      "%s has the bridge's own address %s in it; name what the guest needs "
			      "of it, or any address at all with allow: [any-address]",
			      prefix_format(prefix, text), ip_format(&address->addr, own));
	}
	return 0;
}

/* A router's MAC may be several ports' in turn; this host's is never a guest's. */
static int check_source_mac(const struct network *net, const struct mac *mac, size_t i,
			    struct problem *at, struct vnet_error *err)
{
	char text[ADDR_TEXT_MAX];

	if (mac->b[0] == 0xfe)
		return refuse(at, err, "bad-mac", PATH("macs[%zu]", i),
			      "%s: addresses that begin with fe are the host's side of a port",
			      mac_format(mac, text));
	if (network_has_mac(net, mac))
		return refuse(at, err, "mac-conflict", PATH("macs[%zu]", i),
			      "%s is the MAC of this host on the network", mac_format(mac, text));
	return 0;
}

static int check_sources(const struct network *net, const struct guard *guard, struct problem *at,
			 struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < guard->addresses.n; i++)
		r = check_address(net, &guard->addresses.v[i], i, at, err);
	for (size_t i = 0; r == 0 && i < guard->macs.n; i++)
		r = check_source_mac(net, &guard->macs.v[i], i, at, err);
	return r;
}

/* policy: the one in force. */
static int check(const struct network *net, const struct guard *guard, enum guard_policy policy,
		 bool is_on_bridge, struct problem *at, struct vnet_error *err)
{
	const char *strict_only = guard->allow.n      ? "allow" :
				  guard->addresses.n  ? "addresses" :
				  guard->ethertypes.n ? "ethertypes" :
				  guard->learn	      ? "learn" :
							NULL;

	if (strict_only && policy != GUARD_STRICT)
		return refuse(at, err, "guard-conflict", strict_only,
			      "%s has a meaning with policy: strict alone; policy %s looks at %s",
			      strict_only, guard_policy_name(policy),
			      policy == GUARD_MAC ? "source MACs" : "nothing");
	if (policy == GUARD_OFF && (guard->macs.n || guard->broadcast || guard->multicast))
		return refuse(at, err, "guard-conflict", guard->macs.n ? "macs" : "storm",
			      "policy off looks at nothing; use mac or strict");
	if (!is_on_bridge && (guard->broadcast || guard->multicast))
		return refuse(at, err, "guard-conflict", "storm",
			      "where macvtap devices send, Linux does not tell broadcasts from the rest; "
			      "limit the port with bandwidth.out");
	return check_sources(net, guard, at, err);
}

int check_guard(const struct network *net, struct vnet_error *err)
{
	const struct guard *guard = &net->port_defaults.guard;
	struct problem at;
	int r = check(net, guard, guard->policy ? guard->policy : GUARD_MAC,
		      network_has_bridge(net), &at, err);

	if (r < 0)
		network_locate(net, PATH("ports.guard.%s", at.path), err);
	return r;
}

/* Beyond our rules: of a function the card sees the address alone, of another namespace its owner. */
static int check_out_of_reach(const struct port *port, const struct network *net,
			      struct vnet_error *err)
{
	struct port_guard guard = port_guard(port, net);

	if (port->kind == PORT_VF && port->has_guard)
		return check_port_refuse(err, -EINVAL, "kind-conflict", "guard",
					 "a virtual function's frames pass no rule of this host; "
					 "sriov.spoofchk holds it to its MAC");
	if (port->kind == PORT_MACVLAN && guard.policy == GUARD_STRICT)
		return check_port_refuse(err, -EINVAL, "kind-conflict", "guard",
					 "a macvlan port is in another namespace, where rules of this one "
					 "do not reach, so guard: strict cannot be had; attach it with "
					 "guard: off, or as kind macvtap");
	return 0;
}

int check_port_guard(const struct port *port, const struct network *net, struct vnet_error *err)
{
	struct port_guard guard = port_guard(port, net);
	struct problem at;
	int r = check_out_of_reach(port, net, err);

	if (r < 0 || !port->has_guard)
		return r;
	r = check(net, guard.guard, guard.policy, network_has_bridge(net), &at, err);
	if (r < 0)
		vnet_error_at(err, NULL, 0, 0, PATH("guard.%s", at.path));
	return r;
}

int check_guard_beside(const struct port *port, const struct port *other, struct vnet_error *err)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; other->has_mac && i < port->guard.macs.n; i++)
		if (mac_cmp(&port->guard.macs.v[i], &other->mac) == 0)
			return check_port_refuse(err, -EEXIST, "mac-conflict",
						 PATH("guard.macs[%zu]", i),
						 "%s is the MAC of port %s on the same network",
						 mac_format(&other->mac, text), other->name);
	vec_each(mac, &other->guard.macs)
		if (port->has_mac && mac_cmp(mac, &port->mac) == 0)
			return check_port_refuse(err, -EEXIST, "mac-conflict", "mac",
						 "%s is in guard.macs of port %s on the same network",
						 mac_format(mac, text), other->name);
	return 0;
}
