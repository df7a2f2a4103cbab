/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check_port_kind.c - what a port of its kind can have on a network of its mode. */

#include "model/check_internal.h"

#include "base/strbuf.h"

#include <errno.h>
#include <sys/socket.h>

#define K(kind) (1u << (kind))
#define TAP	K(PORT_TAP)
#define MACVTAP K(PORT_MACVTAP)
#define MACVLAN K(PORT_MACVLAN)
#define VETH	K(PORT_VETH)
#define VF	K(PORT_VF)

static unsigned kinds_of(const struct network *net)
{
	return net->mode == NETWORK_MACVTAP ? MACVTAP | MACVLAN :
	       net->mode == NETWORK_SRIOV   ? VF :
					      TAP | VETH;
}

static void list_kinds(unsigned kinds, struct strbuf *list)
{
	for (unsigned kind = PORT_TAP; kind <= PORT_VF; kind++)
		if (kinds & K(kind))
			strbuf_printf(list, "%s%s", list->len ? ", " : "", port_kind_name(kind));
}

int check_port_kind(const struct port *port, const struct network *net, struct vnet_error *err)
{
	unsigned kinds = kinds_of(net);
	AUTO_STRBUF struct strbuf list = { 0 };

	if (!port->has_kind || kinds & K(port->kind))
		return 0;
	list_kinds(kinds, &list);
	return check_port_refuse(err, -EINVAL, "kind-conflict", "kind",
				 "network %s of mode %s has no ports of kind %s; accepted: %s",
				 net->name, network_mode_name(net->mode),
				 port_kind_name(port->kind), list.s);
}

/* --- keys that only some kinds know --- */

static bool has_netns(const struct port *port)
{
	return port->netns;
}

static bool has_inside(const struct port *port)
{
	return port->inside.ifname[0] || port->inside.addresses.n || port->inside.routes.n;
}

static bool has_vf(const struct port *port)
{
	return port->has_vf;
}

static bool is_adopted(const struct port *port)
{
	return port->adopted;
}

static bool learns(const struct port *port)
{
	return port->learns_mac;
}

static bool has_queues(const struct port *port)
{
	return port->queues > 1;
}

static bool wants_vhost(const struct port *port)
{
	return port->vhost == VHOST_ON;
}

static bool is_persistent(const struct port *port)
{
	return port->persistent;
}

static bool is_isolated(const struct port *port)
{
	return port->isolated;
}

static bool has_vlan(const struct port *port)
{
	return port->vlan.is_given;
}

static bool is_down(const struct port *port)
{
	return port->link_down;
}

/* What differs from how Linux has it: the rest needs no bridge. */
static bool has_bridge_options(const struct port *port)
{
	const struct port_options *o = &port->options;

	return o->learning == TRI_FALSE || o->flood == TRI_FALSE ||
	       o->multicast_flood == TRI_FALSE || o->hairpin == TRI_TRUE ||
	       o->proxy_arp == TRI_TRUE;
}

static bool has_offloads(const struct port *port)
{
	const struct port_options *o = &port->options;

	return o->rx || o->tx || o->sg || o->tso || o->gso || o->gro;
}

static bool has_limit_in(const struct port *port)
{
	return port->in.rate || port->in.guaranteed;
}

static bool has_limit_out(const struct port *port)
{
	return port->out.rate || port->out.guaranteed;
}

static bool has_groups(const struct port *port)
{
	return port->groups.n;
}

#define IN_NAMESPACE "an interface in a namespace has no descriptors"

static const struct {
	const char *key;
	bool (*is_given)(const struct port *port);
	unsigned kinds; /* that know the key */
	const char *why;
} rules[] = {
	{ "netns", has_netns, MACVLAN | VETH, "only these are interfaces in a namespace" },
	{ "inside", has_inside, MACVLAN | VETH, "only these are interfaces in a namespace" },
	{ "vf", has_vf, VF, "only an sriov network has virtual functions" },
	{ "adopt", is_adopted, TAP, "only TAP devices are made by others" },
	{ "learnMac", learns, TAP,
	  "the device itself has the MAC, and that is what is let through" },
	{ "queues", has_queues, TAP | MACVTAP, "there are no descriptors, one for each queue" },
	{ "vhost", wants_vhost, TAP | MACVTAP, "there are no descriptors for vhost to serve" },
	{ "persistent", is_persistent, TAP | MACVTAP | VF,
	  "it lives as long as its namespace, whoever asked for it" },
	{ "isolated", is_isolated, TAP | VETH, "there is no bridge; macvtap: private does it" },
	{ "vlan", has_vlan, TAP | VETH, "only the ports of a VLAN-aware bridge differ in it" },
	{ "linkDown", is_down, TAP | MACVTAP | VETH | VF,
	  "the interface is in another namespace, whose owner sets it up and down" },
	{ "learning", has_bridge_options, TAP | VETH,
	  "learning, flood, multicastFlood, hairpin and proxyArp are options of bridge ports" },
	{ "offloads", has_offloads, TAP | MACVTAP | VETH, "no end of it is on this host" },
	{ "groups", has_groups, TAP | VETH, "without a bridge nothing sees its connections" },
	{ "bandwidth.in", has_limit_in, TAP | MACVTAP | VETH, "there is no end of it to shape at" },
	{ "bandwidth.out", has_limit_out, TAP | MACVTAP | VETH | VF,
	  "there is no end of it to shape at" },
};

int check_port_keys(const struct port *port, const struct network *net, struct vnet_error *err)
{
	AUTO_STRBUF struct strbuf list = { 0 };

	(void)net;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!rules[i].is_given(port) || rules[i].kinds & K(port->kind))
			continue;
		list_kinds(rules[i].kinds, &list);
		return check_port_refuse(err, -EINVAL, "kind-conflict", rules[i].key,
					 "%s has no place in a port of kind %s (accepted in %s): %s",
					 rules[i].key, port_kind_name(port->kind), list.s,
					 rules[i].why);
	}
	if (K(port->kind) & (MACVLAN | VETH) && !port->netns)
		return check_port_refuse(err, -EINVAL, "missing-key", "netns",
					 "a port of kind %s goes into a namespace; name it, like "
					 "/run/netns/web or /proc/4711/ns/net",
					 port_kind_name(port->kind));
	return 0;
}

/* --- VLANs --- */

int check_port_vlan(const struct port *port, const struct network *net, struct vnet_error *err)
{
	if (port->vlan.is_given && !(net->bridge.vlan_filtering && network_owns_bridge(net)))
		return check_port_refuse(err, -EINVAL, "vlan-conflict", "vlan",
					 "the bridge of network %s tells no ports apart by VLAN; set "
					 "bridge.vlan_filtering there, or leave vlan out",
					 net->name);
	if (net->bridge.vlan_filtering && !port->vlan.is_given && !network_native_vlan(net))
		return check_port_refuse(err, -EINVAL, "missing-key", "vlan",
					 "the bridge of network %s has native 0, so a port that names "
					 "no VLAN would be in none; give vlan",
					 net->name);
	return 0;
}

/* --- inside --- */

static bool inside_reaches(const struct port_inside *inside, const struct ip *ip)
{
	vec_each(address, &inside->addresses)
		if (prefix_contains(address, ip))
			return true;
	vec_each(route, &inside->routes)
		if (!route->via.family && prefix_contains(&route->to, ip))
			return true;
	return ip->family == AF_INET6 && ip_is_link_local(ip);
}

static int check_inside_address(const struct port *port, const struct network *net, size_t i,
				struct vnet_error *err)
{
	const struct prefix *address = &port->inside.addresses.v[i];
	const char *path = PATH("inside.addresses[%zu]", i);
	char text[ADDR_TEXT_MAX];

	prefix_format(address, text);
	if (ip_is_any(&address->addr) || ip_is_multicast(&address->addr) ||
	    ip_is_loopback(&address->addr) || !address->len ||
	    !subnet_host_is_usable(address, &address->addr))
		return check_port_refuse(err, -EINVAL, "bad-address", path,
					 "%s is no address that an interface can have", text);
	if (network_has_address(net, &address->addr))
		return check_port_refuse(err, -EEXIST, "address-conflict", path,
					 "%s is an address of this host on network %s", text,
					 net->name);
	for (size_t k = 0; k < i; k++)
		if (ip_cmp(&port->inside.addresses.v[k].addr, &address->addr) == 0)
			return check_port_refuse(err, -EINVAL, "duplicate", path,
						 "%s is given twice", text);
	return 0;
}

static int check_inside_route(const struct port *port, size_t i, struct vnet_error *err)
{
	const struct port_inside *inside = &port->inside;
	const struct static_route *route = &inside->routes.v[i];
	char text[ADDR_TEXT_MAX];

	if (route->via.family && !inside_reaches(inside, &route->via))
		return check_port_refuse(err, -EINVAL, "outside-subnet",
					 PATH("inside.routes[%zu].via", i),
					 "%s is in no subnet of inside.addresses, so the kernel would "
					 "refuse the route",
					 ip_format(&route->via, text));
	for (size_t k = 0; k < i; k++)
		if (prefix_cmp(&inside->routes.v[k].to, &route->to) == 0 &&
		    inside->routes.v[k].metric == route->metric)
			return check_port_refuse(err, -EINVAL, "duplicate",
						 PATH("inside.routes[%zu]", i),
						 "%s is routed twice with the same metric",
						 prefix_format(&route->to, text));
	return 0;
}

int check_port_inside(const struct port *port, const struct network *net, struct vnet_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < port->inside.addresses.n; i++)
		r = check_inside_address(port, net, i, err);
	for (size_t i = 0; r == 0 && i < port->inside.routes.n; i++)
		r = check_inside_route(port, i, err);
	return r;
}

/* --- limits --- */

static int check_function_limit(const struct port *port, struct vnet_error *err)
{
	const struct bandwidth *out = &port->out;

	if (port->kind != PORT_VF ||
	    (out->rate % 1000000 == 0 && out->guaranteed % 1000000 == 0 && !out->burst))
		return 0;
	return check_port_refuse(err, -EINVAL, "bad-value", "bandwidth.out",
				 "a virtual function is limited in whole mbit and has no burst to set");
}

int check_port_limits(const struct port *port, const struct network *net, struct vnet_error *err)
{
	bool in = port->in.guaranteed && !net->in.rate;
	bool out = port->out.guaranteed && !net->out.rate && port->kind != PORT_VF;

	if (in || out)
		return check_port_refuse(err, -EINVAL, "bad-guarantee",
					 in ? "bandwidth.in" : "bandwidth.out",
					 "a guarantee is a share of the network's own limit, and %s has "
					 "none; set bandwidth there, or leave guaranteed out",
					 net->name);
	return check_function_limit(port, err);
}

/* --- beside the other ports --- */

static bool is_beside(const struct port *port, const struct port *other)
{
	return other->network && port->network && strcmp(port->network, other->network) == 0 &&
	       !(port->name && other->name && strcmp(port->name, other->name) == 0);
}

static int check_sum(uint64_t sum, uint64_t all, const char *path, const struct network *net,
		     struct vnet_error *err)
{
	if (!all || sum <= all)
		return 0;
	return check_port_refuse(err, -EDQUOT, "bad-guarantee", path,
				 "network %s would guarantee %llu bit/s to its ports, but lets %llu "
				 "pass; lower guaranteed, or raise the network's bandwidth",
				 net->name, (unsigned long long)sum, (unsigned long long)all);
}

int check_port_shares(const struct port *port, const struct network *net,
		      struct port *const *ports, size_t n_ports, struct vnet_error *err)
{
	uint64_t in = port->in.guaranteed, out = port->out.guaranteed;
	int r;

	for (size_t i = 0; i < n_ports; i++) {
		if (!is_beside(port, ports[i]))
			continue;
		in += ports[i]->in.guaranteed;
		out += ports[i]->out.guaranteed;
		if (net->mode == NETWORK_MACVTAP && net->macvtap.mode == MACVTAP_PASSTHRU)
			return check_port_refuse(err, -EDQUOT, "too-many", "network",
						 "macvtap mode passthru gives the NIC of network %s to "
						 "one port, which is %s",
						 net->name, ports[i]->name);
	}
	r = port->in.guaranteed ? check_sum(in, net->in.rate, "bandwidth.in", net, err) : 0;
	if (r == 0 && port->out.guaranteed)
		r = check_sum(out, net->out.rate, "bandwidth.out", net, err);
	return r;
}

int check_port_function(const struct port *port, const struct network *net,
			struct port *const *ports, size_t n_ports, struct vnet_error *err)
{
	const struct sriov_config *sriov = &net->sriov;

	if (!port->has_vf)
		return 0;
	if (sriov->has_vfs && (port->vf < sriov->first_vf || port->vf > sriov->last_vf))
		return check_port_refuse(err, -EINVAL, "out-of-range", "vf",
					 "vf is %u; network %s has %u-%u", port->vf, net->name,
					 sriov->first_vf, sriov->last_vf);
	for (size_t i = 0; i < n_ports; i++)
		if (is_beside(port, ports[i]) && ports[i]->has_vf && ports[i]->vf == port->vf)
			return check_port_refuse(err, -EEXIST, "interface-conflict", "vf",
						 "virtual function %u belongs to port %s; leave vf out "
						 "to get a free one",
						 port->vf, ports[i]->name);
	return 0;
}
