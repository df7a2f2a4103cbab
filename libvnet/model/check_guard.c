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

static int check_address(const struct network *net, const struct prefix *prefix, size_t i,
			 struct problem *at, struct vnet_error *err)
{
	bool is_one = prefix->len == ip_bits(&prefix->addr);
	const struct ip *ip = &prefix->addr;
	char text[ADDR_TEXT_MAX];
	const char *path = PATH("addresses[%zu]", i);

	if (is_one && (ip_is_any(ip) || ip_is_multicast(ip) || ip_is_loopback(ip)))
		return refuse(at, err, "bad-address", path, "%s is no guest's address",
			      ip_format(ip, text));
	if (is_one && network_has_address(net, ip))
		return refuse(at, err, "address-conflict", path, "%s is the bridge's own address",
			      ip_format(ip, text));
	return 0;
}

/* policy: the one in force. */
static int check(const struct network *net, const struct guard *guard, enum guard_policy policy,
		 bool is_on_bridge, struct problem *at, struct vnet_error *err)
{
	const char *strict_only = guard->allow.n      ? "allow" :
				  guard->addresses.n  ? "addresses" :
				  guard->ethertypes.n ? "ethertypes" :
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
	for (size_t i = 0; i < guard->addresses.n; i++) {
		int r = check_address(net, &guard->addresses.v[i], i, at, err);

		if (r < 0)
			return r;
	}
	return 0;
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
