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
#define MACVTAP	 M(NETWORK_MACVTAP)
#define SRIOV	 M(NETWORK_SRIOV)
#define SERVING	 (NAT | ROUTED | OPEN | ISOLATED) /* a segment of our own, which we may serve */
#define BRIDGES	 (SERVING | BRIDGED)

static bool has_plain_uplink(const struct network *net)
{
	return net->uplink && !net->vlan.id;
}

static bool has_vlan(const struct network *net)
{
	return net->vlan.id;
}

static bool has_service(const struct network *net)
{
	return net->vlan.service;
}

static bool has_bridge_options(const struct network *net)
{
	const struct bridge_options *b = &net->bridge;

	return b->name || b->has_mac || b->stp || b->forward_delay || b->hello_time ||
	       b->max_age || b->has_priority || b->has_ageing || b->mtu || b->multicast_snooping ||
	       b->group_fwd_mask || b->vlan_filtering || b->vlan_protocol || b->has_native ||
	       b->uplink_vlans.n;
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

static bool has_egress(const struct network *net)
{
	return net->has_egress;
}

static bool has_no_host_access(const struct network *net)
{
	return !net->host_access;
}

static bool has_links(const struct network *net)
{
	return net->links.n;
}

static bool has_macvtap(const struct network *net)
{
	return net->macvtap.mode || net->macvtap.companion;
}

static bool has_sriov(const struct network *net)
{
	return net->sriov.has_vfs || net->sriov.trust || !net->sriov.spoofchk;
}

static bool has_bandwidth(const struct network *net)
{
	return net->in.rate || net->out.rate;
}

static bool has_port_mtu(const struct network *net)
{
	return net->port_defaults.mtu;
}

static bool has_port_isolation(const struct network *net)
{
	return net->port_defaults.isolated;
}

static bool has_port_queues(const struct network *net)
{
	return net->port_defaults.queues || net->port_defaults.txqueuelen;
}

static bool has_port_vlan(const struct network *net)
{
	return net->port_defaults.vlan.is_given;
}

static bool has_port_options(const struct network *net)
{
	const struct port_options *o = &net->port_defaults.options;

	return o->learning || o->flood || o->multicast_flood || o->hairpin || o->proxy_arp;
}

static bool has_port_offloads(const struct network *net)
{
	const struct port_options *o = &net->port_defaults.options;

	return o->rx || o->tx || o->sg || o->tso || o->gso || o->gro;
}

static bool has_port_limit_in(const struct network *net)
{
	return net->port_defaults.in.rate || net->port_defaults.in.guaranteed;
}

static bool has_port_guard(const struct network *net)
{
	return !guard_is_default(&net->port_defaults.guard);
}

#define SEGMENT_WHY "the machines on the uplink's segment serve that"
#define NO_HOST_END "a virtual function has no interface of this host in its way"

static const struct {
	const char *key;
	bool (*is_given)(const struct network *net);
	unsigned modes; /* that know the key */
	const char *why;
} rules[] = {
	{ "uplink", has_plain_uplink, BRIDGED | MACVTAP | SRIOV,
	  "to choose the NIC that NAT leaves by, set nat.uplink; to have a VLAN of the NIC on the "
	  "bridge, set vlan too" },
	{ "vlan", has_vlan, BRIDGES | SRIOV,
	  "for guests in a VLAN, name a VLAN device of the host as the uplink" },
	{ "vlan.service", has_service, BRIDGES, "a virtual function puts one tag on, not two" },
	{ "bridge", has_bridge_options, BRIDGES, "there is no bridge" },
	{ "addresses", has_addresses, SERVING | MACVTAP,
	  "this host has on the segment the addresses of its uplink, and in a bridged VLAN none; "
	  "for addresses of the bridge's own use mode: open" },
	{ "subnet", has_subnet, SERVING,
	  "the segment has its subnet already, which cannot be chosen here" },
	{ "dhcp", has_dhcp, SERVING, SEGMENT_WHY },
	{ "dhcp6", has_dhcp6, SERVING, SEGMENT_WHY },
	{ "ra", has_ra, SERVING, SEGMENT_WHY },
	{ "dns", has_dns, SERVING, SEGMENT_WHY },
	{ "domain", has_domain, SERVING, SEGMENT_WHY },
	{ "routes", has_routes, SERVING | MACVTAP, "the host's own routes stay in force" },
	{ "nat", has_nat, NAT, "only mode: nat translates addresses" },
	{ "forwards", has_forwards, NAT | ROUTED,
	  "guests of the other modes are not reached through this host's rules" },
	{ "egress", has_egress, NAT | ROUTED,
	  "in mode: open nothing is held back, guests of an isolated network reach nothing outside, "
	  "and those of the others leave without passing this host's rules" },
	{ "host_access", has_no_host_access, NAT | ROUTED | ISOLATED | BRIDGED,
	  "mode: open sets no rules, so use routed or isolated; without a bridge, guests and host "
	  "do not meet anyway" },
	{ "links", has_links, BRIDGES, "links join bridges, and there is none" },
	{ "macvtap", has_macvtap, MACVTAP, "it says how macvtap devices share their NIC" },
	{ "sriov", has_sriov, SRIOV, "it says how virtual functions are set up" },
	{ "bandwidth", has_bandwidth, BRIDGES | MACVTAP,
	  "each function is limited by itself, with ports.bandwidth.out" },
	{ "ports.mtu", has_port_mtu, BRIDGES | MACVTAP, NO_HOST_END },
	{ "ports.isolated", has_port_isolation, BRIDGES,
	  "for macvtap devices, macvtap: private does it" },
	{ "ports", has_port_queues, BRIDGES | MACVTAP, NO_HOST_END },
	{ "ports.vlan", has_port_vlan, BRIDGES,
	  "only the ports of a VLAN-aware bridge differ in it" },
	{ "ports", has_port_options, BRIDGES,
	  "learning, flood, multicast_flood, hairpin and proxy_arp are options of bridge ports" },
	{ "ports.offloads", has_port_offloads, BRIDGES | MACVTAP, NO_HOST_END },
	{ "ports.guard", has_port_guard, BRIDGES | MACVTAP,
	  "a virtual function's frames pass no rule of this host; sriov.spoofchk holds it to its MAC" },
	{ "ports.bandwidth.in", has_port_limit_in, BRIDGES | MACVTAP,
	  "a virtual function limits only what its guest sends" },
};

static int refuse_key(const struct network *net, const char *key, unsigned modes, const char *why,
		      struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf list = { 0 };

	for (unsigned mode = NETWORK_NAT; mode <= NETWORK_SRIOV; mode++)
		if (modes & M(mode))
			strbuf_printf(&list, "%s%s", list.len ? ", " : "", network_mode_name(mode));
	return check_refuse(net, NULL, key, err, "mode-conflict",
			    "%s has no place in mode: %s (accepted in %s): %s", key,
			    network_mode_name(net->mode), list.s, why);
}

/* On a bridge that is not ours only the ports are. */
static int check_foreign_bridge(const struct network *net, struct vnet_error *err)
{
	struct network options = { .bridge = net->bridge };

	if (!net->bridge.name)
		return check_refuse(
			net, NULL, "", err, "missing-key",
			"mode: bridged needs bridge.name (a bridge that exists) or uplink "
			"(a NIC for a bridge of ours)");
	options.bridge.name = NULL;
	if (has_bridge_options(&options))
		return check_refuse(net, NULL, "bridge", err, "mode-conflict",
				    "bridge %s belongs to someone else, who sets its options; give "
				    "only its name, or an uplink to have a bridge of ours",
				    net->bridge.name);
	if (!net->host_access)
		return check_refuse(
			net, NULL, "host_access", err, "mode-conflict",
			"bridge %s belongs to someone else; the host cannot be kept off it",
			net->bridge.name);
	if (net->links.n)
		return check_refuse(net, &net->links.v[0].source, "links", err, "mode-conflict",
				    "bridge %s belongs to someone else; links need a bridge of ours",
				    net->bridge.name);
	return 0;
}

/* Who shares a wire has to say which. */
static int check_uplink(const struct network *net, struct vnet_error *err)
{
	if (net->uplink)
		return 0;
	if (net->vlan.id && network_has_bridge(net))
		return check_refuse(net, NULL, "vlan", err, "missing-key",
				    "a VLAN needs uplink, the interface that carries it; ports that "
				    "differ in their VLAN need bridge.vlan_filtering instead");
	if (!network_has_bridge(net))
		return check_refuse(net, NULL, "", err, "missing-key", "mode: %s needs uplink, %s",
				    network_mode_name(net->mode),
				    net->mode == NETWORK_MACVTAP ?
					    "the NIC that the guests' devices share" :
					    "the NIC whose virtual functions guests get");
	return 0;
}

static int check_companion(const struct network *net, struct vnet_error *err)
{
	const struct macvtap_config *macvtap = &net->macvtap;

	if (net->mode != NETWORK_MACVTAP)
		return 0;
	if (net->addresses.n && !macvtap->companion)
		return check_refuse(net, NULL, "addresses", err, "mode-conflict",
				    "without a companion this host has no interface for addresses; "
				    "set macvtap: {companion: true}, or leave them out");
	if (net->routes.n && !macvtap->companion)
		return check_refuse(net, NULL, "routes", err, "mode-conflict",
				    "without a companion this host has no interface for routes; "
				    "set macvtap: {companion: true}, or leave them out");
	if (macvtap->companion && macvtap->mode != MACVTAP_BRIDGE)
		return check_refuse(net, NULL, "macvtap.companion", err, "mode-conflict",
				    "only in macvtap mode bridge do devices of one NIC reach each "
				    "other; leave the companion out");
	return 0;
}

int check_modes(const struct network *net, struct vnet_error *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].is_given(net) && !(rules[i].modes & M(net->mode)))
			return refuse_key(net, rules[i].key, rules[i].modes, rules[i].why, err);
	r = check_uplink(net, err);
	if (r == 0)
		r = check_companion(net, err);
	if (r < 0)
		return r;
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
