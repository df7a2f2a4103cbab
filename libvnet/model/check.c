/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c - what must hold within one network.
 *
 * The parser has checked each value alone.  Neighbours: check_modes.c (which
 * keys a mode knows), check_wire.c (VLANs, links, limits), check_dhcp.c and
 * check_dns.c (services), check_networks.c and check_uplinks.c (several
 * networks), check_port.c.
 */

#include "model/check_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#define IPV6_MTU_MIN 1280 /* RFC 8200, section 5 */

char *check_path(char *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(buf, NODE_PATH_MAX, format, args);
	va_end(args);
	return buf;
}

int check_refuse(const struct network *net, const struct source *item, const char *path,
		 struct vnet_error *err, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnet_error_setv(err, -EINVAL, code, format, args);
	va_end(args);
	network_locate(net, path, err);
	if (item && item->line)
		vnet_error_at(err, item->file, item->line, item->column, NULL);
	return -EINVAL;
}

char *check_other(const struct network *net, const struct source *item, char buf[OTHER_MAX])
{
	const struct source *at = item ? item : &net->source;

	if (at->file && at->line)
		snprintf(buf, OTHER_MAX, "network %s (%s:%u)", net->name, at->file, at->line);
	else
		snprintf(buf, OTHER_MAX, "network %s", net->name);
	return buf;
}

const struct prefix *network_subnet_of(const struct network *net, const struct ip *ip)
{
	vec_each(subnet, &net->addresses)
		if (prefix_contains(subnet, ip))
			return subnet;
	return NULL;
}

bool network_has_address(const struct network *net, const struct ip *ip)
{
	vec_each(address, &net->addresses)
		if (ip_cmp(&address->addr, ip) == 0)
			return true;
	return false;
}

bool subnet_host_is_usable(const struct prefix *subnet, const struct ip *ip)
{
	struct prefix first = prefix_network(subnet);
	struct ip last = prefix_last(subnet);

	/* A pair has no network address: RFC 3021 (IPv4 /31), RFC 6164 (IPv6 /127). */
	if (subnet->len + 1u >= ip_bits(&subnet->addr))
		return true;
	if (ip_cmp(ip, &first.addr) == 0)
		return false;
	return ip->family != AF_INET || ip_cmp(ip, &last) != 0;
}

/* --- names and bridge --- */

/* "vp12": the form of the names that ports get. */
static bool is_port_ifname(const char *name)
{
	const char *digits = name + strlen(PORT_IFNAME_PREFIX);

	if (strncmp(name, PORT_IFNAME_PREFIX, strlen(PORT_IFNAME_PREFIX)) != 0 || !*digits)
		return false;
	for (; *digits; digits++)
		if (!isdigit((unsigned char)*digits))
			return false;
	return true;
}

static int check_names(const struct network *net, struct vnet_error *err)
{
	size_t max = 15 - strlen(NETWORK_BRIDGE_PREFIX);
	char bridge[16];

	if (network_has_bridge(net) && !net->bridge.name && strlen(net->name) > max)
		return check_refuse(
			net, NULL, "", err, "bad-name",
			"the name has %zu bytes; beyond %zu the bridge " NETWORK_BRIDGE_PREFIX
			"NAME passes the kernel's 15, so set bridge.name too",
			strlen(net->name), max);
	if (net->bridge.name && is_port_ifname(net->bridge.name))
		return check_refuse(net, NULL, "bridge.name", err, "bad-interface-name",
				    "%s is a name that a port may get; choose another",
				    net->bridge.name);
	if (net->uplink && strcmp(net->uplink, network_bridge(net, bridge)) == 0)
		return check_refuse(net, NULL, "uplink", err, "bad-interface-name",
				    "the uplink %s cannot be the network's own device",
				    net->uplink);
	return 0;
}

static bool wants_ipv6(const struct network *net)
{
	return network_has_family(net, AF_INET6) || net->auto6;
}

static int check_mtu(const struct network *net, unsigned mtu, const char *path,
		     struct vnet_error *err)
{
	if (!mtu || mtu >= IPV6_MTU_MIN || !wants_ipv6(net))
		return 0;
	return check_refuse(
		net, NULL, path, err, "mtu-too-small",
		"an MTU of %u is too small for IPv6, which needs at least %d (RFC 8200)", mtu,
		IPV6_MTU_MIN);
}

static int check_bridge(const struct network *net, struct vnet_error *err)
{
	int r = check_mtu(net, net->bridge.mtu, "bridge.mtu", err);

	if (r == 0)
		r = check_mtu(net, net->port_defaults.mtu, "ports.mtu", err);
	if (r < 0)
		return r;
	if (network_owns_bridge(net) && net->port_defaults.mtu > network_mtu(net))
		return check_refuse(
			net, NULL, "ports.mtu", err, "mtu-too-large",
			"ports with an MTU of %u on a bridge with %u lose large frames; "
			"raise bridge.mtu or lower ports.mtu",
			net->port_defaults.mtu, network_mtu(net));
	if (net->bridge.group_fwd_mask & 7)
		return check_refuse(
			net, NULL, "bridge.group_fwd_mask", err, "bad-value",
			"bits 0 to 2 of %#x (STP, pause frames, LACP) are never forwarded "
			"by the kernel; clear them",
			net->bridge.group_fwd_mask);
	return 0;
}

/* --- addresses --- */

static int check_address(const struct network *net, size_t i, struct vnet_error *err)
{
	const struct prefix *p = &net->addresses.v[i];
	char text[ADDR_TEXT_MAX];

	if (ip_is_any(&p->addr) || ip_is_multicast(&p->addr) || ip_is_loopback(&p->addr))
		return check_refuse(net, NULL, PATH("addresses[%zu]", i), err, "bad-address",
				    "%s is no address that a bridge can have",
				    prefix_format(p, text));
	if (p->len == 0 || !subnet_host_is_usable(p, &p->addr))
		return check_refuse(
			net, NULL, PATH("addresses[%zu]", i), err, "bad-address",
			"%s names the subnet, not an address in it; give the bridge's own "
			"address, often the next one",
			prefix_format(p, text));
	for (size_t k = 0; k < i; k++) {
		const struct prefix *other = &net->addresses.v[k];
		struct prefix mine = prefix_network(p), theirs = prefix_network(other);
		char text2[ADDR_TEXT_MAX];

		if (!prefix_overlaps(p, other))
			continue;
		if (prefix_cmp(&mine, &theirs) == 0 && ip_cmp(&p->addr, &other->addr) != 0)
			continue; /* a second address in the same subnet */
		return check_refuse(net, NULL, PATH("addresses[%zu]", i), err, "subnet-overlap",
				    "%s overlaps %s of the same network", prefix_format(p, text),
				    prefix_format(other, text2));
	}
	return 0;
}

static int check_addresses(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < net->addresses.n; i++) {
		int r = check_address(net, i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- NAT --- */

static int check_nat(const struct network *net, struct vnet_error *err)
{
	const struct nat_config *nat = &net->nat;
	char bridge[16];

	if (net->mode != NETWORK_NAT)
		return 0;
	if (!nat->ipv4 && !nat->ipv6)
		return check_refuse(net, NULL, "nat.ipv4", err, "mode-conflict",
				    "neither IPv4 nor IPv6 is translated; mode: routed says that");
	if (nat->uplink && strcmp(nat->uplink, network_bridge(net, bridge)) == 0)
		return check_refuse(net, NULL, "nat.uplink", err, "bad-interface-name",
				    "%s is the guests' own bridge; name the NIC that leads outside",
				    nat->uplink);
	if (nat->ipv6 && !wants_ipv6(net))
		return check_refuse(net, NULL, "nat.ipv6", err, "no-address",
				    "there is no IPv6 subnet to translate; add one to addresses");
	if (nat->source.first.family && !nat->ipv4)
		return check_refuse(
			net, NULL, "nat.source", err, "mode-conflict",
			"an IPv4 source without IPv4 translation; remove it or set ipv4: true");
	if (nat->source6.first.family && !nat->ipv6)
		return check_refuse(
			net, NULL, "nat.source6", err, "mode-conflict",
			"an IPv6 source without IPv6 translation; remove it or set ipv6: true");
	return 0;
}

/* --- forwards --- */

static bool routes_lead_to(const struct network *net, const struct ip *ip)
{
	vec_each(route, &net->routes)
		if (prefix_contains(&route->to, ip))
			return true;
	return false;
}

static int check_forward_listen(const struct network *net, size_t i, struct vnet_error *err)
{
	const struct forward *f = &net->forwards.v[i];
	char text[ADDR_TEXT_MAX];

	if (!f->listen.family)
		return 0;
	if (f->listen.family != f->to.family)
		return check_refuse(net, &f->source, PATH("forwards[%zu]", i), err,
				    "family-mismatch",
				    "it listens on an address of one family and forwards to one of "
				    "the other; use addresses of the same family");
	if (ip_is_multicast(&f->listen) || ip_is_loopback(&f->listen) ||
	    ip_is_link_local(&f->listen))
		return check_refuse(
			net, &f->source, PATH("forwards[%zu].listen", i), err, "bad-address",
			"%s cannot be listened on; give an address that others reach, or "
			"the ports alone",
			ip_format(&f->listen, text));
	return 0;
}

static int check_forward_target(const struct network *net, size_t i, struct vnet_error *err)
{
	const struct forward *f = &net->forwards.v[i];
	const struct prefix *subnet = network_subnet_of(net, &f->to);
	char text[ADDR_TEXT_MAX];

	if (f->to.family == AF_INET ? net->auto4 : net->auto6)
		return check_refuse(net, &f->source, PATH("forwards[%zu].to", i), err,
				    "subnet-unknown",
				    "the subnet is chosen automatically, so %s may lie outside it; "
				    "give the network a fixed subnet in addresses",
				    ip_format(&f->to, text));
	if (network_has_address(net, &f->to))
		return check_refuse(net, &f->source, PATH("forwards[%zu].to", i), err,
				    "bad-address",
				    "%s is the bridge's own address; a forward leads to a guest",
				    ip_format(&f->to, text));
	if (subnet ? !subnet_host_is_usable(subnet, &f->to) : !routes_lead_to(net, &f->to))
		return check_refuse(
			net, &f->source, PATH("forwards[%zu].to", i), err, "outside-subnet",
			"%s is no guest's address in this network: it must lie in one of "
			"its subnets or behind one of its routes",
			ip_format(&f->to, text));
	return 0;
}

static int check_forwards(const struct network *net, struct vnet_error *err)
{
	VEC(struct forward_ref) refs = { 0 };
	size_t n_ports = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < net->forwards.n; i++) {
		const struct forward *f = &net->forwards.v[i];

		n_ports += (size_t)(f->ports.last - f->ports.first) + 1;
		if (n_ports > NETWORK_FORWARD_PORTS_MAX)
			r = check_refuse(net, &f->source, PATH("forwards[%zu]", i), err, "too-many",
					 "more than %d ports are forwarded; use smaller ranges",
					 NETWORK_FORWARD_PORTS_MAX);
		if (r == 0)
			r = check_forward_listen(net, i, err);
		if (r == 0)
			r = check_forward_target(net, i, err);
		vec_push(&refs, (struct forward_ref){ net, f, i, i });
	}
	if (r == 0)
		r = check_forward_collisions(refs.v, refs.n, err);
	vec_free(&refs);
	return r;
}

/* --- routes --- */

static int check_route_to(const struct network *net, size_t i, struct vnet_error *err)
{
	const struct static_route *route = &net->routes.v[i];
	struct prefix clean = prefix_network(&route->to);
	char text[ADDR_TEXT_MAX], text2[ADDR_TEXT_MAX];

	if (prefix_cmp(&clean, &route->to) != 0)
		return check_refuse(net, &route->source, PATH("routes[%zu].to", i), err,
				    "bad-address", "%s has host bits set; the route is to %s",
				    prefix_format(&route->to, text), prefix_format(&clean, text2));
	if (route->to.len == 0)
		return check_refuse(
			net, &route->source, PATH("routes[%zu].to", i), err, "bad-address",
			"a default route through guests would cut this host off; name the "
			"subnets that lie behind the guest");
	vec_each(subnet, &net->addresses)
		if (subnet->len <= route->to.len && prefix_overlaps(subnet, &route->to))
			return check_refuse(
				net, &route->source, PATH("routes[%zu].to", i), err,
				"subnet-overlap", "%s lies in the network's own subnet %s",
				prefix_format(&route->to, text), prefix_format(subnet, text2));
	for (size_t k = 0; k < i; k++)
		if (prefix_cmp(&net->routes.v[k].to, &route->to) == 0 &&
		    net->routes.v[k].metric == route->metric)
			return check_refuse(net, &route->source, PATH("routes[%zu]", i), err,
					    "duplicate", "%s is routed twice with the same metric",
					    prefix_format(&route->to, text));
	return 0;
}

static int check_route_via(const struct network *net, size_t i, struct vnet_error *err)
{
	const struct static_route *route = &net->routes.v[i];
	const struct prefix *subnet = network_subnet_of(net, &route->via);
	char text[ADDR_TEXT_MAX];

	if (!route->via.family)
		return 0;
	if (route->via.family != route->to.addr.family)
		return check_refuse(net, &route->source, PATH("routes[%zu].via", i), err,
				    "family-mismatch", "to and via must be of one address family");
	if (route->via.family == AF_INET6 && ip_is_link_local(&route->via))
		return 0;
	if (network_has_address(net, &route->via))
		return check_refuse(net, &route->source, PATH("routes[%zu].via", i), err,
				    "bad-address",
				    "%s is the bridge's own address; via is the guest that routes",
				    ip_format(&route->via, text));
	if (!subnet || !subnet_host_is_usable(subnet, &route->via))
		return check_refuse(net, &route->source, PATH("routes[%zu].via", i), err,
				    "outside-subnet",
				    "%s is no guest's address in this network's subnets",
				    ip_format(&route->via, text));
	return 0;
}

static int check_routes(const struct network *net, struct vnet_error *err)
{
	for (size_t i = 0; i < net->routes.n; i++) {
		int r = check_route_to(net, i, err);

		if (r == 0)
			r = check_route_via(net, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int network_check(const struct network *net, struct vnet_error *err)
{
	static int (*const checks[])(const struct network *, struct vnet_error *) = {
		check_names, check_modes, check_vlans,	 check_addresses, check_bridge,
		check_nat,   check_links, check_bandwidth, check_guard, check_dhcp, check_dns,
		check_egress,
		check_routes, check_forwards,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](net, err);

		if (r < 0)
			return r;
	}
	return 0;
}
