/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check_modes.c - which keys a mode knows.
 *
 * A key that would have no effect is refused: whoever wrote it expects one.
 */

#include "model/check_internal.h"

#include "base/strbuf.h"

#include <errno.h>

#define M(mode)	 (1u << (mode))
#define NAT	 M(NETWORK_NAT)
#define ROUTED	 M(NETWORK_ROUTED)
#define OPEN	 M(NETWORK_OPEN)
#define ISOLATED M(NETWORK_ISOLATED)
#define BRIDGED	 M(NETWORK_BRIDGED)

static bool has_uplink(const struct network *net)
{
	return net->uplink;
}

static bool has_addresses(const struct network *net)
{
	return net->addresses.n;
}

static bool has_subnet(const struct network *net)
{
	return net->auto4 || net->auto6;
}

static bool has_dhcp(const struct network *net)
{
	return net->dhcp.enabled;
}

static bool has_dhcp6(const struct network *net)
{
	return net->ipv6.dhcp6_enabled;
}

static bool has_ra(const struct network *net)
{
	return net->ipv6.has_ra && net->ipv6.ra != RA_OFF;
}

static bool has_dns(const struct network *net)
{
	return net->dns.enabled;
}

static bool has_domain(const struct network *net)
{
	return net->domain;
}

static bool has_nat(const struct network *net)
{
	const struct nat_config *nat = &net->nat;

	return nat->ipv4 || nat->ipv6 || nat->uplink || nat->source.first.family ||
	       nat->source6.first.family || nat->ports.first;
}

static bool has_forwards(const struct network *net)
{
	return net->forwards.n;
}

static bool has_routes(const struct network *net)
{
	return net->routes.n;
}

static bool has_no_host_access(const struct network *net)
{
	return !net->host_access;
}

#define BRIDGED_WHY "the machines on the bridged segment serve that"

static const struct {
	const char *key;
	bool (*is_given)(const struct network *net);
	unsigned modes; /* that know the key */
	const char *why;
} rules[] = {
	{ "uplink", has_uplink, BRIDGED, "to choose the NIC that NAT leaves by, set nat.uplink" },
	{ "addresses", has_addresses, ~BRIDGED,
	  "the bridge takes over the uplink's own addresses" },
	{ "subnet", has_subnet, ~BRIDGED, "the bridge takes over the uplink's own addresses" },
	{ "dhcp", has_dhcp, ~BRIDGED, BRIDGED_WHY },
	{ "dhcp6", has_dhcp6, ~BRIDGED, BRIDGED_WHY },
	{ "ra", has_ra, ~BRIDGED, BRIDGED_WHY },
	{ "dns", has_dns, ~BRIDGED, BRIDGED_WHY },
	{ "domain", has_domain, ~BRIDGED, BRIDGED_WHY },
	{ "routes", has_routes, ~BRIDGED, "the uplink's own routes stay in force" },
	{ "nat", has_nat, NAT, "only mode: nat translates addresses" },
	{ "forwards", has_forwards, NAT | ROUTED,
	  "guests of the other modes are not reached through this host's rules" },
	{ "host_access", has_no_host_access, ~OPEN,
	  "mode: open sets no rules; use routed or isolated" },
};

static int refuse_key(const struct network *net, const char *key, unsigned modes, const char *why,
		      struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf list = { 0 };

	for (unsigned mode = NETWORK_NAT; mode <= NETWORK_BRIDGED; mode++)
		if (modes & M(mode))
			strbuf_printf(&list, "%s%s", list.len ? ", " : "", network_mode_name(mode));
	return check_refuse(net, NULL, key, err, "mode-conflict",
			    "%s has no place in mode: %s (accepted in %s): %s", key,
			    network_mode_name(net->mode), list.s, why);
}

/* On a bridge that is not ours only the ports are. */
static int check_foreign_bridge(const struct network *net, struct vnet_error *err)
{
	const struct bridge_options *b = &net->bridge;

	if (!b->name)
		return check_refuse(
			net, NULL, "", err, "missing-key",
			"mode: bridged needs bridge.name (a bridge that exists) or uplink "
			"(a NIC for a bridge of ours)");
	if (b->has_mac || b->stp || b->forward_delay || b->hello_time || b->max_age ||
	    b->has_priority || b->has_ageing || b->mtu || b->multicast_snooping ||
	    b->group_fwd_mask)
		return check_refuse(net, NULL, "bridge", err, "mode-conflict",
				    "bridge %s belongs to someone else, who sets its options; give "
				    "only its name, or an uplink to have a bridge of ours",
				    b->name);
	if (!net->host_access)
		return check_refuse(
			net, NULL, "host_access", err, "mode-conflict",
			"bridge %s belongs to someone else; the host cannot be kept off it",
			b->name);
	return 0;
}

int check_modes(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].is_given(net) && !(rules[i].modes & M(net->mode)))
			return refuse_key(net, rules[i].key, rules[i].modes, rules[i].why, err);
	if (net->mode == NETWORK_BRIDGED)
		return network_owns_bridge(net) ? 0 : check_foreign_bridge(net, err);
	if ((M(net->mode) & (NAT | ROUTED)) && !net->addresses.n && !net->auto4 && !net->auto6)
		return check_refuse(
			net, NULL, "", err, "no-address",
			"mode: %s needs an address for the guests' gateway; give addresses "
			"or subnet: auto",
			network_mode_name(net->mode));
	return 0;
}
